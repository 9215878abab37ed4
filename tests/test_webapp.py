"""The server behind the page: what it does, and what it refuses."""

import contextlib
import io
import json
import stat
import threading
import time
import zipfile
import zlib

import cv2
import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools import mask as coco_mask
from webapp_page import ORIGIN, SIZE, Page, make_video, moving_square

from mavos import configs
from mavos.dataloaders.media.frames import SourceFrame
from mavos.run.build import build
from mavos.tracking.tracker import VideoTracker
from mavos.utils import pixel_limit
from mavos.webapp import clip
from mavos.webapp.annotations import Annotations
from mavos.webapp.jobs import Worker
from mavos.webapp.refusals import Refused
from mavos.webapp.server import build_app
from mavos.webapp.session import Limits, Session
from mavos.webapp.sessions import Sessions, _key
from mavos.webapp.tracking import Snapshots
from mavos.webapp.turns import Turns

# pycocotools' own, with NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LENGTH = 14
LIMITS = Limits(upload_bytes=2**20, frames=40, snapshots=3)


@pytest.fixture(scope="module")
def model(checkpoint) -> tuple:
    torch.set_num_threads(1)  # frames are small, and rounding depends on their number
    cfg = configs.load("mavos_nano", overrides=["eval.max_resolution=60"])
    return build(cfg, checkpoint, torch.device("cpu"))


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> bytes:
    return make_video(tmp_path_factory.mktemp("video") / "clip.mp4", LENGTH).read_bytes()


@pytest.fixture
def serve(model, tmp_path):
    """Starts a server in this process; its folder is ``tmp_path / "private"``."""
    with contextlib.ExitStack() as stack:

        def start(limits=LIMITS, make_tracker=None, most=4, keep_seconds=60.0) -> Sessions:
            folder, turns = tmp_path / "private", Turns()
            folder.mkdir()
            make_tracker = make_tracker or (lambda: VideoTracker(*model, torch.device("cpu")))
            sessions = stack.enter_context(
                Sessions(
                    folder,
                    lambda own: Session(own, limits, make_tracker, turns),
                    most,
                    keep_seconds,
                )
            )
            client = TestClient(
                build_app(sessions, {"model": "mavos_nano"}),
                base_url=ORIGIN,
                headers={"Origin": ORIGIN},
            )
            start.client = stack.enter_context(client)
            return sessions

        yield start


@pytest.fixture
def page(serve, video) -> Page:
    """A page with a clip and one object."""
    serve()
    page = Page(serve.client)
    page.open(video)
    assert page.do("POST", "objects", json={"name": "square"}) == {"id": 1}
    return page


def _labels(t: int = 0, object_id: int = 1) -> np.ndarray:
    return (moving_square(t)[1] * object_id).astype(np.uint8)


def _tracked_by_hand(
    model, page: Page, drawn: dict[int, tuple[np.ndarray, list[int]]], frames=range(LENGTH)
) -> list:
    """Labels of every frame, by the tracker alone."""
    tracker = VideoTracker(*model, torch.device("cpu"))
    labels = []
    for frame in frames:
        image = page.picture(frame)
        result = tracker.step(image)
        if frame in drawn:
            mask, ids = drawn[frame]
            result = tracker.add(image, mask, ids=ids)
        labels.append(result.labels)
    return labels


def _check_labels(page: Page, wanted: list[np.ndarray]) -> None:
    for frame, labels in enumerate(wanted):
        np.testing.assert_array_equal(page.labels(frame), labels, str(frame))


# tracking


def test_masks_are_those_of_the_tracker(page, model):
    page.draw(0, _labels())
    state = page.track()
    assert state["job"]["error"] is None and state["job"]["done"] == LENGTH
    assert [status for _, status, _ in state["annotations"]["changed"]] == [1] * LENGTH
    assert all(0 <= p["1"] <= 1 for _, _, p in state["annotations"]["changed"])
    _check_labels(page, _tracked_by_hand(model, page, {0: (_labels(), [1])}))


