// The list of objects: choose, name, hide, remove.

import * as api from "./api.js";
import * as drawing from "./drawing.js";
import * as frames from "./frames.js";
import { ask, element, emit, find, icon, notice, on, page, reporting, tracking } from "./page.js";
import { show } from "./picture.js";

const list = find("objects");
let shown = ""; // what the list was built from
let pressed = false; // a row that is replaced between press and release is not clicked
let newest = 0; // id
let adding = Promise.resolve(); // one after the other, so that the last one is chosen

/** A new object, which is then drawn. */
export function add() {
  adding = adding.then(async () => {
    const id = await reporting(() => api.addObject());
    if (id === undefined) return;
    page.current = id;
    emit("refresh");
  });
}

export function choose(id) {
  page.current = id;
  emit("objects");
}

function toggle(id) {
  if (!page.hidden.delete(id)) page.hidden.add(id);
  emit("objects");
}

async function rename(object, name) {
  if (name.trim() === object.name) return;
  await reporting(() => api.renameObject(object.id, name));
  shown = ""; // a refused name goes back
  emit("refresh");
}

async function remove(object) {
  if (tracking()) return notice("Pause first, then remove the object.");
  const known = page.presence.some((one) => one?.[object.id] !== undefined);
  const drawn = [...page.given.values()].some((ids) => ids.includes(object.id));
  let answer = "everywhere";
  if (known || drawn) {
    find("remove-title").textContent = `Remove “${object.name}”?`;
    find("remove-here").textContent = `From frame ${page.frame + 1} on`;
    find("remove-here").hidden = page.frame === 0;
    answer = await ask("remove-dialog");
  }
  if (!answer) return;
  await drawing.saved();
  await reporting(() => api.removeObject(object.id, answer === "here" ? page.frame : null));
  drawing.reset();
  frames.outdatedAll();
  emit("refresh");
  await reporting(() => show(page.frame));
}

function build() {
  const ids = page.objects.map((object) => object.id);
  newest = Math.max(newest, ...ids);
  // a larger id is of an object that is being added: the server's last answer did not know it yet
  if (!ids.includes(page.current) && page.current <= newest) {
    page.current = ids[0] ?? 0;
  }
  const key = JSON.stringify([page.objects, page.current, [...page.hidden]]);
  if (key === shown || pressed) return;
  if (list.contains(document.activeElement?.closest("input"))) return;
  shown = key;
  list.replaceChildren(...page.objects.map(row));
  list.querySelector(".current")?.scrollIntoView({ block: "nearest" });
  if (!page.objects.length) {
    list.append(element("li", { className: "empty", textContent: "No object yet: add one." }));
  }
}

function row(object) {
  const hidden = page.hidden.has(object.id);
  const swatch = element("span", { className: "swatch" });
  swatch.style.backgroundColor = `rgb(${object.color.join(",")})`;
  const name = element("input", { value: object.name, maxLength: 60, spellcheck: false });
  name.setAttribute("aria-label", "Name of the object");
  name.addEventListener("focus", () => {
    page.current = object.id;
    for (const one of list.children) one.classList.toggle("current", one === made);
    emit("look");
  });
  name.addEventListener("keydown", (event) => {
    if (event.key === "Escape") name.value = object.name;
    if (event.key === "Enter" || event.key === "Escape") name.blur();
  });
  name.addEventListener("change", () => rename(object, name.value));
  name.addEventListener("blur", () => setTimeout(build));
  const see = button(hidden ? "hidden" : "eye", hidden ? "Show" : "Hide", () => toggle(object.id));
  see.setAttribute("aria-pressed", String(!hidden));
  const bin = button("bin", "Remove", () => remove(object));
  const made = element(
    "li",
    { className: object.id === page.current ? "current" : "" },
    swatch,
    name,
  );
  if (object.end !== null) {
    const text = `to ${object.end}`;
    made.append(
      element("span", {
        className: "end",
        textContent: text,
        title: `Removed from frame ${object.end + 1} on; where you draw it again it is back from there on`,
      }),
    );
  }
  made.append(see, bin);
  made.classList.toggle("dim", hidden);
  made.addEventListener("click", (event) => {
    if (!event.target.closest("button, input")) choose(object.id);
  });
  return made;
}

function button(name, title, action) {
  const made = element("button", { className: "icon", title }, icon(name));
  made.setAttribute("aria-label", title);
  made.addEventListener("click", action);
  return made;
}

list.addEventListener("pointerdown", () => (pressed = true));
for (const event of ["pointerup", "pointercancel"]) {
  document.addEventListener(event, () => {
    pressed = false;
    setTimeout(build); // after the click
  });
}
find("add-object").addEventListener("click", add);
on("objects", build);
