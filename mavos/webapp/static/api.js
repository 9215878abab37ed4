// The server's answers, as promises. The token lives in this page's memory alone.

import { emit } from "./page.js";

let token = "";

const address = (path) => `/api/${token}/${path}`;

/** Begin a session; returns what the server reports of itself. */
export async function begin() {
  const { token: given, ...about } = await (await send("/api/sessions", { method: "POST" })).json();
  token = given;
  return about;
}

/** End it, also while the page is closing. */
export function end() {
  if (token) navigator.sendBeacon(address("close"));
  token = "";
}

export const getState = async (since) => (await send(address(`state?since=${since}`))).json();
export const openClip = (name) => post("clip", { name });
export const addObject = async (name = "") => (await (await post("objects", { name })).json()).id;
export const renameObject = (id, name) => post(`objects/${id}`, { name }, "PATCH");
export const track = (fromFrame) => post("track", { from_frame: fromFrame });
export const pause = () => post("pause");
export const makeExport = (kind) => post(`exports/${kind}`);
export const exportAddress = (kind) => address(`exports/${kind}`);
export const discard = (frame) => post(`labels/${frame}`, undefined, "DELETE");

export function removeObject(id, fromFrame) {
  const query = fromFrame === null ? "" : `?from_frame=${fromFrame}`;
  return post(`objects/${id}${query}`, undefined, "DELETE");
}

export async function getPicture(frame) {
  return createImageBitmap(await (await send(address(`frames/${frame}`))).blob());
}

/** Object ids of a frame, row by row; all zero where there is none. */
export async function getLabels(frame, pixels) {
  const answer = await send(address(`labels/${frame}`));
  return answer.status === 204 ? new Uint8Array(pixels) : bytes(answer);
}

export async function putLabels(frame, labels) {
  const packed = new Blob([labels]).stream().pipeThrough(new CompressionStream("deflate"));
  const body = await new Response(packed).arrayBuffer();
  return send(address(`labels/${frame}`), { method: "PUT", body });
}

/** 1 where the server finds an object in the box (left, top, right, bottom). */
export const maskInBox = async (frame, box) => bytes(await post("box", { frame, box }));

/** Send a file; `progress` is called with the bytes that are sent. */
export function upload(part, file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", address(`upload/${part}`));
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onload = () => {
      if (request.status < 300) resolve();
      else reject(new Error(messageIn(request.responseText, request.status)));
    };
    request.onerror = () => reject(new Error("The upload broke off: is the server still running?"));
    request.send(file);
  });
}

function post(path, content, method = "POST") {
  const options = { method };
  if (content !== undefined) {
    options.body = JSON.stringify(content);
    options.headers = { "Content-Type": "application/json" };
  }
  return send(address(path), options);
}

async function send(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Error("The server does not answer: has it been stopped?");
  }
  if (answer.ok) return answer;
  const message = messageIn(await answer.text(), answer.status);
  if (answer.status === 410) emit("ended", message);
  throw new Error(message);
}

function messageIn(text, status) {
  let message;
  try {
    message = JSON.parse(text).error;
  } catch {
    // not one of our answers
  }
  if (!message) return `The server answered with status ${status}`;
  const startsWithWord = /^[a-z]+ /.test(message); // and not with the name of a file
  return startsWithWord ? message.charAt(0).toUpperCase() + message.slice(1) : message;
}

async function bytes(answer) {
  return new Uint8Array(await answer.arrayBuffer());
}
