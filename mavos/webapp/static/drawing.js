// Brush, eraser, polygon and box; undo; and saving what was drawn.

import * as api from "./api.js";
import * as frames from "./frames.js";
import { Bounds, cut, drawLine, fillMask, fillPolygon, paste } from "./raster.js";
import { cssColor, paint, setSketch, show, shownLabels, toFrame } from "./picture.js";
import { emit, find, notice, objectOf, on, page, reporting, tracking } from "./page.js";

const MOST_UNDO = 60;
const CLOSE_BY = 10; // screen pixels from the first corner that close a polygon

const canvas = find("picture");
let stroke = null; // {frame, labels, before, bounds, last}
let corners = []; // of the polygon, in pixels of the frame
let box = null; // {from, to}
let begunAt = -1; // frame of polygon and box
let pointer = null; // in pixels of the frame; null outside
let undone = [];
let done = []; // {frame, bounds, before, after}
let saving = Promise.resolve();
let swaps = Promise.resolve(); // undo and redo, one after the other
const unsaved = new Map(); // frame -> drawings that are on their way to the server

/** Whether something is being drawn or saved. */
export const busy = () => stroke !== null || unsaved.size > 0;

/** Whether the labels of a frame are ahead of the server's. */
export const isAhead = (frame) => unsaved.has(frame) || stroke?.frame === frame;

/** Resolves when everything drawn is in the server. */
export const saved = () => swaps.then(() => saving);

/** Give up what is begun; forget what could be undone. */
export function reset() {
  giveUp();
  done = [];
  undone = [];
  emit("history");
}

export const canUndo = () => done.length > 0;
export const canRedo = () => undone.length > 0;
export const undo = () => queue(() => swap(done, undone, "before"));
export const redo = () => queue(() => swap(undone, done, "after"));

/** End the polygon: its area becomes the object's. */
export function closePolygon() {
  const points = corners;
  giveUp();
  if (points.length < 3) return;
  change((labels) => fillPolygon(labels, page.clip, points, page.current));
}

/** Leave polygon and box, and take back a stroke that is not ended. */
export function giveUp() {
  corners = [];
  box = null;
  if (stroke) {
    const { labels, before, bounds } = stroke;
    stroke = null;
    labels.set(before);
    if (!bounds.empty) paint(bounds);
  }
  sketch();
}

/** What was painted until now is drawn, wherever the user has gone meanwhile. */
function endStroke() {
  const { frame, labels, before, bounds } = stroke;
  stroke = null;
  finish(frame, labels, before, bounds);
}

/** Labels as they would be without what was drawn in this frame. */
export async function discard() {
  const frame = page.frame;
  await saved();
  await reporting(() => api.discard(frame));
  reset();
  frames.outdated(frame);
  emit("refresh");
  await show(page.frame);
}

function queue(work) {
  swaps = swaps.then(() => reporting(work));
  return swaps;
}

/** Exchange what a step changed, in the labels of its own frame; then show that frame. */
async function swap(from, to, which) {
  const step = from.at(-1);
  const may = () => step && from.at(-1) === step && !stroke && !page.job?.running;
  if (!may()) return;
  emit("stop");
  await saving; // the server may be asked for the labels
  const labels = await frames.labelsOf(step.frame);
  if (!may()) return; // drawn on meanwhile, or forgotten
  to.push(from.pop());
  paste(labels, page.clip, step.bounds, step[which]);
  save(step.frame, labels);
  emit("history");
  await show(step.frame);
}

/** Whether drawing may begin now; says why not. */
function ready() {
  if (tracking()) {
    emit("pause");
    notice("Paused. Draw your correction, then continue.");
    return false;
  }
  if (page.job?.running) {
    notice("Wait a moment: a file is being made.");
    return false;
  }
  if (!objectOf(page.current)) {
    notice("Add an object first.");
    return false;
  }
  if (page.hidden.has(page.current)) {
    notice("This object is hidden: show it before you draw.");
    return false;
  }
  return shownLabels() !== null;
}

/** Change the shown labels by `work`, which returns the bounds of what it touched. */
function change(work) {
  const labels = shownLabels();
  if (!labels) return;
  const before = labels.slice();
  finish(page.frame, labels, before, work(labels));
}

function finish(frame, labels, before, bounds) {
  if (bounds.empty) return;
  const pieces = [cut(before, page.clip, bounds), cut(labels, page.clip, bounds)];
  done.push({ frame, bounds, before: pieces[0], after: pieces[1] });
  if (done.length > MOST_UNDO) done.shift();
  undone = [];
  emit("history");
  paint(bounds);
  save(frame, labels);
}

function save(frame, labels) {
  unsaved.set(frame, (unsaved.get(frame) ?? 0) + 1);
  frames.keep(frame, labels); // the server does not have them yet
  const copy = labels.slice();
  saving = saving
    .then(() => api.putLabels(frame, copy))
    .catch((error) => {
      notice(`Not saved: ${error.message}`, "error");
      frames.outdated(frame);
      reset();
      return reporting(() => show(page.frame)); // as the server has it
    })
    .finally(() => {
      const left = unsaved.get(frame) - 1;
      if (left) unsaved.set(frame, left);
      else unsaved.delete(frame);
      emit("refresh");
    });
}