@pytest.mark.parametrize("frame", [1, 6, LENGTH - 2])
def test_a_correction_gives_what_tracking_with_it_from_the_start_gives(page, model, frame):
    """Whatever snapshot it goes back to, and with an object that is new there."""
    page.draw(0, _labels())
    page.track()
    before = page.labels(frame)
    page.do("POST", "objects", json={})
    corrected = before.copy()
    corrected[30:40, 5:20] = 2
    page.draw(frame, corrected)
    statuses = [status for _, status, _ in page.state()["annotations"]["changed"]]
    assert statuses == [1] * (frame + 1) + [2] * (LENGTH - frame - 1)  # later ones are outdated
    ids = sorted({2} | set(np.unique(before[30:40, 5:20]).tolist()) - {0})
    assert page.state()["annotations"]["given"] == {"0": [1], str(frame): ids}
    page.track()
    mask = np.where(np.isin(corrected, ids), corrected, 0)
    _check_labels(page, _tracked_by_hand(model, page, {0: (_labels(), [1]), frame: (mask, ids)}))


def test_a_correction_that_is_taken_back_leaves_no_trace(page, model):
    page.draw(0, _labels())
    page.track()
    page.draw(4, _labels(4))
    page.track()
    page.do("DELETE", "labels/4")
    assert page.state()["annotations"]["given"] == {"0": [1]}
    page.track()
    _check_labels(page, _tracked_by_hand(model, page, {0: (_labels(), [1])}))


def test_pause_twice_correct_and_go_on(serve, tmp_path, model):
    length = 40
    serve()
    page = Page(serve.client)
    page.open(make_video(tmp_path / "long.mp4", length).read_bytes())
    page.do("POST", "objects", json={})
    page.draw(0, _labels())
    page.do("POST", "track", json={"from_frame": None})
    page.do("POST", "track", json={"from_frame": None})  # a double click
    page.wait(frames=3)
    assert "pause first" in page.refused(409, "PUT", "labels/0", content=b"")
    page.do("POST", "pause")
    page.do("POST", "pause")
    job = page.state()["job"]
    assert not job["running"] and 3 <= job["done"] < length
    page.draw(job["frame"], _labels(job["frame"]))
    state = page.track()
    assert [status for _, status, _ in state["annotations"]["changed"]] == [1] * length
    assert state["job"]["done"] == length - job["frame"] - 1  # what was there is not done again


def test_tracking_from_a_chosen_frame_skips_what_is_before(page):
    page.draw(2, _labels(2))
    assert "the first is 3" in page.refused(422, "POST", "track", json={"from_frame": 1})
    page.draw(9, _labels(9))
    state = page.track(9)
    statuses = {frame: status for frame, status, _ in state["annotations"]["changed"]}
    assert [statuses.get(frame, 0) for frame in range(LENGTH)] == [0, 0, 1] + [0] * 6 + [1] * 5
    state = page.track()  # and then the rest
    assert all(s == 1 for f, s, _ in state["annotations"]["changed"] if f >= 2)
    assert page.labels(0) is None
    assert "every frame is tracked" in page.refused(422, "POST", "track", json={"from_frame": None})
    behind = {"from_frame": LENGTH}
    assert "the clip has 14" in page.refused(422, "POST", "track", json=behind)
    last = {"from_frame": LENGTH - 1}
    assert "the last frame" in page.refused(422, "POST", "track", json=last)


def test_tracking_from_behind_a_correction_knows_it(page, model):
    page.draw(0, _labels())
    page.track()
    page.draw(4, _labels(4))
    page.track(9)  # 5 to 8 are left out: they are older than the correction
    drawn = {0: (_labels(), [1]), 4: (_labels(4), [1])}
    wanted = _tracked_by_hand(model, page, drawn, [*range(5), *range(9, LENGTH)])
    for frame, labels in zip(range(9, LENGTH), wanted[5:], strict=True):
        np.testing.assert_array_equal(page.labels(frame), labels)


