"""Frames come out of every kind of source: in order, upright, whole, no more than are wanted."""

import gc
import http.server
import itertools
import logging
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from media import write_clip
from PIL import Image
from shared_data import shared

from mavos.dataloaders.media import frame_sources, live_sources
from mavos.dataloaders.media.captures import open_capture, shown
from mavos.dataloaders.media.frame_sources import frames_from
from mavos.dataloaders.media.video_files import VideoFile
from mavos.utils.errors import UserError

SIZE = (48, 64)  # (H, W)


def _shade(index: int) -> np.ndarray:
    """Frame ``index``, which its grey value tells; (H, W, 3) uint8."""
    return np.full((*SIZE, 3), 10 + 10 * index, np.uint8)


def _shades(images: Iterator[np.ndarray]) -> list[int]:
    """Which frames these are."""
    return [round((float(image.mean()) - 10) / 10) for image in images]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = tmp_path / "dog"
    frames.mkdir()
    for index in range(12):
        Image.fromarray(_shade(index)).save(frames / f"{index}.png")
    return frames


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4")


def _threads() -> int:
    return sum(thread.name.endswith("(_fill)") for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    if _threads():
        gc.collect()  # a test that failed, or raised, may hold its frames a little longer
    assert _threads() == 0


CHOICES = [
    ({}, range(12)),
    ({"start": 3}, range(3, 12)),
    ({"end": 5}, range(5)),
    ({"start": 2, "end": 9, "every": 3}, (2, 5, 8)),
    ({"every": 5, "ahead": 1}, (0, 5, 10)),
]


@pytest.mark.parametrize(("options", "wanted"), CHOICES)
@pytest.mark.parametrize("kind", ["folder", "pattern", "file", "list", "generator"])
def test_the_wanted_frames_come_with_their_numbers_in_the_source(
    folder, clip, kind, options, wanted
):
    source = {
        "folder": folder,
        "pattern": f"{folder}/*.png",
        "file": str(clip),
        "list": [_shade(index) for index in range(12)],
        "generator": (_shade(index) for index in range(12)),
    }[kind]
    with frames_from(source, **options) as frames:
        assert frames.length == (None if kind == "generator" else len(wanted))
        assert frames.name == {"folder": "dog", "pattern": "dog", "file": "clip"}.get(
            kind, "frames"
        )
        is_file = kind == "file"
        assert frames.audio == (clip if is_file else None)
        assert frames.frame_rate == (10 / options.get("every", 1) if is_file else None)
        found = list(frames.named())
    names = [str(i) if kind in ("folder", "pattern") else f"{i:05d}" for i in wanted]
    assert [(frame.index, frame.name) for frame in found] == list(zip(wanted, names, strict=True))
    assert _shades(frame.image for frame in found) == list(wanted)
    assert all(frame.fault is None for frame in found)


def test_plain_images_come_first_or_last_or_in_between(folder):
    with frames_from(folder) as frames:
        first = next(frames)
        assert _shades([first, next(iter(frames))]) == [0, 1]
        assert _shades(itertools.islice(frames, 3)) == [2, 3, 4]
        assert next(frames.named()).index == 5
        assert len(list(frames)) == 6
    assert list(frames) == []


def test_a_picture_alone_is_a_source(folder):
    assert [frame.name for frame in frames_from(folder / "3.png").named()] == ["3"]


def test_no_more_is_read_than_ahead(monkeypatch, folder):
    read = []

    def reading(path, bits):
        read.append(path)
        return _shade(0)

    monkeypatch.setattr(frame_sources, "read_image", reading)
    with frames_from(folder, ahead=2) as frames:
        next(frames)
        _until(lambda: len(read) == 4)  # one taken, two wait, one in the thread's hand
        time.sleep(0.05)
        assert len(read) == 4
    assert len(read) == 4


def _until(condition) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_a_source_that_is_forgotten_leaves_no_thread(folder):
    frames = frames_from(folder, ahead=1)
    next(frames)
    assert _threads() == 1
    del frames
    gc.collect()
    assert _threads() == 0


def test_a_bug_in_the_thread_comes_up_as_itself(monkeypatch, folder):
    def broken(path, bits):
        raise ZeroDivisionError

    monkeypatch.setattr(frame_sources, "read_image", broken)
    with pytest.raises(ZeroDivisionError), frames_from(folder) as frames:
        next(frames)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nowhere", {}, "nowhere: there is no such file or folder; expected a folder of pictures"),
        ("ftp://me:secret@host/a?b", {}, r"^ftp://host/a\?\.\.\.: unknown kind of URL; expected"),
        ("http://[bad", {}, r"http://\[bad: cannot be opened"),
        ("nowhere/*.png", {}, "no picture fits this pattern"),
        (None, {}, "None is no source of frames"),
        (True, {}, "True is no source of frames"),
        ([], {"start": -1}, "start must be 0 or more, got -1"),
        ([], {"every": 0}, "every must be 1 or more"),
        ([], {"start": 4, "end": 4}, r"end \(4\) must be above start \(4\)"),
        ([], {"ahead": 0}, "ahead must be 1 or more"),
    ],
)
def test_what_is_no_source_is_refused(source, options, message):
    with pytest.raises(UserError, match=message):
        frames_from(source, **options)


