"""``tools/eval.py`` on a few real frames of every dataset in its own layout, and on own videos."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from eval_tool import copy_files, ids_in, labels, make_video, members, nano, run, save_mask
from PIL import Image
from shared_data import shared

from mavos.demo import command as demo


def frames_and_masks(video: str, frames: str, masks: str, between: str = "") -> list[str]:
    return [
        *(f"JPEGImages/{between}{video}/{name}.jpg" for name in frames.split()),
        *(f"Annotations/{between}{video}/{name}.png" for name in masks.split()),
    ]


def given_ids(path: Path) -> set[int]:
    with Image.open(path) as image:
        return set(np.unique(np.array(image)).tolist())


def packed_ids(archive: Path, size: tuple[int, int]) -> dict[str, set[int]]:
    """Ids of every mask in an archive; all must have ``size`` (H, W)."""
    packed = members(archive)
    assert {labels(png).shape for png in packed.values()} == {size}
    return {name: ids_in(png) for name, png in packed.items()}


@pytest.fixture
def segment(checkpoint, tmp_path):
    """Runs the tool on ``tmp_path/data``; returns the archive."""

    def run_it(dataset: str, *more: object) -> Path:
        given = ["--dataset", dataset, "--data_root", tmp_path / "data"]
        return run(*nano(checkpoint), *given, "--output", tmp_path / "out", *more).archive

    return run_it


def test_davis2016_is_one_object(segment, tmp_path):
    source, target = shared("data", "DAVIS"), tmp_path / "data" / "DAVIS"
    for video in ("blackswan", "dog"):
        copy_files(source, target, *frames_and_masks(video, "00000 00001", "00000 00001", "480p/"))
    (target / "ImageSets/2016").mkdir(parents=True)
    (target / "ImageSets/2016/val.txt").write_text("blackswan\ndog\n")
    ids = packed_ids(segment("davis2016"), (480, 854))
    assert sorted(ids) == [f"{v}/{t:05d}.png" for v in ("blackswan", "dog") for t in range(2)]
    assert ids["dog/00000.png"] == {0, 1}  # 0 and 255 on disk


def test_davis2017_and_the_shape_of_its_archive(segment, tmp_path):
    source, target = shared("data", "DAVIS17"), tmp_path / "data" / "DAVIS17"
    copy_files(
        source, target, *frames_and_masks("composite-3obj", "00000 00001 00002", "00000", "480p/")
    )
    (target / "ImageSets/2017").mkdir(parents=True)
    (target / "ImageSets/2017/val.txt").write_text("composite-3obj\n")
    ids = packed_ids(segment("davis2017"), (480, 854))
    assert sorted(ids) == [f"composite-3obj/{t:05d}.png" for t in range(3)]
    assert ids["composite-3obj/00000.png"] == {0, 1, 2, 3}


@pytest.fixture
def youtubevos(tmp_path) -> Path:
    """The judo clip: objects are given at frames 0, 5, 8 and 13."""
    source, target = shared("data", "YouTubeVOS"), tmp_path / "data" / "YouTubeVOS"
    for part in ("JPEGImages", "Annotations"):
        shutil.copytree(source / "valid" / part / "judo", target / "valid" / part / "judo")
    meta = json.loads((source / "valid/meta.json").read_text())
    judo = {"videos": {"judo": meta["videos"]["judo"]}}
    (target / "valid/meta.json").write_text(json.dumps(judo))
    return target


@pytest.mark.parametrize("dataset", ["youtubevos2018", "youtubevos2019"])
def test_youtubevos_objects_enter_where_they_are_given(youtubevos, segment, dataset):
    archive = segment(dataset)
    ids = packed_ids(archive, (480, 854))
    assert sorted(ids) == [f"Annotations/judo/{t:05d}.png" for t in range(16)]
    packed = members(archive)
    for frame, new in {0: 1, 5: 2, 8: 3, 13: 4}.items():
        name = f"judo/{frame:05d}.png"
        written = labels(packed[f"Annotations/{name}"])
        with Image.open(youtubevos / "valid/Annotations" / name) as image:
            given = np.array(image) == new
        assert (written[given] == new).all()
        earlier = [ids[f"Annotations/judo/{t:05d}.png"] for t in range(frame)]
        assert new not in set().union(*earlier)


def test_youtubevos_all_frames_writes_all_and_packs_the_sparse_ones(youtubevos, segment, tmp_path):
    frames = youtubevos / "valid/JPEGImages/judo"
    shutil.copytree(frames, youtubevos / "valid_all_frames/JPEGImages/judo")
    for path in frames.iterdir():
        if path.stem not in ("00000", "00005", "00008", "00013"):
            path.unlink()
    meta = json.loads((youtubevos / "valid/meta.json").read_text())
    for entry in meta["videos"]["judo"]["objects"].values():
        entry["frames"] = [n for n in entry["frames"] if n in ("00000", "00005", "00008", "00013")]
    (youtubevos / "valid/meta.json").write_text(json.dumps(meta))

    packed = members(segment("youtubevos2019", "--split", "val_all_frames"))
    assert sorted(packed) == [f"Annotations/judo/{t:05d}.png" for t in (0, 5, 8, 13)]
    written = sorted(path.name for path in (tmp_path / "out/Annotations/judo").iterdir())
    assert written == [f"{t:05d}.png" for t in range(16)]


def test_44_objects_run_in_five_groups(segment, tmp_path):
    source, target = shared("data", "YouTubeVOS", "valid"), tmp_path / "data/YouTubeVOS/valid"
    video = "1001_3iEIq5HBY1s"
    copy_files(source, target, *frames_and_masks(video, "00002058 00002063", "00002058"))
    objects = {str(i): {"category": "x", "frames": ["00002058"]} for i in range(1, 45)}
    (target / "meta.json").write_text(json.dumps({"videos": {video: {"objects": objects}}}))
    ids = packed_ids(segment("youtubevos2019"), (1080, 1920))
    assert ids[f"Annotations/{video}/00002058.png"] == set(range(45))
    later = ids[f"Annotations/{video}/00002063.png"]
    assert later <= set(range(45)) and max(later) > 10
    speed = json.loads((tmp_path / "out/speed.json").read_text())
    assert speed["videos"][video]["objects"] == 44


@pytest.mark.parametrize(
    ("split", "folder", "video", "numbers", "size"),
    [
        ("val", "valid", "composite-appear", (1, 6, 81, 86), (480, 854)),
        ("test", "test", "4df42f72c9", (1, 6), (720, 1280)),
    ],
    ids=["val", "test"],
)
def test_lvos(segment, tmp_path, split, folder, video, numbers, size):
    source, target = shared("data", "LVOS", folder), tmp_path / "data/LVOS" / folder
    frames = " ".join(f"{number:08d}" for number in numbers)
    masks = "00000001 00000081" if split == "val" else "00000001"
    copy_files(source, target, *frames_and_masks(video, frames, masks), f"{folder}_meta.json")
    ids = packed_ids(segment("lvos", "--split", split), size)
    assert sorted(ids) == [f"{video}/{name}.png" for name in frames.split()]
    if split == "val":
        assert ids[f"{video}/00000001.png"] == {0, 1, 2}
        assert 3 not in ids[f"{video}/00000006.png"]
        assert 3 in ids[f"{video}/00000081.png"]


def test_longvideo(segment, tmp_path):
    source, target = shared("data", "LongVideo"), tmp_path / "data" / "LongVideo"
    frames = frames_and_masks("car-shadow", "00000 00001", "00000")
    copy_files(source, target, *frames, "val.txt", "ImageSets/val.txt")
    ids = packed_ids(segment("longvideo"), (480, 854))
    assert sorted(ids) == ["car-shadow/00000.png", "car-shadow/00001.png"]
    assert ids["car-shadow/00000.png"] == {0, 1}


def test_generic_folders(checkpoint, tmp_path):
    root = shared("data", "generic")
    given = ["--dataset", "generic", "--data_root", root.parent, "--output", tmp_path / "out"]
    packed = members(run(*nano(checkpoint), *given).archive)
    assert sorted(packed) == [f"bike/{t:05d}.png" for t in range(4)]
    assert ids_in(packed["bike/00000.png"]) == given_ids(root / "masks/bike/00000.png")


# --- one's own video


@pytest.fixture
def own(checkpoint, tmp_path):
    def run_it(source: Path, mask: Path, *more: object):
        given = ["--input", source, "--mask", mask, "--output", tmp_path / "out", *more]
        return run(*nano(checkpoint), *given)

    return run_it


def test_own_frames_with_a_mask_file(own, tmp_path):
    make_video(tmp_path, "clip.v2", 3, ids=(4, 200))
    mask = tmp_path / "Annotations/clip.v2/00000.png"
    packed = members(own(tmp_path / "JPEGImages/clip.v2", mask).archive)
    assert sorted(packed) == [f"clip.v2/{t:05d}.png" for t in range(3)]
    assert (labels(packed["clip.v2/00000.png"]) == labels(mask)).all()


def test_a_mask_named_like_a_frame_is_given_there(own, tmp_path):
    make_video(tmp_path, "clip", 4, ids=(4,))
    mask = tmp_path / "00002.png"
    (tmp_path / "Annotations/clip/00000.png").rename(mask)
    packed = members(own(tmp_path / "JPEGImages/clip", mask).archive)
    assert [ids_in(packed[f"clip/{t:05d}.png"]) for t in range(3)] == [{0}, {0}, {0, 4}]


def test_own_frames_with_a_folder_of_masks(own, tmp_path):
    make_video(tmp_path, "clip", 4, ids=(4,))
    masks = tmp_path / "Annotations/clip"
    later = np.zeros((48, 72))
    later[40:46, 60:70] = 9
    save_mask(masks / "00002.png", later)
    packed = members(own(tmp_path / "JPEGImages/clip", masks).archive)
    ids = [ids_in(packed[f"clip/{t:05d}.png"]) for t in range(4)]
    assert ids[0] == {0, 4} and 9 not in ids[1] and 9 in ids[2] and ids[3] <= {0, 4, 9}


def test_own_video_file(own, tmp_path):
    video = shared("data", "bad", "videos", "good_20_frames_428x240.mp4")
    mask = shared("data", "bad", "masks", "good_palette_ids_1_2.png")
    ended = own(video, mask)
    ids = packed_ids(ended.archive, (240, 428))
    assert sorted(ids) == [f"{video.stem}/{t:05d}.png" for t in range(20)]
    assert ids[f"{video.stem}/00000.png"] == {0, 1, 2}
    other = shared("data", "bad", "masks", "full_all_one.png")
    assert ids_in(members(own(video, other).archive)[f"{video.stem}/00000.png"]) == {1}


def test_an_own_video_is_done_as_the_demo_does_it(own, checkpoint, tmp_path):
    make_video(tmp_path, "clip", 3, ids=(4, 200))
    given = (tmp_path / "JPEGImages/clip", tmp_path / "Annotations/clip/00000.png")
    archive = members(own(*given).archive)
    options = ["--input", given[0], "--mask", given[1], "--output", tmp_path / "demo"]
    assert members(run(*nano(checkpoint), *options, main=demo.main).archive) == archive
    names = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
