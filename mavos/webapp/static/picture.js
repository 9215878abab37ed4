// The frame on the screen: picture, objects laid over it, what is being drawn; zoom and move.

import * as frames from "./frames.js";
import { clamp, emit, find, objectOf, on, page } from "./page.js";

const canvas = find("picture");
const context = canvas.getContext("2d");
const MOST_ZOOM = 40; // screen pixels for one of the frame
const MARGIN = 16; // screen pixels around the frame

const overlay = document.createElement("canvas");
const overlayContext = overlay.getContext("2d");
let shown = null; // {frame, picture, labels}
let wanted = 0; // number of the newest call of show()
let view = { scale: 1, x: 0, y: 0, fits: true }; // screen = frame * scale + (x, y)
let sketch = null; // draws what is not in the labels yet: (context, view)

/** The labels on the screen, or null while they are loading. */
export const shownLabels = () => (shown?.frame === page.frame ? shown.labels : null);

/** Show a frame; resolves when it is on the screen, or when a newer call has overtaken it. */
export async function show(frame) {
  page.frame = clamp(frame, 0, page.clip.length - 1);
  emit("frame");
  const mine = ++wanted;
  const at = page.frame;
  const [picture, labels] = await Promise.all([frames.picture(at), frames.labelsOf(at)]);
  if (mine !== wanted) return;
  shown = { frame: at, picture, labels };
  paint();
}

/** Nothing is shown until the next `show`. */
export function clear() {
  wanted++;
  shown = null;
  view = { scale: 1, x: 0, y: 0, fits: true };
  draw();
}

/** Lay the objects over the picture anew, or only within `bounds`. */
export function paint(bounds = null) {
  if (!shown) return;
  const { width, height } = page.clip;
  if (overlay.width !== width || overlay.height !== height) {
    overlay.width = width;
    overlay.height = height;
  }
  const reach = outlineWidth();
  const left = bounds ? Math.max(0, bounds.left - reach) : 0;
  const top = bounds ? Math.max(0, bounds.top - reach) : 0;
  const right = bounds ? Math.min(width, bounds.right + reach) : width;
  const bottom = bounds ? Math.min(height, bounds.bottom + reach) : height;
  if (right > left && bottom > top) {
    const tile = colored(shown.labels, { left, top, right, bottom }, reach);
    overlayContext.putImageData(tile, left, top);
  }
  draw();
}

/** Set what is drawn on top: a function of context and view, or null. */
export function setSketch(newSketch) {
  sketch = newSketch;
  draw();
}

/** Where a pointer is, in pixels of the frame. */
export function toFrame(event) {
  const box = canvas.getBoundingClientRect();
  return {
    x: (event.clientX - box.left - view.x) / view.scale,
    y: (event.clientY - box.top - view.y) / view.scale,
  };
}

/** As large as the window allows. */
export function fit() {
  view.fits = true;
  draw();
}

function outlineWidth() {
  return Math.max(1, Math.round(Math.min(page.clip.width, page.clip.height) / 240));
}

/** Tint and outline of a rectangle of labels. */
function colored(labels, { left, top, right, bottom }, reach) {
  const { width, height } = page.clip;
  const colors = colorTable();
  const halo = Math.max(1, reach >> 1);
  const tile = overlayContext.createImageData(right - left, bottom - top);
  const pixels = new Uint32Array(tile.data.buffer);
  const tint = Math.round(page.opacity * 255) << 24;
  const solid = 255 << 24;
  let at = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++, at++) {
      const i = y * width + x;
      const color = colors[labels[i]];
      const far = color ? reach : halo;
      const west = labels[x >= far ? i - far : i];
      const east = labels[x + far < width ? i + far : i];
      const north = labels[y >= far ? i - far * width : i];
      const south = labels[y + far < height ? i + far * width : i];
      const id = labels[i];
      const inside = id === west && id === east && id === north && id === south;
      if (color) pixels[at] = color | (inside ? tint : solid);
      else if (!inside && (colors[west] || colors[east] || colors[north] || colors[south]))
        pixels[at] = 0xa0ffffff; // a light line sets the outline off
    }
  }
  return tile;
}

/** Id -> color as blue, green, red in 24 bits; 0 where nothing is shown. */
function colorTable() {
  const table = new Uint32Array(256);
  for (const { id, color } of page.objects) {
    if (!page.hidden.has(id)) table[id] = color[0] | (color[1] << 8) | (color[2] << 16);
  }
  return table;
}

function draw() {
  const box = canvas.parentElement.getBoundingClientRect();
  const density = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(box.width * density), Math.round(box.height * density)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, wide, high);
  find("fit").hidden = view.fits;
  if (!shown) return;
  if (view.fits) fitInto(box);
  context.setTransform(density, 0, 0, density, 0, 0);
  const { width, height } = page.clip;
  const place = [view.x, view.y, width * view.scale, height * view.scale];
  context.imageSmoothingQuality = "high";
  context.imageSmoothingEnabled = view.scale < 8;
  context.drawImage(shown.picture, ...place);
  context.imageSmoothingEnabled = view.scale < 2;
  context.drawImage(overlay, ...place);
  sketch?.(context, view);
}

function fitInto(box) {
  const { width, height } = page.clip;
  const room = [box.width - 2 * MARGIN, box.height - 2 * MARGIN];
  view.scale = Math.max(0.01, Math.min(room[0] / width, room[1] / height));
  view.x = (box.width - width * view.scale) / 2;
  view.y = (box.height - height * view.scale) / 2;
}

canvas.addEventListener(
  "wheel",
  (event) => {
    if (!shown) return;
    event.preventDefault();
    const at = toFrame(event);
    const least = Math.min(0.05, view.scale);
    const scale = clamp(view.scale * 1.0015 ** -event.deltaY, least, MOST_ZOOM);
    view.x += at.x * (view.scale - scale);
    view.y += at.y * (view.scale - scale);
    view.scale = scale;
    view.fits = false;
    draw();
  },
  { passive: false },
);

canvas.addEventListener("pointerdown", (event) => {
  if (event.button === 0) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  const move = (moved) => {
    view.x += moved.movementX;
    view.y += moved.movementY;
    view.fits = false;
    draw();
  };
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", () => canvas.removeEventListener("pointermove", move), {
    once: true,
  });
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
find("fit").addEventListener("click", fit);
new ResizeObserver(draw).observe(canvas.parentElement);
on("objects", () => paint());
on("look", () => paint());

/** Color of an object for CSS and canvases. */
export const cssColor = (id) => `rgb(${(objectOf(id)?.color ?? [128, 128, 128]).join(",")})`;
