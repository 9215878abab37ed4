// The keyboard.

import * as drawing from "./drawing.js";
import * as objects from "./objects.js";
import * as transport from "./transport.js";
import { ask, find, page, tracking } from "./page.js";
import { fit } from "./picture.js";
import { chooseTool, setSize } from "./tools.js";

const actions = {
  ArrowLeft: (event) => transport.step(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => transport.step(event.shiftKey ? 10 : 1),
  Home: () => transport.step(-page.frame),
  End: () => transport.step(page.clip.length),
  " ": () => transport.play(),
  t: () => (tracking() ? transport.pause() : transport.track()),
  b: () => chooseTool("brush"),
  e: () => chooseTool("eraser"),
  p: () => chooseTool("polygon"),
  g: () => chooseTool("box"),
  "[": () => setSize(Math.min(page.size - 1, Math.round(page.size / 1.2))),
  "]": () => setSize(Math.max(page.size + 1, Math.round(page.size * 1.2))),
  n: () => objects.add(),
  0: () => fit(),
  Enter: () => drawing.closePolygon(),
  Escape: () => drawing.giveUp(),
};

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const target = event.target;
  const typing = target.matches("input:not([type=range]):not([type=checkbox]), select, textarea");
  if (typing) return;
  if (event.key === "?") return void ask("help-dialog");
  if (!page.clip) return;
  if (event.ctrlKey || event.metaKey) return undoOrRedo(event);
  if (event.altKey) return;
  if (/^[1-9]$/.test(event.key)) {
    const object = page.objects[Number(event.key) - 1];
    if (object) objects.choose(object.id);
    return;
  }
  // a focused button answers to space and Enter itself; a focused slider to arrows
  if (target.matches("button, input[type=checkbox]") && [" ", "Enter"].includes(event.key)) return;
  if (target.matches("input[type=range]:not(#frame)") && event.key.startsWith("Arrow")) return;
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

function undoOrRedo(event) {
  const key = event.key.toLowerCase();
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  if (key === "y" || event.shiftKey) drawing.redo();
  else drawing.undo();
}

find("help-button").addEventListener("click", () => ask("help-dialog"));
find("undo").addEventListener("click", drawing.undo);
find("redo").addEventListener("click", drawing.redo);
find("discard").addEventListener("click", drawing.discard);
// a button that was clicked must not catch the space that plays
document.addEventListener("pointerup", () => {
  if (document.activeElement?.matches("button") && page.clip) document.activeElement.blur();
});
