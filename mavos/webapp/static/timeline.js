// One row for each object: how sure the network is of it in every frame, and where it was drawn.

import { clamp, emit, find, on, page } from "./page.js";
import { cssColor } from "./picture.js";

const GUTTER = 124; // pixels for the names
const RULER = 18;
const ROW = 20;
const END = 14; // room at the right
const THUMB = 14; // of the slider, as in footer.css
const canvas = find("timeline");
const context = canvas.getContext("2d");
const hatchings = new Map(); // color -> pattern
let waiting = false;
let current = 0; // id of the object whose row was brought into view

/** Draw it soon; many calls make one drawing. */
function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (page.clip) draw();
  });
}

function draw() {
  const width = canvas.parentElement.clientWidth;
  const height = RULER + ROW * Math.max(1, page.objects.length) + 4;
  const density = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  canvas.style.height = `${height}px`;
  followCurrent();
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const span = Math.max(1, width - GUTTER - END);
  placeSlider(span);
  page.objects.forEach((object, i) => row(object, RULER + i * ROW, span, color));
  ruler(span, color);
  const x = GUTTER + ((page.frame + 0.5) / page.clip.length) * span;
  context.fillStyle = color("--text");
  context.globalAlpha = 0.75;
  context.fillRect(x - 0.75, 0, 1.5, height);
  context.globalAlpha = 1;
}

/** Bring the slider's thumb above the play head, in the middle of its frame. */
function placeSlider(span) {
  const slider = find("frame");
  const frameWidth = span / page.clip.length;
  slider.style.marginLeft = `${GUTTER + (frameWidth - THUMB) / 2}px`;
  slider.style.width = `${span - frameWidth + THUMB}px`;
}

/** Frame numbers, which stay above the rows while these are scrolled. */
function ruler(span, color) {
  const length = page.clip.length;
  const { scrollTop, clientWidth } = canvas.parentElement;
  context.fillStyle = color("--panel");
  context.fillRect(0, scrollTop, clientWidth, RULER);
  context.font = "10px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = color("--faint");
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
  const step = steps.find((one) => (one / length) * span > 52) ?? 10000;
  const numbers = [1];
  for (let number = Math.max(2, step); number <= length; number += step) numbers.push(number);
  for (const number of numbers) {
    const x = GUTTER + ((number - 0.5) / length) * span;
    context.fillText(String(number), x, scrollTop + 8);
    context.fillRect(x - 0.5, scrollTop + RULER - 4, 1, 3);
  }
}

function row(object, top, span, color) {
  const length = page.clip.length;
  const inner = ROW - 6;
  const hidden = page.hidden.has(object.id);
  context.globalAlpha = hidden ? 0.4 : 1;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.font = `${object.id === page.current ? 600 : 400} 11.5px system-ui, sans-serif`;
  context.fillStyle = color(object.id === page.current ? "--text" : "--muted");
  context.fillText(shortened(object.name, GUTTER - 34), 26, top + ROW / 2);
  context.fillStyle = cssColor(object.id);
  context.beginPath();
  context.roundRect(12, top + ROW / 2 - 4, 8, 8, 2);
  context.fill();
  context.fillStyle = color("--track");
  context.beginPath();
  context.roundRect(GUTTER, top + 3, span, inner, 3);
  context.fill();
  context.save();
  context.clip();
  const columns = Math.min(length, Math.floor(span));
  for (let i = 0; i < columns; i++) {
    const from = Math.floor((i * length) / columns);
    const to = Math.max(from + 1, Math.floor(((i + 1) * length) / columns));
    const [value, outdated] = average(object.id, from, to);
    if (value === null) continue;
    const x = Math.round(GUTTER + (i / columns) * span); // whole pixels leave no seams
    const wide = Math.round(GUTTER + ((i + 1) / columns) * span) - x;
    context.fillStyle = cssColor(object.id);
    if (outdated) context.fillStyle = hatching(cssColor(object.id));
    context.globalAlpha = (hidden ? 0.3 : 1) * (outdated ? 0.4 : 0.25);
    context.fillRect(x, top + 3, wide, inner);
    context.globalAlpha = (hidden ? 0.3 : 1) * 0.95;
    context.fillRect(x, top + 3 + inner * (1 - value), wide, inner * value);
  }
  context.restore();
  context.globalAlpha = 1;
  for (const [frame, ids] of page.given) if (ids.includes(object.id)) mark(frame, top, span, color);
}

