"""Reading videos: order, look-ahead, given masks, identities, and every damaged sequence."""

import contextlib
import re
import struct
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from media import write_clip
from shared_data import shared

from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.listings.eval_datasets import list_videos
from mavos.dataloaders.listings.eval_videos import single_video
from mavos.dataloaders.media import video_files
from mavos.dataloaders.media.file_kinds import count_frames
from mavos.dataloaders.media.images import read_image
from mavos.dataloaders.media.video_files import VideoFile
from mavos.dataloaders.media.video_reader import VideoReader
from mavos.dataloaders.types import Frame, IdMap, Video
from mavos.utils.errors import UserError

INPUT = InputRule(16, 1, max_long_edge=160.0)


def bad_sequence(name: str) -> Video:
    videos = list_videos("generic", None, shared("data", "bad", "sequences"))
    return next(video for video in videos if video.name == name)


def read(video: Video) -> tuple[list[Frame], str]:
    """Frames delivered, and the message of the error that ended them, or ""."""
    frames: list[Frame] = []
    try:
        frames.extend(VideoReader(video, INPUT))
    except UserError as error:
        return frames, str(error)
    return frames, ""


def given(frames: list[Frame]) -> dict[str, list[int]]:
    """Frame name -> identities given there."""
    return {
        frame.name: torch.unique(frame.mask).tolist() for frame in frames if frame.mask is not None
    }


@pytest.mark.parametrize(
    ("name", "length", "masks"),
    [
        ("missing_first_mask", 5, {"00003": [0, 1]}),
        ("non_image_files", 5, {"00000": [0, 1]}),
        ("séquence 東京 (1)", 3, {"frame 0 é": [0, 1]}),
        ("one_frame", 1, {"00000": [0, 1]}),
        ("gap_in_numbers", 5, {"00000": [0, 1]}),
        ("unpadded_numbers", 12, {"0": [0, 1]}),
        ("uppercase_ext", 3, {"00000": [0, 1]}),
        ("mixed_jpg_png", 4, {"00000": [0, 1]}),
        ("grey_frame_mid", 5, {"00000": [0, 1]}),
        ("object_appears_later", 6, {"00000": [0, 1], "00003": [0, 2]}),
        ("new_object_same_id", 6, {"00000": [0, 1], "00003": [0, 1]}),
    ],
)
def test_unusual_sequences_are_read(name: str, length: int, masks: dict[str, list[int]]) -> None:
    video = bad_sequence(name)
    frames, error = read(video)
    assert error == ""
    assert len(frames) == video.length == length
    assert [frame.name for frame in frames] == video.frame_names()
    assert given(frames) == masks
    for frame in frames:
        assert frame.size == (240, 428) and frame.image.shape == (3, 97, 161)
        assert frame.mask is None or (frame.mask.shape, frame.mask.dtype) == (
            (240, 428),
            torch.uint8,
        )


@pytest.mark.parametrize(
    ("name", "delivered", "message"),
    [
        ("size_change_mid", 2, r"frame '00002' is 320x180, but frame '00000' is 428x240"),
        ("no_masks_at_all", 0, "no mask is given"),
        ("empty_first_mask", 0, "no given mask holds an object.*00000.png"),
        ("mask_without_frame", 0, "00002.png.*no frame '00002'"),
        ("truncated_frame_mid", 2, "00002.jpg: not a complete picture"),
        ("zero_byte_frame_mid", 2, "00002.jpg: the file is empty"),
        ("duplicate_stem", 0, r"00001\.png and 00001\.jpg"),
        ("judo_mask_one_column_short", 1, "00005.png: mask is 853x480, its frame 854x480"),
    ],
)
def test_bad_sequences_deliver_what_is_good_and_then_say_what_is_not(
    name: str, delivered: int, message: str
) -> None:
    frames, error = read(bad_sequence(name))
    assert len(frames) == delivered
    assert re.search(message, error)


def test_every_bad_sequence_has_a_test() -> None:
    assert len(list_videos("generic", None, shared("data", "bad", "sequences"))) == 19


