"""The page in a real browser: upload, draw, track, pause, correct, go on, download.

Pictures of every step go to ``results/webapp_screenshots``, or ``$MAVOS_SCREENSHOTS``.
"""

import io
import json
import os
import re
import socket
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import uvicorn
from browser import browser
from PIL import Image
from pycocotools import mask as coco_mask
from webapp_page import make_video, moving_square

from mavos import configs
from mavos.run.build import build
from mavos.tracking.tracker import VideoTracker
from mavos.utils.paths import RESULTS
from mavos.webapp.server import build_app
from mavos.webapp.session import Limits, Session
from mavos.webapp.sessions import Sessions
from mavos.webapp.turns import Turns

# pycocotools' own, with NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (96, 128)  # (H, W)
LENGTH = 20
ABOUT = {"model": "mavos_nano", "checkpoint": "nano.pth", "device": "cpu"}
ABOUT |= {"max_upload_mb": 1, "max_frames": 100, "keep_minutes": 60}


class SlowTurns(Turns):
    """A network that can be made slow, to leave time to press Pause."""

    seconds = 0.0

    def __enter__(self) -> None:
        time.sleep(self.seconds)
        super().__enter__()


@pytest.fixture(scope="module")
def chromium():
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "square.mp4", LENGTH, SIZE)


@pytest.fixture(scope="module")
def server(checkpoint, tmp_path_factory):
    """(address, sessions, turns) of a server in a thread."""
    torch.set_num_threads(1)
    cfg = configs.load("mavos_nano", overrides=["eval.max_resolution=60"])
    device, turns = torch.device("cpu"), SlowTurns()
    model = build(cfg, checkpoint, device)
    limits = Limits(ABOUT["max_upload_mb"] * 2**20, ABOUT["max_frames"])

    def make_session(folder: Path) -> Session:
        return Session(folder, limits, lambda: VideoTracker(*model, device), turns)

    listener = socket.create_server(("127.0.0.1", 0))
    with Sessions(tmp_path_factory.mktemp("private"), make_session, 8, 600) as sessions:
        config = uvicorn.Config(build_app(sessions, ABOUT), log_config=None, access_log=False)
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", sessions, turns
        running.should_exit = True
        thread.join()


class Tab:
    """A tab with the page, and the hands of its user."""

    def __init__(self, chromium, address: str) -> None:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        self.page = context.new_page()
        self.page.set_default_timeout(15000)
        self.faults: list[str] = []  # of the scripts; a refused request is not one
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._heard)
        self.page.goto(address)
        self.wait("#model", "mavos_nano on cpu")

    def _heard(self, message) -> None:
        if message.type == "error" and "status of" not in message.text:
            self.faults.append(message.text)

    def open(self, video: Path) -> None:
        self.page.set_input_files("#file", video)
        self.page.locator("#objects input").wait_for()

    def wait(self, selector: str, text: str) -> None:
        """Until an element shows the text."""
        self.page.locator(selector).filter(has_text=re.compile(text)).wait_for()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the frame is on the screen, while it is fitted into the window."""
        box = self.page.locator("#picture").bounding_box()
        height, width = SIZE
        scale = min((box["width"] - 32) / width, (box["height"] - 32) / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        top = box["y"] + (box["height"] - height * scale) / 2
        return left + x * scale, top + y * scale

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=6)
        self.page.mouse.up()

    def tool(self, name: str) -> None:
        self.page.click(f"[data-tool={name}]")

    def go_to(self, number: int) -> None:
        self.page.fill("#frame-number", str(number))
        self.page.press("#frame-number", "Enter")

    def download(self, kind: str) -> tuple[str, bytes]:
        with self.page.expect_download() as expected:
            self.page.click(f"[data-kind={kind}]")
        return expected.value.suggested_filename, Path(expected.value.path()).read_bytes()

    def picture(self, name: str) -> None:
        folder = Path(os.environ.get("MAVOS_SCREENSHOTS") or RESULTS / "webapp_screenshots")
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png")

    def close(self) -> None:
        self.page.close(run_before_unload=False)
        self.page.context.close()


@pytest.fixture
def open_tab(chromium, server):
    tabs: list[Tab] = []

    def open_it() -> Tab:
        tabs.append(Tab(chromium, server[0]))
        return tabs[-1]

    yield open_it
    server[2].seconds = 0.0
    for tab in tabs:
        tab.close()
    assert [tab.faults for tab in tabs] == [[] for _ in tabs]


def _masks(archive: bytes) -> dict[int, np.ndarray]:
    """Frame -> labels."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {
            int(Path(name).stem): np.array(Image.open(opened.open(name)))
            for name in opened.namelist()
        }


