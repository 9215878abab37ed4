"""Damaged or unusual video files, lists and meta files of the shared data, through the tool."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from eval_tool import (
    check_told,
    copy_files,
    ids_in,
    labels,
    make_video,
    members,
    nano,
    run,
    save_mask,
)
from shared_data import shared


@pytest.fixture
def own_video(checkpoint, tmp_path):
    """Runs the tool on one of the bad video files; the mask covers the left half."""

    def run_it(name: str, size: tuple[int, int] = (240, 428)):
        mask = np.zeros(size)
        mask[:, : size[1] // 2] = 6
        given = ["--input", shared("data", "bad", "videos", name)]
        given += ["--mask", save_mask(tmp_path / "mask.png", mask), "--output", tmp_path / "out"]
        return run(*nano(checkpoint), *given)

    return run_it


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
def test_unusual_video_files_are_segmented(own_video, name, length, size):
    packed = members(own_video(name, size).archive)
    assert sorted(packed) == [f"{Path(name).stem}/{t:05d}.png" for t in range(length)]
    assert {labels(png).shape for png in packed.values()} == {size}
    assert set.union(*map(ids_in, packed.values())) == {0, 6}


@pytest.mark.parametrize("name", ["empty.mp4", "text_not_video.mp4", "truncated_index_missing.mp4"])
def test_files_that_are_no_video_are_told(own_video, name):
    error = own_video(name).error
    assert f"{name}: cannot be opened as a video" in error and "ffmpeg" in error


def test_a_cut_video_keeps_the_frames_there_are(own_video):
    ended = own_video("truncated_index_present.mp4", (720, 1280))
    assert "truncated_index_present.mp4: only 40 of 287 announced frames" in ended.stderr
    names = [f"truncated_index_present/{t:05d}.png" for t in range(40)]
    assert sorted(members(ended.archive)) == names


def davis_root(tmp_path: Path, name: str) -> Path:
    """Two frames of two sequences, and the list file of a bad root."""
    root = shutil.copytree(shared("data", "bad", "roots", name), tmp_path / "DAVIS2017")
    for video in ("blackswan", "dog"):
        names = [f"JPEGImages/480p/{video}/0000{t}.jpg" for t in range(2)]
        names.append(f"Annotations/480p/{video}/00000.png")
        copy_files(shared("data", "DAVIS"), root, *names)
    return root


def test_a_list_with_blanks_and_crlf_is_read(checkpoint, tmp_path):
    root = davis_root(tmp_path, "list_with_blank_and_crlf")
    given = ["--dataset", "davis2017", "--data_root", root, "--output", tmp_path / "out"]
    packed = members(run(*nano(checkpoint), *given).archive)
    assert sorted(packed) == [f"{v}/0000{t}.png" for v in ("blackswan", "dog") for t in range(2)]


def test_a_listed_sequence_that_is_missing_is_told_with_its_line(checkpoint, tmp_path):
    root = davis_root(tmp_path, "list_names_missing_sequence")
    given = ["--dataset", "davis2017", "--data_root", root, "--output", tmp_path / "out"]
    error = run(*nano(checkpoint), *given).error
    check_told("no-such-sequence", "remove the entry", "val.txt, line 2", error)
    assert len(list((tmp_path / "out/Annotations/blackswan").iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("meta_truncated.json", r"meta\.json as JSON: .*download it again"),
        ("meta_no_videos.json", r"meta\.json: no 'videos' there. Download the file again"),
        ("meta_missing_frame.json", r"one_frame: .*frame '00005' does not exist .*correct"),
        ("meta_object_not_in_mask.json", r"one_frame: .*no pixel of object 7, which .*meta\.json"),
    ],
)
def test_bad_meta_files_are_told(checkpoint, tmp_path, name, message):
    valid, sequences = tmp_path / "YouTubeVOS" / "valid", shared("data", "bad", "sequences")
    copy_files(
        sequences, valid, "JPEGImages/one_frame/00000.jpg", "Annotations/one_frame/00000.png"
    )
    make_video(valid, "good", 2)
    text = shared("data", "bad", "roots", "bad_meta", name).read_text()
    is_whole = name not in ("meta_truncated.json", "meta_no_videos.json")
    if is_whole:
        meta = json.loads(text)
        meta["videos"]["good"] = {"objects": {"1": {"frames": ["00000", "00001"]}}}
        text = json.dumps(meta)
    (valid / "meta.json").write_text(text)
    given = ["--dataset", "youtubevos2019", "--data_root", tmp_path, "--output", tmp_path / "out"]
    error = run(*nano(checkpoint), *given).error
    assert re.search(message, error)
    assert (tmp_path / "out/finished/good.json").is_file() == is_whole