def test_a_removed_object_is_not_tracked_any_more(serve, video, model):
    trackers = []

    def make_tracker() -> VideoTracker:
        trackers.append(VideoTracker(*model, torch.device("cpu")))
        return trackers[-1]

    serve(make_tracker=make_tracker)
    page = Page(serve.client)
    page.open(video)
    both = _labels()
    both[40:47, 40:60] = 2
    for _ in range(2):
        page.do("POST", "objects", json={})
    page.draw(0, both)
    page.do("DELETE", "objects/2?from_frame=5")
    page.track()
    assert trackers[0].ids == (1,)
    assert [2 in np.unique(page.labels(frame)) for frame in (0, 5)] == [True, False]


def test_a_removed_object_goes_and_the_others_stay(page):
    page.do("POST", "objects", json={"name": "other"})
    both = _labels()
    both[40:47, 40:60] = 2
    page.draw(0, both)
    page.track()
    before = [page.labels(frame) for frame in range(LENGTH)]
    page.do("DELETE", "objects/2?from_frame=5")
    for frame, labels in enumerate(before):
        kept = labels if frame < 5 else np.where(labels == 2, 0, labels)
        np.testing.assert_array_equal(page.labels(frame), kept)
    page.do("DELETE", "objects/2")
    for frame, labels in enumerate(before):
        np.testing.assert_array_equal(page.labels(frame), np.where(labels == 2, 0, labels))
    state = page.state()["annotations"]
    assert [one["name"] for one in state["objects"]] == ["square"]
    assert state["given"] == {"0": [1]}
    page.draw(6, _labels(6))
    after = page.track()["annotations"]
    assert all(set(presence) == {"1"} for _, _, presence in after["changed"])
    page.do("DELETE", "objects/1")
    assert all(page.labels(frame) is None for frame in range(LENGTH))
    assert page.do("POST", "objects", json={}) == {"id": 3}  # ids are not given twice


def test_an_object_comes_back_where_it_is_drawn_again(page, model):
    page.draw(0, _labels())
    page.track()
    page.do("DELETE", "objects/1?from_frame=4")
    assert not page.labels(5).any()
    page.draw(8, _labels(8))
    (known,) = page.state()["annotations"]["objects"]
    assert known["end"] is None
    state = page.track()
    assert state["job"]["error"] is None
    assert [status for _, status, _ in state["annotations"]["changed"]] == [1] * LENGTH
    assert [page.labels(frame).any() for frame in (3, 4, 7, 8)] == [True, False, False, True]
    tracker = VideoTracker(*model, torch.device("cpu"))
    for frame in range(LENGTH):
        if frame == 4:
            tracker.remove(1)
        labels = tracker.step(page.picture(frame)).labels
        if frame in (0, 8):
            labels = tracker.add(page.picture(frame), _labels(frame)).labels
        np.testing.assert_array_equal(page.labels(frame), labels, str(frame))


@pytest.mark.parametrize("cleared", [True, False])
def test_taking_the_drawing_back_removes_the_object_again(page, cleared):
    page.do("POST", "objects", json={})
    both = _labels()
    both[40:47, 40:60] = 2
    page.draw(0, both)
    page.track()
    page.draw(8, page.labels(8) * (page.labels(8) != 2))  # what is below a drawing here shows 2
    page.do("DELETE", "objects/2?from_frame=4")
    before, seen = page.labels(8), page.state()["annotations"]["revision"]
    back = before.copy()
    back[0:6, 0:6] = 2
    page.draw(8, back)
    back[0:9, 0:9] = 2
    page.draw(8, back)
    changed = page.state(seen)["annotations"]["changed"]
    assert {frame for frame, *_ in changed} >= set(range(8, LENGTH))
    assert page.state()["annotations"]["objects"][1]["end"] is None
    if cleared:
        page.do("DELETE", "labels/8")
    else:
        page.draw(8, before)
    assert page.state()["annotations"]["objects"][1]["end"] == 4
    assert page.state()["annotations"]["given"].get("8", []) != [2]
    np.testing.assert_array_equal(page.labels(8), before)
    page.track()
    assert not any((page.labels(frame) == 2).any() for frame in range(4, LENGTH))


