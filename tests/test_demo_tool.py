"""``tools/demo.py`` from a source and its masks to everything that it leaves."""

import itertools
import json
import logging
import os
import signal
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from eval_tool import ROOT, Ended, ids_in, labels, members, nano, run, save_mask, start, wait
from media import write_clip
from PIL import Image
from shared_data import shared

from mavos.dataloaders.media import live_sources, read_ahead
from mavos.dataloaders.media.frame_sources import frames_from
from mavos.dataloaders.media.frames import SourceFrame
from mavos.dataloaders.media.images import read_image
from mavos.demo import command, preview
from mavos.demo.summary import Summary
from mavos.demo.thumbnails import Thumbnails
from mavos.demo.tracking import Tracked
from mavos.tracking.tracker import VideoTracker
from mavos.utils.errors import OutputError
from mavos.utils.launch import RepeatedWish

SIZE = (48, 64)  # (H, W)
NTSC = Fraction(30_000, 1001)


def _pictures(length: int) -> list[np.ndarray]:
    """A bright square that moves over noise; (H, W, 3) uint8."""
    noise = np.random.default_rng(0).integers(0, 90, (*SIZE, 3), np.uint8)
    pictures = [noise.copy() for _ in range(length)]
    for t, picture in enumerate(pictures):
        picture[10:34, 4 + t % 30 : 28 + t % 30] = (220, 60, 200)
    return pictures


def _square(object_id: int, left: int = 4) -> np.ndarray:
    ids = np.zeros(SIZE, np.uint8)
    ids[10:34, left : left + 24] = object_id
    return ids


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "dog.mp4", _pictures(10), rate=NTSC)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "cat"
    folder.mkdir()
    for index, picture in enumerate(_pictures(10)):
        Image.fromarray(picture).save(folder / f"img{index}.png")
    return folder


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    return save_mask(tmp_path / "first.png", _square(3))


@pytest.fixture
def demo(checkpoint, tmp_path):
    def _demo(source: object, *more: object) -> Ended:
        options = ["--input", source, "--output", tmp_path / "out", *nano(checkpoint), *more]
        return run(*options, main=command.main)

    return _demo


def _summary(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text())


def _masks(out: Path, video: str) -> list[str]:
    return sorted(path.stem for path in (out / "Annotations" / video).iterdir())


def _overlay(out: Path) -> list[np.ndarray]:
    return list(frames_from(out / "overlay.mp4"))


def test_a_video_leaves_masks_zip_overlay_sheet_and_summary(demo, clip, mask, tmp_path):
    out = tmp_path / "out"
    archive = demo(clip, "--mask", mask).archive
    assert archive == out / "dog.zip"
    names = [f"{i:05d}" for i in range(10)]
    assert sorted(members(archive)) == [f"dog/{name}.png" for name in names]
    assert _masks(out, "dog") == names
    assert (labels(out / "Annotations/dog/00000.png") == _square(3)).all()
    assert all(ids_in(png) <= {0, 3} for png in members(archive).values())
    with av.open(str(out / "overlay.mp4")) as container:
        (stream,) = container.streams
        assert stream.average_rate == NTSC and stream.frames == 10
        assert (stream.codec.canonical_name, stream.height, stream.width) == ("h264", *SIZE)
    assert read_image(out / "contact_sheet.png").shape[1] > 4 * 320
    summary = _summary(out)
    assert summary["finished"] and summary["fault"] is None and summary["frames"] == 10
    assert summary["damaged_frames"] == {} and summary["input"] == str(clip)
    seen = summary["objects"]["3"]
    assert seen["given_at"] == ["00000"] and seen["visible"][0][0] == "00000"
    assert 0 < seen["mean_presence"] <= 1 and summary["fps"] > 0 and summary["network_fps"] > 0
    assert sorted(path.name for path in out.iterdir()) == [
        "Annotations",
        "contact_sheet.png",
        "dog.zip",
        "overlay.mp4",
        "summary.json",
    ]


def test_masks_are_those_of_the_tracker(demo, frames, mask, checkpoint, tmp_path):
    second = save_mask(tmp_path / "second.png", _square(200, left=36))
    archive = demo(frames, "--mask", mask, "--mask", f"img6:{second}").archive
    tracker = VideoTracker.from_pretrained(
        "mavos_nano", checkpoint, "cpu", amp=False, overrides=["eval.max_resolution=60"]
    )
    found = members(archive)
    for index, picture in enumerate(_pictures(10)):
        if index in (0, 6):
            result = tracker.add(picture, _square(3) if index == 0 else _square(200, left=36))
        else:
            result = tracker.step(picture)
        assert (labels(found[f"cat/img{index}.png"]) == result.labels).all()
    assert _summary(tmp_path / "out")["objects"]["200"]["given_at"] == ["img6"]
    assert 200 not in ids_in(found["cat/img5.png"]) and 200 in ids_in(found["cat/img6.png"])