/** Slanted lines: older than a correction. */
function hatching(color) {
  if (!hatchings.has(color)) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 7;
    const pen = tile.getContext("2d");
    pen.strokeStyle = color;
    pen.lineWidth = 2;
    for (const shift of [-7, 0, 7]) {
      pen.moveTo(shift - 1, 8);
      pen.lineTo(shift + 8, -1);
    }
    pen.stroke();
    hatchings.set(color, context.createPattern(tile, "repeat"));
  }
  return hatchings.get(color);
}

/** Presence over some frames, null where the object is not tracked; whether a correction outdates it. */
function average(id, from, to) {
  let sum = 0;
  let count = 0;
  let outdated = false;
  for (let frame = from; frame < to; frame++) {
    const value = page.presence[frame]?.[id];
    if (value === undefined || !page.status[frame]) continue;
    sum += value;
    count++;
    outdated ||= page.status[frame] === 2;
  }
  return [count ? sum / count : null, outdated];
}

/** A diamond: drawn here. */
function mark(frame, top, span, color) {
  const x = GUTTER + ((frame + 0.5) / page.clip.length) * span;
  const y = top + ROW / 2;
  context.beginPath();
  context.moveTo(x, y - 6);
  context.lineTo(x + 6, y);
  context.lineTo(x, y + 6);
  context.lineTo(x - 6, y);
  context.closePath();
  context.fillStyle = color("--panel");
  context.fill();
  context.lineWidth = 1.8;
  context.strokeStyle = color("--text");
  context.stroke();
}

function shortened(text, width) {
  if (context.measureText(text).width <= width) return text;
  let kept = text;
  while (kept && context.measureText(`${kept}…`).width > width) kept = kept.slice(0, -1);
  return `${kept}…`;
}

function seek(event) {
  const box = canvas.getBoundingClientRect();
  const share = (event.clientX - box.left - GUTTER) / (box.width - GUTTER - END);
  const frame = clamp(Math.floor(share * page.clip.length), 0, page.clip.length - 1);
  emit("stop");
  emit("seek", nearMark(frame, event.clientY - box.top, box.width));
}

/** The frame of a mark within a few pixels, so that it is easy to hit. */
function nearMark(frame, y, width) {
  const object = page.objects[Math.floor((y - RULER) / ROW)];
  if (!object) return frame;
  const reach = (5 / Math.max(1, width - GUTTER - END)) * page.clip.length;
  const marks = [...page.given].filter(([, ids]) => ids.includes(object.id)).map(([at]) => at);
  return marks.find((at) => Math.abs(at - frame) <= reach) ?? frame;
}

canvas.addEventListener("pointerdown", (event) => {
  if (!page.clip || event.button !== 0) return;
  const box = canvas.getBoundingClientRect();
  if (event.clientX - box.left < GUTTER) return;
  canvas.setPointerCapture(event.pointerId);
  seek(event);
});
canvas.addEventListener(
  "pointermove",
  (event) => event.buttons & 1 && canvas.hasPointerCapture(event.pointerId) && seek(event),
);
/** Scroll to the row of the object that was chosen. */
function followCurrent() {
  const place = page.objects.findIndex((object) => object.id === page.current);
  if (place < 0 || page.current === current) return;
  current = page.current;
  const box = canvas.parentElement;
  const room = box.clientHeight - RULER - ROW;
  box.scrollTop = clamp(box.scrollTop, place * ROW - room, place * ROW);
}

canvas.parentElement.addEventListener("scroll", redraw);
for (const event of ["frame", "objects", "look", "state"]) on(event, redraw);
new ResizeObserver(redraw).observe(canvas.parentElement);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