def test_rubbing_out_an_object_that_is_not_known_any_more_is_no_error(page):
    page.draw(2, _labels(2))
    page.track()
    page.draw(5, np.zeros(SIZE, np.uint8))
    page.draw(8, _labels(8))
    page.do("DELETE", "labels/2")
    state = page.track()
    assert state["job"]["error"] is None
    np.testing.assert_array_equal(page.labels(8), _labels(8))


def test_a_tracker_that_fails_is_told_and_the_server_goes_on(serve, video, model):
    class Failing(VideoTracker):
        def step(self, frame):
            if self.frames == 3:
                raise RuntimeError("no such kernel")
            return super().step(frame)

    serve(make_tracker=lambda: Failing(*model, torch.device("cpu")))
    page = Page(serve.client)
    page.open(video)
    page.do("POST", "objects", json={})
    page.draw(0, _labels())
    state = page.track()
    assert "RuntimeError: no such kernel" in state["job"]["error"]
    assert [s for _, s, _ in state["annotations"]["changed"]] == [1] * 3 + [0] * (LENGTH - 3)
    assert page.download("masks")


def test_snapshots_stay_few_and_evenly_spread():
    snapshots = Snapshots(8, 2**20)
    for frame in range(1000):
        snapshots.add(frame, f"state {frame}")
    frames = _kept(snapshots, 1000)
    assert len(frames) <= 9 and frames[-1] == 999 and max(np.diff(frames)) <= 512
    for back in (1, 2, 4, 7):  # a correction there repeats few frames
        at, state = snapshots.newest_before(1000 - back)
        assert 1000 - 3 * back <= at < 1000 - back and state == f"state {at}"
    snapshots.drop_after(50)
    assert snapshots.newest_before(1000)[0] <= 50
    assert snapshots.newest_before(0) is None


def test_snapshots_stay_within_their_bytes():
    shared = torch.zeros(250)  # float32: 1000 bytes
    snapshots = Snapshots(20, 6000)
    for frame in range(300):
        snapshots.add(frame, ([shared], {"own": 1}, torch.zeros(250)[:10], np.zeros(100, np.uint8)))
        assert snapshots.held_bytes() <= 6000
    assert 3 <= len(_kept(snapshots, 300)) <= 4
    assert snapshots.newest_before(300)[0] == 299


def _kept(snapshots: Snapshots, length: int) -> list[int]:
    found = [snapshots.newest_before(frame) for frame in range(1, length + 1)]
    return sorted({one[0] for one in found if one})


def test_turns_are_taken_in_order():
    turns, order, workers = Turns(), [], [Worker(), Worker()]

    def take(name):
        def work(_):
            for _ in range(5):
                with turns:
                    order.append(name)
                    time.sleep(0.005)

        return work

    for name, worker in enumerate(workers):
        worker.start("track", 0, take(name))
    for worker in workers:
        while worker.busy:
            time.sleep(0.005)
        worker.close()
    assert order[2:8] in ([0, 1] * 3, [1, 0] * 3)


# drawing