def test_two_equal_pictures_are_two_frames(demo, frames, mask, tmp_path, monkeypatch):
    made = []

    class Noted(VideoTracker):
        def __init__(self, *args) -> None:
            super().__init__(*args)
            made.append(self)

    (frames / "img1.png").write_bytes((frames / "img0.png").read_bytes())
    second = save_mask(tmp_path / "second.png", _square(2, left=36))
    monkeypatch.setattr(command, "VideoTracker", Noted)
    options = ("--mask", mask, "--mask", f"img1:{second}", "--end", 3)
    assert len(members(demo(frames, *options).archive)) == 3
    assert made[0].frames == 3


@pytest.mark.parametrize(
    ("given", "first"),
    [
        (["first.png"], 2),
        (["00004.png"], 4),  # named like a frame
        (["4:first.png"], 4),
        (["00006:first.png"], 6),
        (["masks"], 4),
    ],
)
def test_a_mask_belongs_to_its_frame(demo, clip, tmp_path, monkeypatch, given, first):
    for name in ("first.png", "00004.png", "masks/00004.png", "masks/00005.png"):
        save_mask(tmp_path / name, _square(3))
    monkeypatch.chdir(tmp_path)
    options = ("--start", 2, "--end", 9, "--every", 2)
    archive = demo(clip, "--mask", *given, *options).archive
    found = members(archive)
    assert sorted(found) == [f"dog/0000{i}.png" for i in (2, 4, 6, 8)]
    for index in range(2, first, 2):
        assert ids_in(found[f"dog/0000{index}.png"]) == {0}
    assert (labels(found[f"dog/0000{first}.png"]) == _square(3)).all()
    assert frames_from(tmp_path / "out/overlay.mp4").frame_rate == pytest.approx(float(NTSC) / 2)


def test_sound_is_kept_and_cut_to_the_frames(demo, mask, tmp_path):
    clip = write_clip(tmp_path / "dog.mp4", _pictures(30), rate=10, sound="aac")
    out = tmp_path / "out"

    def sound() -> float:
        with av.open(str(out / "overlay.mp4")) as container:
            return sum(float(s.duration * s.time_base) for s in container.streams.audio)

    assert demo(clip, "--mask", mask, "--start", 10, "--end", 22).archive
    assert sound() == pytest.approx(1.2, abs=0.05)
    ended = demo(clip, "--mask", mask, "--every", 4, "--end", 8)
    assert ended.archive and "sound is left out: with --every" in ended.stderr
    assert sound() == 0
    assert demo(clip, "--mask", mask, "--fps", 5, "--end", 3).archive
    assert sound() == 0 and frames_from(out / "overlay.mp4").frame_rate == 5


def test_damaged_frames_get_the_mask_before_and_the_run_goes_on(demo, frames, mask, tmp_path):
    (frames / "img4.png").write_bytes(b"")
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(frames / "img7.png")
    ended = demo(frames, "--mask", mask)
    found = members(ended.archive)
    assert len(found) == 10
    for bad in (4, 7):
        assert found[f"cat/img{bad}.png"] == found[f"cat/img{bad - 1}.png"]
    assert "frame img4 gets the masks of the one before" in ended.stderr
    assert "img4.png: the file is empty" in ended.stderr
    assert "it is 20x20, the others are 64x48" in ended.stderr
    assert list(_summary(tmp_path / "out")["damaged_frames"]) == ["img4", "img7"]
    overlays = _overlay(tmp_path / "out")
    assert len(overlays) == 10
    assert np.abs(overlays[4].astype(int) - overlays[3]).mean() < 3


