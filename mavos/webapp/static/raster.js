// Drawing into labels: one byte for each pixel, the id of its object. No antialiasing.

/** A rectangle [left, top, right, bottom) that grows. */
export class Bounds {
  constructor() {
    this.left = this.top = Infinity;
    this.right = this.bottom = -Infinity;
  }

  add(left, top, right, bottom) {
    this.left = Math.min(this.left, left);
    this.top = Math.min(this.top, top);
    this.right = Math.max(this.right, right);
    this.bottom = Math.max(this.bottom, bottom);
  }

  get empty() {
    return this.right <= this.left || this.bottom <= this.top;
  }
}

/** Set pixels to `value`, or only those of object `only`. Returns the bounds of what may differ. */
export function drawLine(labels, size, from, to, diameter, value, only = null) {
  const radius = diameter / 2;
  const bounds = new Bounds();
  const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - radius));
  const right = Math.min(size.width, Math.ceil(Math.max(from.x, to.x) + radius) + 1);
  const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - radius));
  const bottom = Math.min(size.height, Math.ceil(Math.max(from.y, to.y) + radius) + 1);
  if (right <= left || bottom <= top) return bounds;
  bounds.add(left, top, right, bottom);
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length2 = dx * dx + dy * dy || 1;
  const reach2 = Math.max(0.5, radius * radius); // a brush of one pixel still meets one
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      // distance of the pixel's centre from the line
      const px = x + 0.5 - from.x;
      const py = y + 0.5 - from.y;
      const t = Math.min(1, Math.max(0, (px * dx + py * dy) / length2));
      const ex = px - t * dx;
      const ey = py - t * dy;
      if (ex * ex + ey * ey > reach2) continue;
      const at = y * size.width + x;
      if (only === null || labels[at] === only) labels[at] = value;
    }
  }
  return bounds;
}

/** Fill a polygon of points {x, y}; a pixel is in it if its centre is (even-odd rule). */
export function fillPolygon(labels, size, points, value) {
  const bounds = new Bounds();
  const top = Math.max(0, Math.floor(Math.min(...points.map((p) => p.y))));
  const bottom = Math.min(size.height, Math.ceil(Math.max(...points.map((p) => p.y))));
  for (let y = top; y < bottom; y++) {
    const crossings = [];
    points.forEach((a, i) => {
      const b = points[(i + 1) % points.length];
      const middle = y + 0.5;
      if (a.y <= middle === b.y <= middle) return;
      crossings.push(a.x + ((middle - a.y) / (b.y - a.y)) * (b.x - a.x));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const left = Math.max(0, Math.ceil(crossings[i] - 0.5));
      const right = Math.min(size.width, Math.ceil(crossings[i + 1] - 0.5));
      if (right <= left) continue;
      labels.fill(value, y * size.width + left, y * size.width + right);
      bounds.add(left, y, right, y + 1);
    }
  }
  return bounds;
}

/** Set the pixels of `mask` (1 is in it) to `value`. */
export function fillMask(labels, size, mask, value) {
  const bounds = new Bounds();
  for (let at = 0; at < mask.length; at++) {
    if (!mask[at]) continue;
    labels[at] = value;
    const x = at % size.width;
    const y = (at - x) / size.width;
    bounds.add(x, y, x + 1, y + 1);
  }
  return bounds;
}

/** Copy a rectangle out of labels. */
export function cut(labels, size, { left, top, right, bottom }) {
  const width = right - left;
  const piece = new Uint8Array(width * (bottom - top));
  for (let y = top; y < bottom; y++) {
    const row = y * size.width;
    piece.set(labels.subarray(row + left, row + right), (y - top) * width);
  }
  return piece;
}

/** Put it back. */
export function paste(labels, size, { left, top, right, bottom }, piece) {
  const width = right - left;
  for (let y = top; y < bottom; y++) {
    const from = (y - top) * width;
    labels.set(piece.subarray(from, from + width), y * size.width + left);
  }
}