def test_frames_and_objects_are_told(page):
    clip = page.state()["clip"]
    assert (clip["width"], clip["height"], clip["length"]) == (*SIZE[::-1], LENGTH)
    assert clip["frame_rate"] == pytest.approx(20) and clip["warning"] == ""
    assert np.abs(page.picture(3).astype(int) - moving_square(3)[0]).mean() < 20
    page.do("PATCH", "objects/1", json={"name": " <b>the\n square</b> "})
    (known,) = page.state()["annotations"]["objects"]
    assert known == {"id": 1, "name": "<b>the square</b>", "end": None, "color": [86, 180, 233]}
    assert "needs a name" in page.refused(422, "PATCH", "objects/1", json={"name": " "})
    assert page.refused(404, "PATCH", "objects/7", json={"name": "x"})


def test_only_what_changed_is_told_again(page):
    page.draw(3, _labels(3))
    revision = page.state()["annotations"]["revision"]
    assert page.state(revision)["annotations"]["changed"] == []
    page.draw(5, _labels(5))
    assert [frame for frame, *_ in page.state(revision)["annotations"]["changed"]] == [5]


def test_a_box_finds_what_is_in_it(page):
    _, square = moving_square(0)
    top, left = (int(v.min()) for v in np.nonzero(square))
    box = [left - 3, top - 3, left + 19, top + 19]
    answer = page.ask("POST", "box", json={"frame": 0, "box": box})
    found = np.frombuffer(answer.content, np.uint8).reshape(SIZE) > 0
    assert (found & square).sum() / (found | square).sum() > 0.85
    small = {"frame": 0, "box": [5, 5, 6, 6]}
    assert "too small" in page.refused(422, "POST", "box", json=small)
    assert page.refused(404, "POST", "box", json={"frame": LENGTH, "box": box})


def test_nothing_in_a_box_is_said(page, tmp_path):
    plain = cv2.imencode(".png", np.full((*SIZE, 3), 80, np.uint8))[1].tobytes()
    page.open(plain, name="plain.png")
    nothing = {"frame": 0, "box": [10, 10, 40, 40]}
    assert "nothing stands out" in page.refused(422, "POST", "box", json=nothing)


def test_drawings_that_do_not_fit_are_refused(page):
    for path, content, status, said in [
        ("labels/0", zlib.compress(b"\0" * 10), 422, "64x48 pixels"),
        ("labels/0", zlib.compress(b"\0" * 10**6), 422, "64x48 pixels"),
        ("labels/0", b"no zlib", 422, "damaged drawing"),
        ("labels/0", zlib.compress(b"\7" * (SIZE[0] * SIZE[1])), 422, "object 7"),
        ("labels/99", zlib.compress(bytes(SIZE[0] * SIZE[1])), 404, "no frame 99"),
        ("labels/-1", zlib.compress(bytes(SIZE[0] * SIZE[1])), 404, "no frame -1"),
        ("labels/0", b"\0" * 10**5, 413, "too large"),
        ("labels/x", b"", 422, "frame"),
    ]:
        assert said in page.refused(status, "PUT", path, content=content)


# downloads


def test_masks_in_a_zip(page):
    page.draw(3, _labels(3))
    page.track()
    with zipfile.ZipFile(io.BytesIO(page.download("masks"))) as archive:
        names = archive.namelist()
        assert names == [f"Annotations/clip/{frame:05d}.png" for frame in range(3, LENGTH)]
        for frame in (3, LENGTH - 1):
            with Image.open(archive.open(f"Annotations/clip/{frame:05d}.png")) as image:
                assert image.mode == "P"
                np.testing.assert_array_equal(np.array(image), page.labels(frame))