def test_the_mask_of_a_damaged_frame_waits_for_the_next(demo, frames, mask, tmp_path):
    for bad in (0, 5, 9):
        (frames / f"img{bad}.png").write_bytes(b"")
    second = save_mask(tmp_path / "second.png", _square(2, left=36))
    third = save_mask(tmp_path / "third.png", _square(1))
    more = ("--mask", f"img5:{second}", "--mask", f"img9:{third}")
    ended = demo(frames, "--mask", mask, *more)
    found = members(ended.archive)
    assert (labels(found["cat/img0.png"]) == _square(3)).all()
    assert (labels(found["cat/img1.png"]) == _square(3)).all()
    for name in ("cat/img5.png", "cat/img6.png"):
        assert (labels(found[name])[10:34, 36:60] == 2).all()
    assert "first.png: used at frame 1" in ended.stderr
    assert "second.png: used at frame 6" in ended.stderr
    assert "third.png: not used, the frames ended before" in ended.stderr
    assert list(_summary(tmp_path / "out")["objects"]) == ["2", "3"]


def test_many_damaged_frames_do_not_flood_the_screen(demo, frames, mask, monkeypatch):
    monkeypatch.setattr("mavos.demo.tracking._FAULTS_LOGGED", 3)
    for bad in range(2, 9):
        (frames / f"img{bad}.png").write_bytes(b"")
    ended = demo(frames, "--mask", mask)
    assert ended.stderr.count("gets the masks of the one before") == 3
    assert ended.stderr.count("more damaged frames are not logged") == 1


BAD_VIDEOS = {  # name: (size, frames, damaged ones, what is told)
    "good_20_frames_428x240.mp4": ((240, 428), 20, 0, ""),
    "one_frame.mp4": ((240, 428), 1, 0, ""),
    "odd_size_427x239_yuv444.mp4": ((239, 427), 8, 0, ""),
    "mpeg4_codec.avi": ((240, 428), 8, 0, ""),
    "damaged_middle.mp4": ((240, 428), 20, 0, ""),
    "truncated_index_present.mp4": ((720, 1280), 40, 0, "only 40 of 287 announced frames"),
    "empty.mp4": (None, 0, 0, "cannot be opened as a video (0 bytes)"),
    "text_not_video.mp4": (None, 0, 0, "cannot be opened as a video (12 bytes)"),
    "truncated_index_missing.mp4": (None, 0, 0, "cannot be opened as a video (73185 bytes)"),
}