def test_from_upload_to_download(open_tab, server, video, tmp_path):
    turns = server[2]
    tab = open_tab()
    page = tab.page
    tab.picture("1_start")
    tab.open(video)
    tab.wait("#clip-name", "square.mp4 · 128 × 96 · 20 frames")
    assert page.locator("#track").is_disabled()  # nothing is drawn

    # object 1: a box; object 2: a polygon; object 3: a brush, and the eraser
    _, square = moving_square(0, SIZE)
    top, left = (int(v.min()) for v in np.nonzero(square))
    page.keyboard.press("g")
    tab.drag((left - 5, top - 5), (left + 37, top + 37))
    tab.wait("#badge", "Drawn here")
    page.click("#add-object")
    page.locator("#objects input").nth(1).fill("Corner <b>")
    page.keyboard.press("Enter")
    tab.tool("polygon")
    for corner in ((90, 70), (120, 70), (120, 90)):
        page.mouse.click(*tab.at(*corner))
    page.mouse.click(*tab.at(90, 90))
    page.keyboard.press("Enter")
    page.click("#add-object")
    page.locator("#objects li").nth(2).wait_for()
    tab.tool("brush")
    tab.drag((100, 15), (120, 15))
    tab.drag((20, 90), (30, 90))
    page.keyboard.press("Control+z")  # the second stroke was a mistake
    tab.tool("eraser")
    tab.drag((120, 15), (125, 15))
    tab.wait("#status", "Ready to track")
    tab.picture("2_mask_drawn")

    turns.seconds = 0.2
    page.click("#track")
    tab.wait("#status", r"Tracking: ([5-9]|1\d) of 20 frames")
    tab.picture("3_tracking")
    page.click("#pause")
    tab.wait("#status", "Tracked up to frame")
    turns.seconds = 0.0  # waited long enough
    paused_at = int(page.input_value("#frame-number"))
    assert 5 <= paused_at < LENGTH

    # correct in mid-video, behind what is tracked
    tab.go_to(4)
    page.click("#objects li:nth-child(2) .swatch")
    tab.tool("brush")
    tab.drag((60, 85), (80, 85))
    tab.wait("#badge", "Corrected here")
    tab.wait("#status", "Frames from 5 on are older than your correction")
    tab.picture("4_corrected")
    page.keyboard.press("t")
    tab.wait("#status", "Every frame is tracked")
    tab.wait("#frame-count", str(LENGTH))
    assert page.input_value("#frame-number") == str(LENGTH)  # it followed
    tab.picture("5_result")

    assert "primary" in page.get_attribute("[data-kind=masks]", "class")

    name, archive = tab.download("masks")
    masks = _masks(archive)
    assert name == "square_masks.zip" and sorted(masks) == list(range(LENGTH))
    given = masks[0]
    assert given.shape == SIZE and set(np.unique(given).tolist()) == {0, 1, 2, 3}
    assert ((given == 1) & square).sum() / ((given == 1) | square).sum() > 0.85
    assert (given[71:89, 91:119] == 2).all() and (given == 2).sum() < 32 * 22
    assert given[15, 105] == 3 and given[15, 122] == 0 and given[90, 25] == 0
    assert (masks[3][85, 62:79] == 2).all()

    name, coco = tab.download("coco")
    coco = json.loads(coco)
    assert name == "square_coco.json"
    assert [c["name"] for c in coco["categories"]] == ["Object 1", "Corner <b>", "Object 3"]
    for annotation in coco["annotations"]:
        mask = coco_mask.decode(annotation["segmentation"])
        labels = masks[annotation["image_id"] - 1]
        np.testing.assert_array_equal(mask, labels == annotation["category_id"])

    name, overlay = tab.download("overlay")
    (tmp_path / "overlay.mp4").write_bytes(overlay)
    capture = cv2.VideoCapture(str(tmp_path / "overlay.mp4"))
    assert name == "square_overlay.mp4" and capture.get(cv2.CAP_PROP_FRAME_COUNT) == LENGTH


def test_two_tabs_do_not_mix_and_closing_one_deletes_its_files(open_tab, server, video):
    _, sessions, turns = server
    turns.seconds = 0.01
    before = len(sessions)
    first, second = open_tab(), open_tab()
    first.open(video)
    first.drag((20, 20), (60, 60))
    first.wait("#badge", "Drawn here")
    second.open(video)
    assert len(sessions) == before + 2
    first.page.click("#track")
    second.page.keyboard.press("p")
    for corner in ((10, 10), (40, 10), (40, 40)):
        second.page.mouse.click(*second.at(*corner))
    second.page.keyboard.press("Enter")
    second.wait("#status", "Ready to track")
    second.page.click("#track")  # at the same time, through the same network
    for tab in (first, second):
        tab.wait("#status", "Every frame is tracked")
    one, two = (_masks(tab.download("masks")[1])[0] for tab in (first, second))
    assert one[60, 60] == 1 and one[12, 38] == 0
    assert two[60, 60] == 0 and two[12, 38] == 1
    first.page.goto("about:blank")  # says goodbye
    deadline = time.monotonic() + 10
    while len(sessions) > before + 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(sessions) == before + 1