def test_coco(page):
    page.draw(0, _labels())
    page.track()
    coco = json.loads(page.download("coco"))
    assert coco["categories"] == [{"id": 1, "name": "square"}]
    assert [image["file_name"] for image in coco["images"]][:2] == ["00000.jpg", "00001.jpg"]
    first = coco["annotations"][0]
    np.testing.assert_array_equal(coco_mask.decode(first["segmentation"]), _labels())
    ys, xs = np.nonzero(_labels())
    assert first["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
    assert first["area"] == len(ys)
    for annotation in coco["annotations"]:
        mask = coco_mask.decode(annotation["segmentation"])
        np.testing.assert_array_equal(mask, page.labels(annotation["image_id"] - 1) == 1)


def test_overlay_video(page, tmp_path):
    page.draw(0, _labels())
    page.track()
    path = tmp_path / "overlay.mp4"
    path.write_bytes(page.download("overlay"))
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == LENGTH
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(20)


def test_nothing_to_download_is_said(page):
    page.do("POST", "exports/masks")
    assert "no mask yet" in page.wait()["job"]["error"]
    assert page.refused(404, "GET", "exports/masks")
    assert page.refused(404, "POST", "exports/secrets")


# uploads


def test_pictures_are_a_clip_in_the_order_they_came(serve):
    serve()
    page = Page(serve.client)
    pictures = [
        cv2.imencode(".png", np.full((*SIZE, 3), shade, np.uint8))[1].tobytes()
        for shade in (200, 10, 90)
    ]
    clip = page.open(*pictures, name="3 pictures")["clip"]
    assert clip["length"] == 3
    assert [int(page.picture(frame).mean()) for frame in range(3)] == [200, 10, 90]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"just some text", "not a video; choose an MP4"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "not a video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a video"),
        (b"not RIFFAVI LIST", "not a video"),
        (b"not RIFFWEBPVP8 ", "not a video"),
    ],
)
def test_what_is_no_video_is_refused_and_deleted(serve, tmp_path, data, said):
    serve()
    page = Page(serve.client)
    page.do("PUT", "upload/0", content=data)
    message = page.refused(422, "POST", "clip", json={"name": "../../etc/notes.txt"})
    assert said in message and "../../etc/notes.txt" in message
    assert not [path for path in (tmp_path / "private").rglob("*") if path.is_file()]


def test_a_damaged_video_is_told_by_its_own_name(serve, video, tmp_path):
    serve()
    page = Page(serve.client)
    error = page.open(video[:200], name="cut.mp4")["job"]["error"]
    assert error.startswith("cut.mp4") and str(tmp_path) not in error
    assert page.state()["clip"] is None
    assert page.open(video)["clip"]["length"] == LENGTH  # and another one may follow


def test_pictures_of_several_sizes_end_where_the_size_changes(serve):
    serve()
    page = Page(serve.client)
    pictures = [
        cv2.imencode(".jpg", np.zeros((*size, 3), np.uint8))[1].tobytes()
        for size in (SIZE, SIZE, (20, 20))
    ]
    clip = page.open(*pictures, name="3 pictures")["clip"]
    assert clip["length"] == 2 and "20x20" in clip["warning"]


def test_damaged_frames_keep_their_numbers(serve, monkeypatch):
    good = [np.full((*SIZE, 3), shade, np.uint8) for shade in (200, 10, 90)]
    images = [None, None, good[0], good[1], None, good[2]]

    class Damaged:
        length, frame_rate, fault = len(images), None, None

        def named(self):
            for index, image in enumerate(images):
                yield SourceFrame(index, str(index), image)

    monkeypatch.setattr(clip, "frames_from", lambda *_, **__: contextlib.nullcontext(Damaged()))
    serve()
    page = Page(serve.client)
    picture = cv2.imencode(".png", good[0])[1].tobytes()
    known = page.open(picture, name="pictures")["clip"]
    shades = [int(page.picture(frame).mean()) for frame in range(known["length"])]
    assert shades == [200, 200, 200, 10, 10, 90]
    assert known["warning"].startswith("Frames 1, 2, 5 are damaged")
    images[:2] = []
    assert page.open(picture)["clip"]["warning"].startswith("Frame 3 is damaged")


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_frames_that_are_too_large_are_not_decoded(serve, video, monkeypatch, kind):
    monkeypatch.setattr(pixel_limit, "_most_pixels", 1000)
    monkeypatch.setattr(clip, "frames_from", lambda *_, **__: pytest.fail("it is decoded"))
    serve()
    page = Page(serve.client)
    picture = cv2.imencode(".png", np.zeros((*SIZE, 3), np.uint8))[1].tobytes()
    job = page.open(video if kind == "video" else picture)["job"]
    assert "64x48 pixels are more than the limit of 1000" in job["error"]


