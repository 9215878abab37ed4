// Begins a session, and keeps the page and the server in step.

import * as api from "./api.js";
import * as drawing from "./drawing.js";
import * as frames from "./frames.js";
import * as objects from "./objects.js";
import * as start from "./start.js";
import * as tools from "./tools.js";
import { ask, count, emit, find, notice, on, page, tracking } from "./page.js";
import { clear, show } from "./picture.js";
import "./camera.js";
import "./downloads.js";
import "./keys.js";
import "./timeline.js";
import "./transport.js";

const BUSY = 150; // milliseconds between two questions while something runs
const IDLE = 4000;
let asked = Promise.resolve();
let timer = 0;
let ended = false;
let leaving = false;

/** Ask the server what is new; one question at a time. */
function refresh() {
  asked = asked.then(update);
  return asked;
}

async function update() {
  clearTimeout(timer);
  if (ended) return;
  try {
    await apply(await api.getState(page.revision));
  } catch (error) {
    notice(error.message, "error");
  }
  clearTimeout(timer);
  if (!ended) timer = setTimeout(refresh, page.job?.running ? BUSY : IDLE);
}

async function apply({ job, clip, annotations }) {
  const wasTracking = tracking();
  const before = page.job;
  page.job = job;
  if (clip && clip.number !== page.clip?.number) await openClip(clip);
  const changed = annotations && page.clip ? take(annotations) : new Set();
  emit("objects");
  emit("state");
  if (job && !job.running && (before?.number !== job.number || before.running)) {
    emit("job-ended", job);
    if (job.error && page.clip) notice(job.error, "error");
  }
  if (!page.clip || drawing.busy()) return;
  const goOn = wasTracking || tracking();
  if (goOn && page.follow && job.frame !== null) await show(job.frame);
  else if (goOn && changed.has(page.frame)) await show(page.frame);
}

/** Take over what is known of the frames; returns those that changed. */
function take({ revision, objects: known, given, changed }) {
  page.revision = revision;
  page.objects = known;
  page.given = new Map(Object.entries(given).map(([frame, ids]) => [Number(frame), ids]));
  for (const [frame, status, presence] of changed) {
    page.status[frame] = status;
    page.presence[frame] = presence;
    if (!drawing.isAhead(frame)) frames.outdated(frame);
  }
  return new Set(changed.map(([frame]) => frame));
}

async function openClip(clip) {
  frames.forget();
  clear();
  page.clip = clip;
  page.frame = 0;
  page.status = new Uint8Array(clip.length);
  page.presence = new Array(clip.length);
  page.hidden.clear();
  find("start").hidden = true;
  find("work").hidden = false;
  find("new-video").hidden = false;
  find("clip-name").textContent =
    `${clip.name} · ${clip.width} × ${clip.height} · ${count(clip.length, "frame")}`;
  find("frame").max = clip.length - 1;
  find("frame-count").textContent = clip.length;
  tools.suitClip();
  drawing.reset();
  if (clip.warning) notice(clip.warning, "error");
  await show(0);
  objects.add();
}

async function begin() {
  tools.begin();
  try {
    page.about = await api.begin();
  } catch (error) {
    find("failure").textContent = error.message;
    find("failure").hidden = false;
    for (const id of ["choose", "camera-button"]) find(id).disabled = true;
    ended = true;
    return;
  }
  find("model").textContent = `${page.about.model} on ${page.about.device}`;
  find("model").title = page.about.checkpoint;
  start.welcome();
  refresh();
}

on("refresh", refresh);
on("ended", (message) => {
  ended = true;
  document.body.classList.add("ended");
  find("status").textContent = message;
});
find("new-video").addEventListener("click", async () => {
  if (page.given.size && !(await ask("leave-dialog"))) return;
  leaving = true;
  location.reload(); // closes this session and begins another
});
addEventListener("beforeunload", (event) => {
  if (page.given.size && !leaving && !ended) event.preventDefault();
});
addEventListener("pagehide", api.end);
addEventListener("pageshow", (event) => event.persisted && location.reload());
begin();