def test_frames_hold_the_normalised_picture_and_ids_come_back() -> None:
    video = next(
        v for v in list_videos("lvos", None, shared("data")) if v.name == "composite-appear"
    )
    reader = VideoReader(video, InputRule(16, 1, max_long_edge=1040.0))
    frames = list(reader)
    assert torch.equal(frames[7].image, INPUT.prepare(read_image(video.frames[7]), (481, 849)))
    assert reader.ids.ids == [1, 2, 3]
    assert given(frames) == {"00000001": [0, 1, 2], "00000081": [0, 3]}


def test_several_scales_give_a_list() -> None:
    video = bad_sequence("one_frame")
    sizes = InputRule(16, 0, scales=(0.5, 1.0))
    (frame,) = VideoReader(video, sizes)
    assert [tuple(image.shape) for image in frame.image] == [(3, 128, 208), (3, 240, 432)]


def test_reading_twice_gives_the_same() -> None:
    reader = VideoReader(bad_sequence("object_appears_later"), INPUT)
    assert given(list(reader)) == given(list(reader))


def test_few_frames_wait_ahead_and_leaving_early_stops_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    video = bad_sequence("unpadded_numbers")
    asked: list[str] = []

    def recording_read(path: Path, bits: int | None) -> np.ndarray:
        asked.append(path.stem)
        return read_image(path, bits)

    monkeypatch.setattr("mavos.dataloaders.media.video_reader.read_image", recording_read)
    before = threading.active_count()
    frames = iter(VideoReader(video, INPUT, ahead=3))
    next(frames)
    assert threading.active_count() > before
    frames.close()
    assert threading.active_count() == before
    assert len(asked) <= 4

    with pytest.raises(RuntimeError):
        for _ in VideoReader(video, INPUT):
            raise RuntimeError("the consumer failed")
    assert threading.active_count() == before


def test_pictures_are_pinned_by_the_threads_that_load_them(monkeypatch: pytest.MonkeyPatch) -> None:
    empty, where = torch.empty, []

    def pretended(*args, pin_memory: bool, **options) -> torch.Tensor:
        assert pin_memory
        where.append(threading.current_thread())
        return empty(*args, **options)

    video = bad_sequence("one_frame")
    sizes = InputRule(16, 0, scales=(0.5, 1.0))
    (expected,) = VideoReader(video, sizes)
    assert not where
    monkeypatch.setattr("mavos.dataloaders.media.video_reader.torch.empty", pretended)
    (frame,) = VideoReader(video, sizes, pin=True)
    assert len(where) == 2 and threading.main_thread() not in where
    assert all(torch.equal(a, b) for a, b in zip(frame.image, expected.image, strict=True))


def test_an_id_that_is_announced_but_absent_is_refused() -> None:
    video = replace(bad_sequence("one_frame"), given={"00000": frozenset({1, 7})})
    frames, error = read(video)
    assert not frames and "00000.png" in error and "object 7" in error


def test_only_the_given_ids_of_a_mask_are_used() -> None:
    masks = shared("data", "bad", "masks")
    video = Video(
        "swan",
        (masks / "frame.jpg",),
        {"frame": masks / "ids_1_5_255.png"},
        given={"frame": frozenset({5})},
    )
    reader = VideoReader(video, INPUT)
    (frame,) = reader
    assert given([frame]) == {"frame": [0, 1, 255]}
    assert reader.ids.ids == [5]


@pytest.mark.parametrize("name", ["other_size_214x120.png", "transposed_240x428.png"])
def test_a_mask_of_another_size_is_refused_with_both_sizes(name: str) -> None:
    masks = shared("data", "bad", "masks")
    frames, error = read(Video("swan", (masks / "frame.jpg",), {"frame": masks / name}))
    assert not frames and name in error and "its frame 428x240" in error


def test_id_map_numbers_by_first_appearance_and_restores() -> None:
    ids = IdMap()
    first = np.array([[0, 9, 4, 255]], np.uint8)
    assert ids.to_identities(first).tolist() == [[0, 2, 1, 255]]
    assert ids.to_identities(np.array([[2, 9]], np.uint8)).tolist() == [[3, 2]]
    assert ids.ids == [4, 9, 2]
    restored = ids.restore(np.array([[0, 1, 2, 3, 255]]))
    assert restored.dtype == np.uint8 and restored.tolist() == [[0, 4, 9, 2, 255]]
    with pytest.raises(IndexError):
        ids.restore(np.array([[4]]))


