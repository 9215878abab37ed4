// The server makes a file, then the browser saves it.

import * as api from "./api.js";
import * as drawing from "./drawing.js";
import { emit, find, on, page, reporting } from "./page.js";
import { allTracked } from "./transport.js";

let awaited = ""; // kind of the file that is being made for us

async function make(kind) {
  if (page.job?.running) return;
  await drawing.saved();
  await reporting(async () => {
    awaited = kind;
    await api.makeExport(kind);
  });
  emit("refresh");
}

on("job-ended", (job) => {
  if (job.kind !== awaited) return;
  awaited = "";
  if (job.error) return;
  const link = document.createElement("a");
  link.href = api.exportAddress(job.kind);
  link.download = "";
  link.click();
});

on("state", () => {
  const none = !page.given.size && !page.status.some((one) => one > 0);
  const outdated = page.status.some((one) => one === 2);
  for (const button of find("downloads").children) {
    button.disabled = none || Boolean(page.job?.running);
    button.classList.toggle("primary", allTracked() && button.dataset.kind === "masks");
  }
  find("download-hint").textContent = outdated
    ? "Some frames are older than a correction."
    : "";
});

find("downloads").addEventListener("click", (event) => {
  const button = event.target.closest("[data-kind]");
  if (button) make(button.dataset.kind);
});