function brushTo(point) {
  const { labels } = stroke;
  const erases = page.tool === "eraser";
  const value = erases ? 0 : page.current;
  const only = erases ? page.current : null; // the eraser leaves other objects alone
  const bounds = drawLine(labels, page.clip, stroke.last, point, page.size, value, only);
  stroke.last = point;
  if (bounds.empty) return;
  stroke.bounds.add(bounds.left, bounds.top, bounds.right, bounds.bottom);
  paint(bounds);
}

async function findInBox({ from, to }) {
  const corner = [Math.min(from.x, to.x), Math.min(from.y, to.y)];
  const opposite = [Math.max(from.x, to.x), Math.max(from.y, to.y)];
  const frame = page.frame;
  canvas.classList.add("waiting");
  const mask = await reporting(() => api.maskInBox(frame, [...corner, ...opposite]));
  canvas.classList.remove("waiting");
  if (!mask) return;
  if (frame !== page.frame) return notice("The box was given up: another frame is shown.");
  change((labels) => fillMask(labels, page.clip, mask, page.current));
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !page.clip) return;
  canvas.focus();
  emit("stop");
  if (!ready()) return;
  const point = toFrame(event);
  if (page.tool === "polygon") return addCorner(point, event);
  canvas.setPointerCapture(event.pointerId);
  if (page.tool === "box") {
    box = { from: point, to: point };
    begunAt = page.frame;
  } else {
    const labels = shownLabels();
    const before = labels.slice();
    stroke = { frame: page.frame, labels, before, bounds: new Bounds(), last: point };
    brushTo(point);
  }
  sketch();
});

function addCorner(point, event) {
  const first = corners[0] && onScreen(corners[0]);
  const near = first && Math.hypot(event.clientX - first.x, event.clientY - first.y) < CLOSE_BY;
  if (corners.length > 2 && near) return closePolygon();
  corners.push(point);
  begunAt = page.frame;
  sketch();
}

function onScreen(point) {
  const origin = toFrame({ clientX: 0, clientY: 0 });
  const scale = 1 / (toFrame({ clientX: 1, clientY: 0 }).x - origin.x);
  return { x: (point.x - origin.x) * scale, y: (point.y - origin.y) * scale };
}

canvas.addEventListener("pointermove", (event) => {
  if (!page.clip) return;
  pointer = toFrame(event);
  if (stroke) for (const part of event.getCoalescedEvents?.() ?? [event]) brushTo(toFrame(part));
  if (box) box.to = pointer;
  sketch();
});

canvas.addEventListener("pointerup", () => {
  if (stroke) endStroke();
  if (box) {
    const drawn = box;
    box = null;
    findInBox(drawn);
  }
  sketch();
});

canvas.addEventListener("pointercancel", giveUp);
canvas.addEventListener("dblclick", () => page.tool === "polygon" && closePolygon());
canvas.addEventListener("pointerleave", () => {
  pointer = null;
  sketch();
});
on("tool", giveUp);
on("frame", () => {
  if (stroke && stroke.frame !== page.frame) endStroke();
  if ((corners.length || box) && begunAt !== page.frame) giveUp();
});

/** What is begun, and the brush. */
function sketch() {
  setSketch((context, view) => {
    const place = (point) => [point.x * view.scale + view.x, point.y * view.scale + view.y];
    if (corners.length) sketchPolygon(context, place);
    if (box) sketchBox(context, place(box.from), place(box.to));
    const brushes = page.tool === "brush" || page.tool === "eraser";
    if (pointer && brushes) sketchBrush(context, place(pointer), (page.size * view.scale) / 2);
  });
}

function sketchPolygon(context, place) {
  context.beginPath();
  for (const corner of corners) context.lineTo(...place(corner));
  if (pointer) context.lineTo(...place(pointer));
  context.lineJoin = "round";
  lines(context, cssColor(page.current));
  corners.forEach((corner, i) => {
    context.beginPath();
    context.arc(...place(corner), i ? 3.5 : 5.5, 0, 7);
    context.fillStyle = i ? cssColor(page.current) : "white";
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = i ? "white" : cssColor(page.current);
    context.stroke();
  });
}

function sketchBox(context, [x0, y0], [x1, y1]) {
  context.beginPath();
  context.rect(x0, y0, x1 - x0, y1 - y0);
  context.setLineDash([6, 4]);
  lines(context, cssColor(page.current));
  context.setLineDash([]);
}

function sketchBrush(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, Math.max(1, radius), 0, 7);
  lines(context, page.tool === "eraser" ? "rgb(255,255,255)" : cssColor(page.current));
}

/** A line that is seen on any picture: its color on black. */
function lines(context, color) {
  context.lineWidth = 3.5;
  context.strokeStyle = "rgba(0,0,0,.55)";
  context.stroke();
  context.lineWidth = 1.8;
  context.strokeStyle = color;
  context.stroke();
}
