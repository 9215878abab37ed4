// What the modules share: the state of the page, events when it changes, and small helpers.

export const page = {
  about: null, // model and limits, as the server reports them
  clip: null, // {number, name, width, height, length, frame_rate, warning}
  objects: [], // {id, name, end, color}
  given: new Map(), // frame -> ids that were drawn there
  status: new Uint8Array(0), // of each frame: 0 not tracked, 1 tracked, 2 outdated
  presence: [], // of each frame: {id: 0..1}
  revision: -1,
  job: null, // what runs in the server, or ran last
  frame: 0, // shown
  current: 0, // id of the object that is drawn
  hidden: new Set(), // ids that are not shown
  tool: "brush",
  size: 24, // of the brush, diameter in pixels of the frame
  opacity: 0.45,
  follow: true,
};

const listeners = new Map();

/** Call `listener` whenever `emit(event)` happens. */
export function on(event, listener) {
  if (!listeners.has(event)) listeners.set(event, []);
  listeners.get(event).push(listener);
}

export function emit(event, detail) {
  for (const listener of listeners.get(event) ?? []) listener(detail);
}

export const find = (id) => document.getElementById(id);

/** A new element; texts are set as text, never as HTML. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** An icon of index.html. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const objectOf = (id) => page.objects.find((object) => object.id === id);

/** Whether the server tracks at the moment. */
export const tracking = () => page.job?.kind === "track" && page.job.running;

/** "1 frame", "5 frames" */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Say something for some seconds: of kind "info" or "error". */
export function notice(text, kind = "info") {
  const shown = [...find("notices").children].find((one) => one.textContent === text);
  if (shown) shown.remove();
  const made = element("div", { className: `notice ${kind}`, textContent: text });
  made.addEventListener("click", () => made.remove());
  find("notices").append(made);
  setTimeout(() => made.remove(), kind === "error" ? 9000 : 4500);
}

/** Run `work`; what goes wrong is shown. Returns its result, or undefined. */
export async function reporting(work) {
  try {
    return await work();
  } catch (error) {
    notice(error.message, "error");
    return undefined;
  }
}

/** Show a dialog; resolves to the `data-answer` of the button, "" if it was closed otherwise. */
export function ask(id) {
  const dialog = find(id);
  return new Promise((resolve) => {
    let answer = "";
    dialog.onclick = (event) => {
      const button = event.target.closest("[data-answer]");
      if (!button) return;
      answer = button.dataset.answer;
      dialog.close();
    };
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
  });
}