def test_a_start_behind_the_end_is_refused(folder, clip):
    for source in (folder, clip):
        with pytest.raises(UserError, match="has 12 frames, so none from start = 12 on"):
            frames_from(source, start=12)


def test_two_pictures_of_one_name_are_refused(folder, tmp_path):
    other = tmp_path / "cat"
    other.mkdir()
    Image.fromarray(_shade(0)).save(other / "3.png")
    with pytest.raises(UserError, match="two pictures for one frame name '3'"):
        frames_from(f"{tmp_path}/*/*.png")
    (folder / "3.png").unlink()
    names = [frame.name for frame in frames_from(f"{tmp_path}/*/*.png").named()]
    assert names[:4] == ["3", "0", "1", "2"]  # folder by folder


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5), np.uint8), r"frame 1 is an array of shape \(4, 5\) and type uint8"),
        (np.zeros((4, 5, 4), np.uint8), r"shape \(4, 5, 4\)"),
        (np.zeros((4, 5, 3)), "type float64; expected"),
        ("a.jpg", "expected"),
    ],
)
def test_arrays_of_another_shape_are_named(array, message):
    frames = frames_from(iter([_shade(0), array]))
    next(frames)
    with pytest.raises(UserError, match=message):
        next(frames)
    with pytest.raises(UserError, match=message):
        list(frames_from([_shade(0), array]).named())


def test_an_unreadable_picture_is_a_fault_of_its_frame_alone(folder):
    (folder / "4.png").write_bytes(b"")
    with frames_from(folder) as frames:
        found = list(frames.named())
    assert [frame.index for frame in found if frame.image is None] == [4]
    assert found[4].fault.endswith("4.png: the file is empty (0 bytes). Copy or export it again")
    frames = frames_from(folder, start=4)
    with pytest.raises(UserError, match=r"frame 4: .*4\.png: the file is empty"):
        next(frames)
    assert _shades(frames) == [5, 6, 7, 8, 9, 10, 11]


def test_pictures_are_turned_upright():
    turned = shared("data", "bad", "images", "exif_orientation_6.jpg")
    (image,) = frames_from(turned)
    (upright,) = frames_from(turned.with_name("exif_orientation_none_reference.jpg"))
    assert image.shape == upright.shape == (240, 428, 3)
    assert np.abs(image.astype(int) - upright).mean() < 5  # both are JPEGs