def test_strokes_and_undo_keep_to_their_frame(open_tab, server, video):
    tab = open_tab()
    page = tab.page
    tab.open(video)
    annotations = list(server[1]._sessions.values())[-1].annotations

    def shown(frame: int) -> np.ndarray:
        labels = annotations.shown(frame)
        return np.zeros(SIZE, np.uint8) if labels is None else labels

    def saved(holds: Callable[[np.ndarray], bool]) -> np.ndarray:
        """Frame 0 when what was drawn has arrived in the server."""
        deadline = time.monotonic() + 10
        while not holds(shown(0)) and time.monotonic() < deadline:
            page.wait_for_timeout(30)
        assert holds(shown(0))
        return shown(0)

    tab.drag((20, 20), (60, 20))
    first = saved(lambda labels: labels[20, 40] == 1)

    # a stroke that is given up leaves nothing
    page.mouse.move(*tab.at(20, 60))
    page.mouse.down()
    page.mouse.move(*tab.at(60, 60), steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    tab.drag((20, 80), (60, 80))
    second = saved(lambda labels: labels[80, 40] == 1)
    assert not second[60, 40]

    # a stroke that another frame interrupts belongs to the one it was begun in
    page.mouse.move(*tab.at(90, 20))
    page.mouse.down()
    page.mouse.move(*tab.at(110, 20), steps=3)
    page.keyboard.press("ArrowRight")
    page.mouse.move(*tab.at(110, 60), steps=3)
    page.mouse.up()
    assert not saved(lambda labels: labels[20, 100] == 1)[50, 110]
    assert not shown(1).any()

    # undo from elsewhere, twice, while the labels come slowly and the user goes on
    page.route("**/labels/0", lambda route: (time.sleep(0.15), route.continue_()))
    tab.go_to(10)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("ArrowRight")
    saved(lambda labels: np.array_equal(labels, first))
    assert sorted(annotations.given) == [0]
    page.keyboard.press("Control+Shift+z")
    saved(lambda labels: np.array_equal(labels, second))


def test_mistakes_are_told_and_objects_removed(open_tab, tmp_path, video):
    tab = open_tab()
    page = tab.page
    (tmp_path / "notes.mp4").write_text("just some text\n" * 20)
    page.set_input_files("#file", tmp_path / "notes.mp4")
    tab.wait("#failure", "notes.mp4: not a video; choose an MP4")
    (tmp_path / "large.mp4").write_bytes(bytes(2**20 + 1))
    page.set_input_files("#file", tmp_path / "large.mp4")
    tab.wait("#failure", "large.mp4 is too large: 2 MB, the server takes up to 1 MB")
    tab.picture("6_refused")
    tab.open(video)
    tab.tool("box")
    tab.drag((10, 10), (11, 11))
    tab.wait(".notice", "The box is too small")
    tab.tool("brush")
    tab.drag((20, 20), (60, 60))
    tab.wait("#badge", "Drawn here")
    page.click("[aria-label=Remove]")
    tab.wait("#remove-title", "Remove “Object 1”?")
    page.click("text=Remove everywhere")
    tab.wait("#objects", "No object yet")
    tab.drag((20, 20), (60, 60))
    tab.wait(".notice", "Add an object first")
    assert page.locator("#track").is_disabled()


def test_a_clip_from_the_camera(open_tab):
    tab = open_tab()
    tab.page.click("#camera-button")
    tab.wait("#camera-record", "Start recording")
    tab.page.click("#camera-record")
    tab.wait("#camera-hint", "Recording: 1 s")
    tab.page.click("#camera-record")
    tab.wait("#clip-name", r"camera.webm · 640 × 480 · \d+ frames")


def test_the_list_of_objects(open_tab, video):
    tab = open_tab()
    page = tab.page
    tab.open(video)
    # a click beside a name that is being typed, held until the list would be built anew
    page.locator("#objects input").fill("Square")
    page.mouse.move(*_middle(page.locator("#objects [aria-label=Hide]")))
    page.mouse.down()
    page.wait_for_timeout(100)
    page.mouse.up()
    page.locator("#objects [aria-label=Show]").wait_for()
    assert page.locator("#objects input").input_value() == "Square"

    # the newest one is the one that is drawn
    chosen = "name => document.querySelector('#objects li.current input')?.value === name"
    for _ in range(3):
        page.keyboard.press("n")
    page.locator("#objects li").nth(3).wait_for()
    page.wait_for_function(chosen, arg="Object 4")
    page.locator("[aria-label=Remove]").nth(3).click()  # never drawn: gone without a question
    page.locator("#objects li").nth(3).wait_for(state="detached")
    page.wait_for_function(chosen, arg="Square")


def _middle(locator) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