def test_too_many_frames(serve, video):
    serve(Limits(frames=5))
    page = Page(serve.client)
    clip = page.open(video)["clip"]
    assert clip["length"] == 5 and "Only the first 5 frames" in clip["warning"]


def test_too_large(serve, tmp_path):
    serve(Limits(upload_bytes=2**20))
    page = Page(serve.client)
    # announced: refused before a byte is written; streamed: as soon as it is too much
    assert "up to 1 MB" in page.refused(413, "PUT", "upload/0", content=b"\0" * 2**21)
    chunks = (b"\0" * 2**16 for _ in range(100))
    assert "up to 1 MB" in page.refused(413, "PUT", "upload/0", content=chunks)
    assert not [path for path in (tmp_path / "private").rglob("*") if path.is_file()]
    page.do("PUT", "upload/0", content=b"\0" * 2**19)
    page.do("PUT", "upload/1", content=b"\0" * 2**19)
    assert "up to 1 MB" in page.refused(413, "PUT", "upload/2", content=b"\0")
    assert "out of order" in page.refused(409, "PUT", "upload/7", content=b"\0")
    assert page.refused(409, "PUT", "upload/-1", content=b"\0")


def test_a_full_disk_is_told(serve, monkeypatch):
    serve()
    page = Page(serve.client)
    monkeypatch.setattr("mavos.webapp.uploads._KEEP_FREE", 2**62)
    assert "nearly full" in page.refused(507, "PUT", "upload/0", content=b"\0")


# sessions and strangers


def test_a_session_is_private_and_deleted(serve, video, tmp_path):
    sessions = serve()
    page, other = Page(serve.client), Page(serve.client)
    page.open(video)
    folders = list((tmp_path / "private").iterdir())
    assert len(folders) == 2 and all(stat.S_IMODE(f.stat().st_mode) == 0o700 for f in folders)
    assert not any(page.token in str(path) for path in (tmp_path / "private").rglob("*"))
    # the upload itself is gone as soon as it is read
    assert not list((tmp_path / "private").rglob("*.mp4"))
    assert other.state()["clip"] is None
    assert "choose a video first" in other.refused(409, "GET", "frames/0")
    page.do("POST", "objects", json={})
    page.draw(0, _labels())
    page.do("POST", "track", json={"from_frame": None})
    page.do("POST", "close")  # while it tracks
    assert len(sessions) == 1 and len(list((tmp_path / "private").iterdir())) == 1
    assert "reload the page" in page.refused(410, "GET", "state")
    page.do("POST", "close")


def test_nothing_is_written_after_the_goodbye(serve, video, tmp_path, monkeypatch):
    sessions = serve()
    page = Page(serve.client)
    page.open(video)
    page.do("POST", "objects", json={})
    session = sessions.find(page.token)
    writing, closing = threading.Event(), threading.Event()

    def slow_draw(annotations, frame, labels) -> None:
        writing.set()
        assert closing.wait(10)
        time.sleep(0.1)
        draw(annotations, frame, labels)

    draw = Annotations.draw
    monkeypatch.setattr(Annotations, "draw", slow_draw)
    packed = zlib.compress(_labels().tobytes())
    drawing = threading.Thread(target=session.draw, args=(0, packed))
    drawing.start()
    assert writing.wait(10)
    closer = threading.Thread(target=session.close)
    closer.start()
    closing.set()
    for thread in (drawing, closer):
        thread.join()
    assert not list((tmp_path / "private").iterdir())
    with pytest.raises(Refused, match="closed"):
        session.draw(0, packed)
    with pytest.raises(Refused, match="closed"):
        session.export("masks")
    assert "closed" in page.refused(410, "PUT", "upload/0", content=b"x")
    assert not list((tmp_path / "private").iterdir())