BAD_IMAGES = {
    "cmyk.jpg": None,
    "exif_orientation_6.jpg": None,
    "grey.jpg": None,
    "one_pixel.jpg": None,
    "png_content.jpg": None,
    "progressive.jpg": None,
    "rgb_16bit.png": None,
    "rgba.png": None,
    "tiny_23x17.jpg": None,
    "header_only.jpg": "not a complete picture",
    "text_not_image.jpg": "not a complete picture",
    "truncated.jpg": "not a complete picture",
    "zero_byte.jpg": "the file is empty",
}


@pytest.mark.parametrize(("name", "fault"), BAD_IMAGES.items())
def test_unusual_pictures(name, fault):
    (frame,) = frames_from(shared("data", "bad", "images", name)).named()
    if fault is None:
        assert frame.image.ndim == 3 and frame.image.dtype == np.uint8 and frame.fault is None
    else:
        assert frame.image is None and fault in frame.fault


def _turned(path: Path) -> Path:
    """The same video, shown turned by 90 degrees: the matrix in its track header is another."""
    data = bytearray(path.read_bytes())
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = matrix
    path.write_bytes(data)
    return path


def test_videos_are_turned_upright(tmp_path):
    images = [np.full((48, 64, 3), 60, np.uint8) for _ in range(3)]
    for image in images:
        image[:, :32] = 200
    path = write_clip(tmp_path / "phone.mp4", images)
    (first, *_rest) = frames_from(_turned(path))
    assert first.shape == (64, 48, 3)
    assert first[:24].mean() > 180 and first[40:].mean() < 80  # left is on top now


def test_a_damaged_frame_in_a_video_is_told_and_the_others_come(clip, caplog):
    with av.open(str(clip)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        places = [(packet.pos, packet.size) for packet in packets]
    data = bytearray(clip.read_bytes())
    for index in (4, 5, 11):
        place, size = places[index]
        data[place : place + size] = bytes(size)
    clip.write_bytes(data)
    with frames_from(clip) as frames:
        found = list(frames.named())
    assert [frame.index for frame in found] == list(range(11))
    assert [frame.index for frame in found if frame.image is None] == [4, 5]
    assert found[4].fault == f"{clip}: frame 4 is damaged"
    whole = [frame for frame in found if frame.image is not None]
    assert _shades(frame.image for frame in whole) == [frame.index for frame in whole]
    assert "9 frames decoded, 12 announced" in caplog.text  # the last one is lost too


def _claiming(path: Path, frames: int) -> Path:
    """A video of 12 frames whose header says another number."""
    write_clip(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"avih") + 24, frames)
    struct.pack_into("<I", data, data.index(b"strh") + 40, frames)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("claimed", [3_000_000, 1_000_000_000])
def test_more_frames_than_bytes_are_refused_at_once(tmp_path, claimed):
    path = _claiming(tmp_path / "a.avi", claimed)
    with pytest.raises(UserError, match=f"a.avi: its header says that it holds {claimed} frames, "):
        frames_from(path)


def test_a_wrong_number_of_frames_is_not_believed_for_ever(tmp_path):
    path = _claiming(tmp_path / "a.avi", 3_000)
    with frames_from(path) as frames:
        assert frames.length == 3_000 and len(list(frames.named())) == 12
        assert "only 12 of 3000 announced" in frames.fault


BAD_VIDEOS = {  # name: (frames, those that are damaged, the fault at the end or at once)
    "good_20_frames_428x240.mp4": (20, [], None),
    "one_frame.mp4": (1, [], None),
    "odd_size_427x239_yuv444.mp4": (8, [], None),
    "mpeg4_codec.avi": (8, [], None),
    "damaged_middle.mp4": (20, [], None),
    "truncated_index_present.mp4": (40, [], "only 40 of 287 announced frames can be decoded"),
    "empty.mp4": (0, [], "cannot be opened as a video (0 bytes)"),
    "text_not_video.mp4": (0, [], "cannot be opened as a video (12 bytes)"),
    "truncated_index_missing.mp4": (0, [], "cannot be opened as a video"),
}


