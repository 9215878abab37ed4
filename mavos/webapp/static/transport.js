// Going through the frames; tracking, pausing and continuing.

import * as api from "./api.js";
import * as drawing from "./drawing.js";
import { prefetch } from "./frames.js";
import { clamp, count, emit, find, on, page, reporting, tracking } from "./page.js";
import { show } from "./picture.js";

const AHEAD = 4; // frames fetched before they are played
let playing = 0; // number of the run that plays; 0: none
let runs = 0;

/** Show a frame; a number outside is brought inside. */
export function seek(frame) {
  if (page.clip) return reporting(() => show(frame));
}

export function step(by) {
  stop();
  leaveNewest();
  return seek(page.frame + by);
}

/** Play from here, or stop. */
export async function play() {
  if (playing) return stop();
  if (!page.clip) return;
  leaveNewest();
  const mine = (playing = ++runs);
  look();
  if (page.frame === page.clip.length - 1) await seek(0);
  let due = performance.now();
  while (playing === mine && page.frame < page.clip.length - 1) {
    for (let i = 1; i <= AHEAD; i++) prefetch(page.frame + i);
    due = Math.max(due + 1000 / page.clip.frame_rate, performance.now());
    await new Promise((done) => setTimeout(done, due - performance.now()));
    if (playing === mine) await seek(page.frame + 1);
  }
  if (playing === mine) stop();
}

export function stop() {
  playing = 0;
  look();
}

/** Track, from a frame on or where results are missing. */
export async function track(fromFrame = null) {
  if (page.job?.running) return;
  stop();
  drawing.giveUp();
  await drawing.saved();
  await reporting(async () => {
    await api.track(fromFrame);
    drawing.reset(); // tracking overwrites what an undo would go back to
  });
  emit("refresh");
}

export async function pause() {
  await reporting(api.pause);
  emit("refresh");
}

/** Who looks around while it is tracking does not want to be taken to the newest frame. */
function leaveNewest() {
  if (!tracking() || !page.follow) return;
  page.follow = false;
  find("follow").checked = false;
}

/** The buttons and texts that depend on what runs. */
function look() {
  if (!page.clip) return;
  const busy = Boolean(page.job?.running);
  const some = page.status.some((one) => one > 0);
  find("track").textContent = some && hasOpen() ? "Go on" : "Track";
  find("track").hidden = busy;
  find("track").disabled = page.given.size === 0 || !hasOpen();
  find("track").classList.toggle("primary", !allTracked());
  find("track-here").disabled = busy || page.given.size === 0;
  find("pause").hidden = !busy;
  find("pause-text").textContent = tracking() ? "Pause" : "Stop";
  find("play-icon").setAttribute("href", playing ? "#i-pause" : "#i-play");
  find("discard").disabled = busy || !page.given.has(page.frame);
  find("undo").disabled = busy || !drawing.canUndo();
  find("redo").disabled = busy || !drawing.canRedo();
  find("progress").hidden = !busy;
  if (busy) find("progress").value = page.job.total ? page.job.done / page.job.total : 0;
  find("status").textContent = statusText();
  find("status").classList.toggle("failed", Boolean(page.job?.error));
  find("badge").textContent = badgeText();
  find("badge").hidden = !badgeText();
  if (document.activeElement !== find("frame-number")) {
    find("frame-number").value = page.frame + 1;
  }
  find("frame").value = page.frame;
}

/** The first frame, from the first drawing on, without a result that is up to date; or -1. */
function firstOpen() {
  const first = Math.min(...page.given.keys());
  return Number.isFinite(first) ? page.status.findIndex((one, i) => i >= first && one !== 1) : -1;
}

const hasOpen = () => firstOpen() >= 0;

export const allTracked = () => page.given.size > 0 && !hasOpen();

function statusText() {
  const { job } = page;
  if (job?.running) {
    const speed = job.fps ? ` · ${job.fps.toFixed(1)} frames/s` : "";
    const of = job.total ? `${job.done} of ` : "";
    const what = {
      track: "Tracking",
      masks: "Packing masks",
      overlay: "Writing the overlay video",
      coco: "Writing COCO JSON",
    };
    return `${what[job.kind] ?? "Reading"}: ${of}${count(job.total || job.done, "frame")}${speed}`;
  }
  if (job?.error) return job.error;
  if (!page.given.size) return "Draw an object in any frame, then track it.";
  const open = firstOpen();
  if (open < 0) return "Every frame is tracked.";
  if (page.status[open] === 2)
    return `Frames from ${open + 1} on are older than your correction: continue.`;
  if (!page.status.some((one) => one > 0)) return "Ready to track.";
  return `Tracked up to frame ${open}.`;
}

function badgeText() {
  if (page.given.has(page.frame)) return corrects(page.frame) ? "Corrected here" : "Drawn here";
  if (page.status[page.frame] === 2) return "Older than your correction";
  return "";
}

/** Whether an object that is drawn in a frame has been drawn before it. */
function corrects(frame) {
  const ids = page.given.get(frame);
  return [...page.given].some(([at, drawn]) => at < frame && drawn.some((id) => ids.includes(id)));
}

find("previous").addEventListener("click", () => step(-1));
find("next").addEventListener("click", () => step(1));
find("play").addEventListener("click", play);
find("track").addEventListener("click", () => track());
find("track-here").addEventListener("click", () => track(page.frame));
find("pause").addEventListener("click", pause);
find("follow").addEventListener("change", (event) => (page.follow = event.target.checked));
find("frame").addEventListener("input", (event) => {
  stop();
  leaveNewest();
  seek(Number(event.target.value));
});
find("frame-number").addEventListener("change", (event) => {
  const number = Number.parseInt(event.target.value, 10);
  if (Number.isFinite(number)) step(clamp(number, 1, page.clip.length) - 1 - page.frame);
  event.target.blur();
  look();
});
on("seek", (frame) => {
  leaveNewest();
  seek(frame);
});
on("stop", stop);
on("pause", pause);
for (const event of ["frame", "state", "history"]) on(event, look);