def test_silent_pages_are_forgotten(serve, tmp_path):
    sessions = serve(keep_seconds=0.2)
    page = Page(serve.client)
    deadline = time.monotonic() + 10
    while len(sessions) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(sessions) == 0 and not list((tmp_path / "private").iterdir())
    assert page.refused(410, "GET", "state")


def test_too_many_pages(serve):
    serve(most=1)
    Page(serve.client)
    answer = serve.client.post("/api/sessions")
    assert answer.status_code == 503 and "close one of them" in answer.json()["error"]


def test_tabs_that_went_without_a_goodbye_make_room(serve, video, monkeypatch):
    sessions = serve(most=2)
    gone, working = Page(serve.client), Page(serve.client)
    for page in (gone, working):
        sessions.find(page.token).used -= 200
    monkeypatch.setattr(Worker, "busy", property(lambda worker: worker is busy_worker))
    busy_worker = sessions._sessions[_key(working.token)]._worker
    third = Page(serve.client)
    assert gone.refused(410, "GET", "state") and len(sessions) == 2
    third.state(), working.state()
    assert serve.client.post("/api/sessions").status_code == 503  # these live


def test_no_path_leads_outside(serve):
    serve()
    for path in [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static/..%5cserver.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/",
        "/static/nothing.js",
        "/../../etc/passwd",
        "/docs",
        "/openapi.json",
    ]:
        answer = serve.client.get(path)
        assert answer.status_code in (404, 405), path
        assert "import" not in answer.text and "root:" not in answer.text


@pytest.mark.parametrize("part", ["frames/..%2f..%2flock", "labels/1.5", "exports/..%2flock"])
def test_frames_are_numbers_and_files_have_names(page, part):
    assert page.ask("GET", part).status_code in (404, 422)


def test_a_rebound_name_is_refused(serve):
    serve()
    for host, status in [
        ("127.0.0.1:7860", 200),
        ("localhost:7860", 200),
        ("[::1]:7860", 200),
        ("192.168.1.20", 200),
        ("evil.example", 421),
        ("evil.example:7860", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ]:
        assert serve.client.get("/", headers={"Host": host}).status_code == status, host


def test_other_pages_cannot_write(serve, page):
    for origin in ["http://evil.example", "http://127.0.0.1:1", "null", "", "http://localhost"]:
        answer = serve.client.post("/api/sessions", headers={"Origin": origin})
        assert answer.status_code == 403, origin
        assert page.ask("PUT", "upload/0", headers={"Origin": origin}).status_code == 403
        assert page.ask("DELETE", "objects/1", headers={"Origin": origin}).status_code == 403


def test_headers_and_long_requests(serve, page):
    for path in ("/", "/static/app.js", f"/api/{page.token}/state", "/nowhere"):
        headers = serve.client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"  # no-referrer: see guard.py
    assert page.refused(413, "POST", "objects", json={"name": "x" * 10**5})
    assert page.refused(411, "POST", "objects", content=iter([b"{}"]))
    assert "name" in page.refused(422, "POST", "objects", json={"name": 3})


def test_a_wrong_token_opens_nothing(serve, page):
    for token in ("x", page.token[:-1], page.token + "x", page.token.swapcase()):
        assert serve.client.get(f"/api/{token}/state").status_code == 410
        assert serve.client.get(f"/api/{token}/frames/0").status_code == 410


def test_a_job_that_runs_refuses_another():
    worker = Worker()
    worker.start("track", 0, lambda job: job.stopping.wait(5))
    with pytest.raises(Refused, match="busy"):
        worker.start("masks", 0, lambda job: None)
    worker.close()
    assert not worker.busy
