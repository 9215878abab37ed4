// Records a clip with the browser's camera; from there on it is a video like any other.

import { element, find, notice, page } from "./page.js";
import { open } from "./start.js";

const KINDS = ["video/webm;codecs=vp8", "video/webm", "video/mp4"];
const PIECE = 500; // milliseconds between two looks at the size
const MB = 2 ** 20;
const dialog = find("camera-dialog");
let stream = null;
let recorder = null;
let pieces = [];

async function begin() {
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    return notice(
      "Browsers give the camera only to pages of this machine (127.0.0.1, localhost) or over https.",
      "error",
    );
  }
  if (!(await look())) return;
  const devices = await navigator.mediaDevices.enumerateDevices();
  const cameras = devices.filter((device) => device.kind === "videoinput");
  find("camera-list").replaceChildren(
    ...cameras.map((camera, i) =>
      element("option", { value: camera.deviceId, textContent: camera.label || `Camera ${i + 1}` }),
    ),
  );
  find("camera-hint").textContent = "";
  find("camera-record").textContent = "Start recording";
  dialog.showModal();
}

/** Show what a camera sees; the default one if none is named. */
async function look(deviceId) {
  release();
  try {
    const video = deviceId ? { deviceId: { exact: deviceId } } : true;
    stream = await navigator.mediaDevices.getUserMedia({ video });
  } catch (error) {
    const missing = error.name === "NotFoundError";
    notice(missing ? "There is no camera." : `No camera: ${error.message}`, "error");
    return false;
  }
  find("camera-view").srcObject = stream;
  await find("camera-view").play();
  return true;
}

function record() {
  if (recorder) return recorder.stop();
  const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
  pieces = [];
  let size = 0;
  const started = performance.now();
  recorder = new MediaRecorder(stream, { mimeType });
  recorder.ondataavailable = ({ data }) => {
    pieces.push(data);
    size += data.size;
    const seconds = Math.round((performance.now() - started) / 1000);
    find("camera-hint").textContent = `Recording: ${seconds} s, ${(size / MB).toFixed(1)} MB`;
    if (size > 0.9 * page.about.max_upload_mb * MB && recorder?.state === "recording")
      recorder.stop();
  };
  recorder.onstop = () => {
    const kept = dialog.open;
    recorder = null;
    dialog.close();
    if (kept) open([new File(pieces, "camera.webm", { type: "video/webm" })]);
    pieces = [];
  };
  recorder.start(PIECE);
  find("camera-record").textContent = "Stop";
}

function release() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
}

find("camera-button").addEventListener("click", begin);
find("camera-record").addEventListener("click", record);
find("camera-cancel").addEventListener("click", () => dialog.close());
find("camera-list").addEventListener("change", (event) => look(event.target.value));
dialog.addEventListener("close", () => {
  if (recorder) recorder.stop(); // given up
  release();
});