# --- video files


def swan_mask(tmp_path: Path, size: tuple[int, int]) -> Path:
    labels = np.zeros(size, np.uint8)
    labels[10:60, 10:60] = 1
    np.save(tmp_path / "mask.npy", labels)
    return tmp_path / "mask.npy"


@pytest.mark.parametrize(
    ("name", "length", "size"),
    [
        ("good_20_frames_428x240.mp4", 20, (240, 428)),
        ("damaged_middle.mp4", 20, (240, 428)),
        ("one_frame.mp4", 1, (240, 428)),
        ("odd_size_427x239_yuv444.mp4", 8, (239, 427)),
        ("mpeg4_codec.avi", 8, (240, 428)),
    ],
)
def test_video_files_are_read(
    name: str, length: int, size: tuple[int, int], tmp_path: Path
) -> None:
    video = single_video(shared("data", "bad", "videos", name), swan_mask(tmp_path, size))
    frames, error = read(video)
    assert error == ""
    assert [frame.name for frame in frames] == video.frame_names()
    assert len(frames) == video.length == length
    assert {frame.size for frame in frames} == {size}
    assert given(frames) == {"00000": [0, 1]}


@pytest.mark.parametrize("name", ["coffee.mp4", "blocks.mp4"])
def test_good_videos_announce_their_frames_exactly(name: str) -> None:
    with contextlib.closing(VideoFile(shared("data", "videos", name))) as video:
        assert sum(1 for _ in video.moments()) == video.announced


@pytest.mark.parametrize("name", ["empty.mp4", "text_not_video.mp4", "truncated_index_missing.mp4"])
def test_files_that_are_no_video_are_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{name}: cannot be opened"):
        single_video(shared("data", "bad", "videos", name), swan_mask(tmp_path, (240, 428)))


def test_a_cut_video_delivers_what_is_there_and_then_says_how_much_is_missing(
    tmp_path: Path,
) -> None:
    path = shared("data", "bad", "videos", "truncated_index_present.mp4")
    frames, error = read(single_video(path, swan_mask(tmp_path, (720, 1280))))
    assert len(frames) == 40
    assert "only 40 of 287" in error and path.name in error


def test_every_bad_video_has_a_test() -> None:
    assert len(list(shared("data", "bad", "videos").iterdir())) == 9


def test_a_phone_video_is_turned_upright(tmp_path: Path) -> None:
    data = bytearray(shared("data", "bad", "videos", "good_20_frames_428x240.mp4").read_bytes())
    matrix = data.index(b"tkhd") + 44  # a quarter turn in the header of the track
    data[matrix : matrix + 36] = struct.pack(
        ">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 240 << 16, 0, 1 << 30
    )
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(data)
    frames, error = read(single_video(turned, swan_mask(tmp_path, (428, 240))))
    assert error == "" and frames[0].size == (428, 240)


@pytest.mark.parametrize(
    ("announced", "frames", "is_good"),
    [
        (20, 18, True),
        (20, 17, False),
        (1000, 980, True),
        (1000, 979, False),
        (20, 25, True),
        (0, 20, True),
        (20, 0, False),
        (0, 0, False),
    ],
)
def test_announced_counts_may_be_off_by_a_little(
    announced: int, frames: int, is_good: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    video = VideoFile(write_clip(tmp_path / "a.mp4", length=1))
    video.announced = announced
    moment = next(video.moments())
    monkeypatch.setattr(VideoFile, "moments", lambda _: (moment for _ in range(frames)))
    for _ in range(frames):
        assert video.read() is not None
    if is_good:
        assert video.read() is None
    else:
        with pytest.raises(UserError, match=f"only {frames} of {announced}"):
            video.read()
    assert video.read() is None
    video.close()


def test_frames_are_counted_where_they_are_not_announced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "a.mkv", length=7)
    assert VideoFile(path).announced == 7  # its packets are counted
    monkeypatch.setattr(video_files, "_survey", lambda *_: video_files.Survey(0, None))
    assert count_frames(path) == 7  # its frames are
