// The first screen: choose files or drop them, watch them go to the server and be read.

import * as api from "./api.js";
import { count, emit, find, on, page } from "./page.js";

const MB = 2 ** 20;
const order = new Intl.Collator(undefined, { numeric: true });
let uploading = false;

/** Send a video, or several pictures, and have the server read it. */
export async function open(files) {
  if (uploading || page.job?.running) return;
  fail("");
  const chosen = [...files].sort((a, b) => order.compare(a.name, b.name));
  const problem = objection(chosen);
  if (problem) return fail(problem);
  uploading = true;
  try {
    await send(chosen);
    await api.openClip(chosen.length === 1 ? chosen[0].name : `${chosen.length} pictures`);
    emit("refresh");
  } catch (error) {
    fail(error.message);
  } finally {
    uploading = false;
  }
}

/** What is wrong with the files, as far as the page can tell. */
function objection(files) {
  if (!files.length) return "No file was chosen.";
  const pictures = files.every((file) => file.type.startsWith("image/"));
  if (files.length > 1 && !pictures) return "Choose one video, or several pictures, not both.";
  const { max_upload_mb: limit, max_frames: most } = page.about;
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (size > limit * MB) {
    return `${files[0].name} is too large: ${Math.ceil(size / MB)} MB, the server takes up to ${limit} MB. Cut it or make it smaller, or start the server with a larger --max_upload_mb.`;
  }
  if (files.length > most)
    return `${files.length} pictures; the server takes ${most} (--max_frames).`;
  if (size === 0) return `${files[0].name} is empty.`;
  return "";
}

async function send(files) {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  let before = 0;
  for (const [part, file] of files.entries()) {
    await api.upload(part, file, (sent) => {
      const share = Math.min(1, (before + sent) / total);
      progress(`Uploading ${file.name}: ${Math.round(100 * share)} %`, share);
    });
    before += file.size;
  }
}

function progress(text, share) {
  find("loading").hidden = false;
  find("loading-text").textContent = text;
  if (share === null) find("loading-bar").removeAttribute("value");
  else find("loading-bar").value = share;
}

function fail(text) {
  find("failure").textContent = text;
  find("failure").hidden = !text;
  find("loading").hidden = true;
}

function showReading() {
  const { job } = page;
  if (job?.kind !== "decode") return;
  find("loading-stop").hidden = !job.running;
  if (job.running) {
    const of = job.total ? ` of ${job.total}` : "";
    progress(
      `Reading frame ${job.done}${of}`,
      job.total ? Math.min(1, job.done / job.total) : null,
    );
  } else if (job.error) fail(job.error);
  else find("loading").hidden = true;
}

export function welcome() {
  const { max_upload_mb: limit, keep_minutes: minutes } = page.about;
  find("limits").textContent = `Up to ${limit} MB and ${count(page.about.max_frames, "frame")}.`;
  find("private").textContent =
    `The video stays on the machine that runs this page, in a private folder. It is deleted when you close the tab, or after ${count(minutes, "minute")} of silence.`;
}

find("choose").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", () => {
  open(find("file").files).then(() => (find("file").value = ""));
});
find("loading-stop").addEventListener("click", () => emit("pause"));
on("state", showReading);

for (const event of ["dragenter", "dragover", "dragleave", "drop"]) {
  window.addEventListener(event, (dragged) => {
    dragged.preventDefault();
    const over = event === "dragenter" || event === "dragover";
    find("drop").classList.toggle("over", over && !page.clip);
    if (event === "drop" && !page.clip) open(dragged.dataTransfer.files);
  });
}
