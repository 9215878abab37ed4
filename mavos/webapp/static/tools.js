// Which tool draws, and how thick.

import { clamp, emit, find, page } from "./page.js";

const HINTS = {
  brush: "Paint over the object.",
  eraser: "Rub out what is too much of this object.",
  polygon: "Click corner after corner; end at the first one, or with Enter.",
  box: "Drag a box around the object, with a little air: it is cut out by its colours.",
};

export function chooseTool(tool) {
  page.tool = tool;
  for (const button of find("tools").children) {
    button.setAttribute("aria-checked", String(button.dataset.tool === tool));
  }
  find("hint").textContent = HINTS[tool];
  find("size-row").hidden = tool === "polygon" || tool === "box";
  emit("tool");
}

/** Diameter of the brush in pixels of the frame. */
export function setSize(size) {
  page.size = clamp(size, 1, Number(find("size").max));
  find("size").value = page.size;
  find("size-value").textContent = `${page.size} px`;
}

/** A brush that suits the clip. */
export function suitClip() {
  const edge = Math.min(page.clip.width, page.clip.height);
  find("size").max = Math.max(20, Math.round(edge / 3));
  setSize(Math.max(3, Math.round(edge / 14)));
}

function setOpacity(percent) {
  page.opacity = percent / 100;
  find("opacity").value = percent;
  find("opacity-value").textContent = `${percent} %`;
  emit("look");
}

export function begin() {
  chooseTool(page.tool);
  setOpacity(45);
}

find("tools").addEventListener("click", (event) => {
  const button = event.target.closest("[data-tool]");
  if (button) chooseTool(button.dataset.tool);
});
find("size").addEventListener("input", () => setSize(Number(find("size").value)));
find("opacity").addEventListener("input", () => setOpacity(Number(find("opacity").value)));