@pytest.mark.parametrize(("name", "expected"), BAD_VIDEOS.items())
def test_unusual_video_files(demo, mask, tmp_path, name, expected):
    path = shared("data", "bad", "videos", name)
    size, length, damaged, told = expected
    if size is None:
        error = demo(path, "--mask", mask).error
        assert told in error and str(path) in error
        assert not (tmp_path / "out").exists()
        return
    ids = np.zeros(size, np.uint8)
    ids[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1
    ended = demo(path, "--mask", save_mask(tmp_path / "large.png", ids))
    assert len(members(ended.archive)) == length
    summary = _summary(tmp_path / "out")
    assert summary["finished"] and len(summary["damaged_frames"]) == damaged
    assert told in (summary["fault"] or "") and told in ended.stderr
    even = tuple(edge + edge % 2 for edge in size)
    assert [image.shape[:2] for image in _overlay(tmp_path / "out")] == [even] * length


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--mask", "nowhere.png"], "--mask nowhere.png: no such file or folder; expected a mask"),
        (["--mask", "x:first.png"], "first.png: there is no frame 'x'; expected its number"),
        (["--mask", "10:first.png"], "is for frame 10, which is not segmented"),
        (["--mask", "3:first.png", "--every", 2], "from 0 to the end of 10, every 2"),
        (["--mask", "first.png", "--mask", "0:first.png"], "are for the same frame 0"),
        (["--mask", "empty"], "none of the 0 masks in this folder"),
        (["--mask", "small.png"], "mask is 20x10, the frames are 64x48 (width x height)"),
        (["--mask", "nothing.png"], "nothing.png: there is no object in this mask"),
        (["--mask", "first.png", "--mask", "5:small.png"], "small.png: the mask is 20x10"),
        (["--mask", "first.png", "--start", -1], "--start must be 0 or more, got -1"),
        (["--mask", "first.png", "--every", 0], "--every must be 1 or more, got 0"),
        (["--mask", "first.png", "--start", 4, "--end", 4], "--end (4) must be above --start (4)"),
        (["--mask", "first.png", "--start", 10], "has 10 frames, so none from start = 10 on"),
        (["--mask", "first.png", "--fps", 0], "--fps must be 0.01 to 1000, got 0.0"),
        (["--mask", "first.png", "--fps", "inf"], "argument --fps: 'inf' is not finite"),
        (["--mask", "first.png", "--fps", "nan"], "argument --fps: 'nan' is not finite"),
        (["--mask", "first.png", "--output", "first.png"], "cannot write first.png/summary.json"),
        (["--mask", "first.png", "eval.flip=True"], "are for tools/eval.py"),
        (["--mask", "first.png", "--device", "tpu"], "device 'tpu' is not available here"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    demo, clip, mask, tmp_path, monkeypatch, more, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    save_mask(tmp_path / "small.png", np.ones((10, 20)))
    save_mask(tmp_path / "nothing.png", np.zeros(SIZE))
    assert message in demo(clip, *more).error
    assert not (tmp_path / "out").exists()


def test_what_no_frame_can_be_read_of_is_told(demo, frames, mask):
    for path in frames.iterdir():
        path.write_bytes(b"")
    assert "no frame of it can be decoded; the first: " in demo(frames, "--mask", mask).error


def test_a_second_run_replaces_its_own_results_and_no_others(demo, clip, frames, mask, tmp_path):
    out = tmp_path / "out"
    assert len(members(demo(clip, "--mask", mask).archive)) == 10
    (out / "notes.txt").write_text("mine")
    assert len(members(demo(clip, "--mask", mask, "--end", 4).archive)) == 4
    assert _masks(out, "dog") == [f"{i:05d}" for i in range(4)] and len(_overlay(out)) == 4
    assert (out / "notes.txt").read_text() == "mine"
    error = demo(frames, "--mask", mask).error
    assert f"out holds the results of {clip}; choose another --output" in error
    (out / "summary.json").unlink()
    error = demo(clip, "--mask", mask).error
    assert "out holds files that tools/demo.py did not make; choose another --output" in error
    assert len(_overlay(out)) == 4


@pytest.mark.parametrize("source", ["cat", "cat/*.png"])
def test_the_folder_of_the_input_is_no_place_for_results(
    demo, frames, mask, tmp_path, monkeypatch, source
):
    monkeypatch.chdir(tmp_path)
    error = demo(source, "--mask", mask, "--output", "cat").error
    assert "--output cat is the folder of --input; choose another one" in error
    assert len(list(frames.iterdir())) == 10


def test_a_mask_among_the_results_is_not_removed(demo, clip, mask, tmp_path):
    assert demo(clip, "--mask", mask, "--end", 3).archive
    drawn = save_mask(tmp_path / "out/Annotations/dog/00000.png", _square(7))
    for given in (drawn, drawn.parent):
        error = demo(clip, "--mask", given, "--end", 3).error
        assert "Annotations/dog/0000" in error and "copy it to another folder" in error
    assert ids_in(drawn) == {0, 7} and len(members(tmp_path / "out/dog.zip")) == 3


def test_a_pattern_means_its_own_folder(demo, frames, mask, tmp_path, monkeypatch):
    other = tmp_path / "other" / "cat"
    other.mkdir(parents=True)
    Image.fromarray(_pictures(1)[0]).save(other / "a.png")
    for folder, error in ((tmp_path, None), (tmp_path, None), (other.parent, "holds the results")):
        monkeypatch.chdir(folder)
        ended = demo("cat/*.png", "--mask", f"0:{mask}", "--end", 2)
        assert ended.archive if error is None else error in ended.error
    assert len(members(tmp_path / "out/cat.zip")) == 2


def test_what_a_killed_run_left_is_removed(demo, clip, mask, tmp_path):
    assert demo(clip, "--mask", mask, "--end", 2).archive
    (tmp_path / "out/.overlay.1-2.mp4").write_bytes(b"half")
    assert demo(clip, "--mask", mask, "--end", 2).archive
    assert list(tmp_path.glob("out/.*")) == []


def _check_is_stopped(ended: Ended, number: int, out: Path) -> None:
    assert ended.status == 128 + number, ended.stderr
    assert ended.stdout.splitlines() == [str(out / "dog.zip")]
    assert "asked to stop: finishing what is begun" in ended.stderr
    assert "stopped after" in ended.stderr and "Traceback" not in ended.stderr
    done = len(members(out / "dog.zip"))
    assert 5 <= done < 1500
    assert len(_overlay(out)) == len(_masks(out, "dog")) == done
    assert not _summary(out)["finished"] and _summary(out)["frames"] == done
    assert [path for path in out.rglob(".*")] == []


def test_ctrl_c_keeps_a_playable_video_and_a_zip(checkpoint, mask, tmp_path):
    clip = write_clip(tmp_path / "dog.mp4", _pictures(1500), rate=10, sound="aac")
    out = tmp_path / "out"
    options = ["--input", clip, "--mask", mask, "--output", out, *nano(checkpoint)]
    process = start(ROOT / "tools/demo.py", *options, cwd=tmp_path, PYTHONPATH=str(ROOT))
    limit = time.monotonic() + 100
    while len(list(out.glob("Annotations/dog/*.png"))) < 5:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _check_is_stopped(wait(process), signal.SIGINT, out)


def test_sigterm_does_the_same(demo, clip, mask, tmp_path, monkeypatch):
    real, count = command.MaskWriter.write, itertools.count()

    def killed(self, path, ids):
        if next(count) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        real(self, path, ids)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(command.MaskWriter, "write", killed)
    _check_is_stopped(demo(clip, "--mask", mask), signal.SIGTERM, tmp_path / "out")
    assert signal.getsignal(signal.SIGTERM) == before


def test_who_insists_keeps_what_is_done_as_well(demo, clip, mask, tmp_path, monkeypatch):
    real, count = command.MaskWriter.write, itertools.count()

    def killed(self, path, ids):
        if next(count) == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        real(self, path, ids)

    monkeypatch.setattr(RepeatedWish, "ECHO_SECONDS", 0.0)
    monkeypatch.setattr(command.MaskWriter, "write", killed)
    ended = demo(clip, "--mask", mask)
    _check_is_stopped(ended, signal.SIGINT, tmp_path / "out")
    assert "the same command resumes" not in ended.stderr


def test_a_fault_in_mid_run_keeps_what_is_done(demo, frames, mask, tmp_path, monkeypatch):
    real, count = command.MaskWriter.write, itertools.count()

    def full(self, path, ids):
        if next(count) == 6:
            raise OutputError("cannot write the mask: no space")
        real(self, path, ids)

    monkeypatch.setattr(command.MaskWriter, "write", full)
    assert "error: cannot write the mask: no space" in demo(frames, "--mask", mask).error
    out = tmp_path / "out"
    assert len(_overlay(out)) == len(_masks(out, "cat")) == len(members(out / "cat.zip")) == 6
    assert _summary(out)["frames"] == 6


def test_an_overlay_that_cannot_be_written_ends_the_run(demo, frames, mask, tmp_path, monkeypatch):
    def full(self, frame, missing, time):
        raise OutputError("cannot write the overlay: no space")

    monkeypatch.setattr(command.VideoWriter, "write", full)
    assert "error: cannot write the overlay: no space" in demo(frames, "--mask", mask).error
    assert len(members(tmp_path / "out/cat.zip")) >= 1


def test_nothing_to_keep_is_no_second_error(demo, frames, mask, monkeypatch):
    def full(self, path, ids):
        raise OutputError("cannot write the mask: no space")

    monkeypatch.setattr(command.MaskWriter, "write", full)
    assert demo(frames, "--mask", mask).error == "error: cannot write the mask: no space"


class Camera:
    """Twelve pictures, then nothing more; 12 a second."""

    def __init__(self) -> None:
        self.pictures = iter(_pictures(12))

    def isOpened(self) -> bool:
        return True

    def get(self, which: int) -> float:
        return 12.0 if which == cv2.CAP_PROP_FPS else -1.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        picture = next(self.pictures, None)
        return picture is not None, picture

    def release(self) -> None:
        pass


def test_a_camera(demo, mask, tmp_path, monkeypatch):
    monkeypatch.setattr(live_sources, "open_capture", lambda address: Camera())
    monkeypatch.setattr(live_sources, "_ATTEMPTS", 0)
    ended = demo("0", "--mask", mask)
    assert ended.archive == tmp_path / "out/camera0.zip"
    summary = _summary(tmp_path / "out")
    assert summary["frames"] + summary["dropped_frames"] == 12 and summary["finished"]
    assert "camera 0: broke off after 12 frames" in summary["fault"]
    assert summary["input"] == "0"
    with av.open(str(tmp_path / "out/overlay.mp4")) as container:
        stream = container.streams.video[0]  # it takes the time that it took
        first, *_, last = map(int, _masks(tmp_path / "out", "camera0"))
        assert stream.frames == last - first + 1
        assert stream.average_rate == 12


def test_ctrl_c_is_heard_while_a_camera_says_nothing(demo, mask, tmp_path, monkeypatch):
    last, over, ends = tmp_path / "out/Annotations/camera0/00011.png", threading.Event(), []

    class Stalling(Camera):
        def read(self) -> tuple[bool, np.ndarray | None]:
            picture = next(self.pictures, None)
            if picture is None:
                while not last.exists() and not over.wait(0.01):
                    pass
                over.wait(0.3)  # until the next picture is waited for
                os.kill(os.getpid(), signal.SIGINT)
                ends.append(over.wait(5))
            return picture is not None, picture

    monkeypatch.setattr(live_sources, "open_capture", lambda address: Stalling())
    monkeypatch.setattr(live_sources, "_ATTEMPTS", 0)
    monkeypatch.setattr(read_ahead, "_PATIENCE", 0.1)
    ended = demo("0", "--mask", mask)
    assert ends == []
    over.set()
    assert ended.status == 130 and ended.stdout.splitlines() == [str(tmp_path / "out/camera0.zip")]
    assert not _summary(tmp_path / "out")["finished"] and len(_overlay(tmp_path / "out")) >= 1


def test_only_frames_with_objects_count_for_the_speed_of_the_network():
    summary, image, ids = Summary(), np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    for index, (presence, seconds) in enumerate([({}, 0.0), ({}, 0.0), ({1: 0.5}, 0.5)]):
        frame = SourceFrame(index, str(index), image)
        summary.add(Tracked(frame, image, ids, presence, (), None, seconds))
    assert summary.figures()["frames"] == 3 and summary.figures()["network_fps"] == 2


def test_the_password_of_a_stream_is_not_told(demo, mask, tmp_path, monkeypatch):
    monkeypatch.setattr(live_sources, "open_capture", lambda address: Camera())
    monkeypatch.setattr(live_sources, "_ATTEMPTS", 0)
    address = "rtsp://me:sec/ret#@host/door?user=me&password=secret"
    ended = demo(address, "--mask", mask)
    assert ended.archive == tmp_path / "out/door.zip"
    assert "rtsp://host/door?..." in ended.stderr
    assert _summary(tmp_path / "out")["input"] == "rtsp://host/door?..."
    told = ended.stderr + (tmp_path / "out/summary.json").read_text()
    assert "sec" not in told.replace("second", "") and "ret#" not in told
    # what is left out may be the number of another camera
    assert "holds the results of rtsp://host/door?..." in demo(address, "--mask", mask).error


def _not_there(title: str) -> None:
    raise cv2.error(f"no window {title}")


def test_the_preview_shows_every_frame_and_q_ends(demo, frames, mask, tmp_path, monkeypatch):
    shown = []
    keys = itertools.chain([-1] * 3, itertools.repeat(ord("q")))
    monkeypatch.setattr(preview, "_TRIAL", "")
    monkeypatch.setattr(preview.cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(preview.cv2, "imshow", lambda _, image: shown.append(image))
    monkeypatch.setattr(preview.cv2, "waitKey", lambda _: next(keys))
    monkeypatch.setattr(preview.cv2, "getWindowProperty", lambda *_: 1)
    monkeypatch.setattr(preview.cv2, "destroyWindow", _not_there)  # a user may close it
    assert len(members(demo(frames, "--mask", mask, "--preview").archive)) == 4
    assert [image.shape for image in shown] == [(*SIZE, 3)] * 4
    assert not _summary(tmp_path / "out")["finished"]


def test_no_screen_is_told_at_once(demo, frames, mask, tmp_path, monkeypatch):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(preview, "_TRIAL", preview._TRIAL + "; raise SystemExit(1)")  # on a desktop
    error = demo(frames, "--mask", mask, "--preview").error
    assert "--preview: no window can be opened. Without a screen leave it out" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("length", [1, 2, 11, 12, 13, 48, 49, 1000])
def test_the_sheet_is_spread_over_a_video_of_any_length(tmp_path, length):
    thumbnails = Thumbnails()
    image, ids = np.zeros((6, 8, 3), np.uint8), np.zeros((6, 8), np.uint8)
    for number in range(length):
        thumbnails.offer(image, ids, str(number))
    chosen = [thumbnail.number for thumbnail in thumbnails._chosen()]
    assert len(chosen) == min(12, length)
    assert chosen[0] == 0 and chosen[-1] == length - 1
    gaps = np.diff(chosen)
    assert length < 3 or gaps.max() <= 1.5 * gaps.mean() + 1
    assert len(thumbnails._kept) <= 48
    thumbnails.write(tmp_path / "sheet.png")
    assert read_image(tmp_path / "sheet.png").size


def test_help_says_what_happens(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    said = capsys.readouterr().out
    for word in ("--mask", "120:second.png", "contact_sheet.png", "Ctrl-C", "--preview"):
        assert word in said
    logging.getLogger().handlers.clear()