@pytest.mark.parametrize(("name", "expected"), BAD_VIDEOS.items())
def test_unusual_video_files(name, expected, caplog):
    path = shared("data", "bad", "videos", name)
    length, damaged, fault = expected
    if length == 0:
        with pytest.raises(UserError) as error:
            frames_from(path)
        assert fault in str(error.value) and str(path) in str(error.value)
        return
    with frames_from(path) as frames:
        found = list(frames.named())
        assert len(found) == length
        assert [frame.index for frame in found if frame.image is None] == damaged
        assert (frames.fault is None) == (fault is None)
    if fault is not None:
        assert fault in frames.fault and fault in caplog.text
        with frames_from(path, start=38) as frames:  # who takes plain images is told as well
            next(frames), next(frames)
            with pytest.raises(UserError, match=fault):
                next(frames)


class Camera:
    """Stands for OpenCV's capture: shades by number, as scripted; "off" breaks the stream off."""

    script: Iterator[int | str]
    length = -1.0  # as OpenCV says it of what is live

    def __init__(self, is_open: bool = True) -> None:
        self.is_open = is_open

    def isOpened(self) -> bool:
        return self.is_open

    def get(self, which: int) -> float:
        return 30.0 if which == cv2.CAP_PROP_FPS else Camera.length

    def read(self) -> tuple[bool, np.ndarray | None]:
        item = next(Camera.script, "off") if self.is_open else "off"
        if callable(item):
            item = item()
        return (False, None) if item == "off" else (True, _shade(item))

    def release(self) -> None:
        self.is_open = False


@pytest.fixture
def camera(monkeypatch):
    """Takes the script of a camera; each opening goes on in it."""
    opened = []

    def open_capture(address):
        opened.append(address)
        return Camera()

    def prepare(script) -> list:
        Camera.script = iter(script)
        return opened

    monkeypatch.setattr(live_sources, "open_capture", open_capture)
    monkeypatch.setattr(live_sources, "_PAUSE", 0.001)
    return prepare


@pytest.mark.parametrize("address", [0, "0", "rtsp://user:secret@host/live", "http://host/video"])
def test_a_stream_that_breaks_off_is_connected_again(camera, address, caplog):
    opened = camera([0, 1, "off", "off", 2, 3, *["off"] * 6, 4])
    with frames_from(address) as frames:
        assert frames.length is None and frames.audio is None and frames.frame_rate == 30
        found = list(frames.named())
    assert _shades(frame.image for frame in found) == [0, 1, 2, 3]
    assert [frame.name for frame in found] == ["00000", "00001", "00002", "00003"]
    assert opened == [0 if address == "0" else address] * (1 + 2 + 5)
    assert "broke off after 4 frames and did not come back in 5 attempts" in frames.fault
    assert caplog.text.count("connecting again (1 of 5)") == 2
    assert "secret" not in caplog.text + frames.fault


def test_a_stream_that_would_begin_anew_has_ended(camera, monkeypatch, caplog):
    def ended():
        monkeypatch.setattr(Camera, "length", 3.0)  # now it is a recording
        return "off"

    opened = camera([0, 1, 2, ended, 0, 1, 2])
    with frames_from("http://host/video") as frames:
        assert _shades(frame.image for frame in frames.named()) == [0, 1, 2]
    assert len(opened) == 2 and frames.fault is None
    assert "ended after 3 frames; it would begin anew" in caplog.text


def test_the_newest_frames_of_a_camera_are_kept(camera, caplog):
    done = threading.Event()

    def last():
        done.set()
        time.sleep(0.1)
        return 20

    camera([*range(20), last, *["off"] * 6])
    with frames_from(0, ahead=4) as frames:
        done.wait(20)
        _until(lambda: frames.dropped)
        found = list(frames.named())
    indices = [frame.index for frame in found]
    assert indices[-3:] == [18, 19, 20] and indices == sorted(indices)
    assert frames.dropped + len(found) == 21
    assert _shades(frame.image for frame in found) == indices
    assert caplog.text.count("old ones are dropped") == 1


