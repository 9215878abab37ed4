// Pictures and labels of the clip, fetched when asked for and kept for a while.

import * as api from "./api.js";
import { page } from "./page.js";

const MOST_PIXELS = 60e6; // of the pictures that are kept; four bytes each

let pictures = new Map(); // frame -> promise of ImageBitmap, oldest first
let labels = new Map(); // frame -> promise of Uint8Array

/** The picture of a frame. */
export const picture = (frame) => cached(pictures, frame, api.getPicture);

/** Object ids of its pixels, row by row; drawing changes them in place. */
export const labelsOf = (frame) =>
  cached(labels, frame, (at) => api.getLabels(at, page.clip.width * page.clip.height));

/** These are the labels of a frame, newer than the server's. */
export function keep(frame, known) {
  labels.delete(frame);
  labels.set(frame, Promise.resolve(known));
}

/** Fetch a frame that will be asked for soon. */
export function prefetch(frame) {
  if (frame >= page.clip.length) return;
  picture(frame).catch(() => {});
  labelsOf(frame).catch(() => {});
}

/** Labels of a frame have changed in the server. */
export const outdated = (frame) => labels.delete(frame);

/** Labels of all frames have. */
export const outdatedAll = () => labels.clear();

/** Another clip. */
export function forget() {
  pictures = new Map();
  labels = new Map();
}

function cached(cache, frame, fetchIt) {
  const kept = cache.get(frame);
  cache.delete(frame); // and to the end: the newest
  const promise = kept ?? fetchIt(frame);
  if (!kept) promise.catch(() => cache.get(frame) === promise && cache.delete(frame));
  cache.set(frame, promise);
  const most = Math.max(4, MOST_PIXELS / (page.clip.width * page.clip.height));
  if (cache.size > most) cache.delete(cache.keys().next().value);
  return promise;
}