def test_closing_ends_a_camera_that_never_ends(camera):
    camera(itertools.cycle(range(20)))
    with frames_from(0, every=3) as frames:
        assert [frame.index % 3 for frame in itertools.islice(frames.named(), 4)] == [0] * 4
        assert frames.frame_rate == 10


def test_a_camera_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(live_sources, "open_capture", lambda address: Camera(is_open=False))
    with pytest.raises(UserError, match="camera 7: cannot be opened; check that it is connected"):
        frames_from("7")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("rtsp://me:secret@host:554/live", "rtsp://host:554/live"),
        ("rtsp://me:sec#ret@host/live", "rtsp://host/live"),
        ("rtsp://me:sec/ret@host/live", "rtsp://host/live"),
        ("rtsp://me:sec?ret@host/live", "rtsp://host/live"),
        ("rtsp://me:sec@ret@host/live", "rtsp://host/live"),
        ("rtsp://me:sec[1@host/live", "rtsp://host/live"),
        ("rtsp://host/live?user=me&password=secret", "rtsp://host/live?..."),
        ("rtsp://host/live?password=sec@ret", "rtsp://?..."),
        ("rtsp://me:sec?r=et@host/live", "rtsp://?..."),
        ("http://[bad", "http://[bad"),
        ("frames/a#/x@?.png", "frames/a#/x@?.png"),
        (3, "camera 3"),
    ],
)
def test_messages_hold_no_password(address, told):
    assert shown(address) == told


def test_opencv_is_as_loud_as_its_user_says(monkeypatch):
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "WARNING")
    levels, level = [], cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
    monkeypatch.setattr(
        cv2, "VideoCapture", lambda *_: levels.append(cv2.utils.logging.getLogLevel())
    )
    open_capture(0)
    monkeypatch.delenv("OPENCV_LOG_LEVEL")
    open_capture(0)
    cv2.utils.logging.setLogLevel(level)
    assert levels == [cv2.utils.logging.LOG_LEVEL_WARNING, cv2.utils.logging.LOG_LEVEL_SILENT]


class _Server(http.server.BaseHTTPRequestHandler):
    """/live: eight pictures, one after the other; /clip and /clip.mp4: a file."""

    clip = b""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.send_response(200 if path in ("/clip", "/clip.mp4", "/live") else 404)
        if path.startswith("/clip"):
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(len(self.clip)))
            self.end_headers()
            self.wfile.write(self.clip)
            return
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for index in range(8 if path == "/live" else 0):
            jpeg = cv2.imencode(".jpg", _shade(index))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
        self.wfile.write(b"--frame--\r\n")

    def log_message(self, *_args) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


def test_a_stream_over_http(server, monkeypatch):
    monkeypatch.setattr(live_sources, "_ATTEMPTS", 0)
    with frames_from(f"{server}/live", ahead=8) as frames:
        assert frames.name == "live" and frames.length is None
        found = list(frames.named())
    assert _shades(frame.image for frame in found) == list(range(8))


@pytest.mark.parametrize("address", ["clip.mp4?key=1", "clip", "clip?" + 300 * "k"])
def test_a_video_file_over_http_is_no_camera(server, clip, address):
    _Server.clip = clip.read_bytes()
    with frames_from(f"{server}/{address}", ahead=1) as frames:
        assert (frames.name, frames.length, frames.audio) == ("clip", 12, None)
        time.sleep(0.05)
        assert _shades(frames) == list(range(12))
        assert frames.dropped == 0
    with pytest.raises(UserError, match=r"/none\.mp4: cannot be opened"):
        frames_from(server.replace("http://", "http://user:secret@") + "/none.mp4")


def test_skipped_frames_of_a_video_are_counted(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    path = write_clip(tmp_path / "a.mp4")
    assert _shades(frames_from(path, start=11)) == [11]
    assert not caplog.text
    assert VideoFile(path).frame_rate == 10
