"""Listing what can be learned from: datasets by name, own folders, and what is refused."""

import json
import logging
import shutil
from pathlib import Path

import pytest
from shared_data import shared
from train_data import save_video

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.listings.train_datasets import TRAIN_DATASETS, clip_sources, list_train
from mavos.utils.errors import UserError


def make_davis(root: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    for name in names:
        save_video(root, f"480p/{name}")
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "train.txt").write_text("\n".join(names))
    return root


def make_static(root: Path) -> Path:
    for part in ("ECSSD", "COCO"):
        save_video(root, part, length=3)
    return root


def make_youtubevos(root: Path, frames: dict[str, list[str]]) -> Path:
    save_video(root / "train", "v")
    objects = {key: {"category": "x", "frames": names} for key, names in frames.items()}
    (root / "train" / "meta.json").write_text(json.dumps({"videos": {"v": {"objects": objects}}}))
    return root


def summary(name: str, data_root: Path) -> tuple[str, dict[str, int], int, int]:
    source = list_train(name, data_root)
    for video in source.videos:
        assert [path.stem for path in video.frames] == [path.stem for path in video.masks]
    lengths = {video.name: len(video.frames) for video in source.videos}
    return source.name, lengths, source.max_gap, source.repeats


def test_davis_by_name_alias_and_repeats(tmp_path):
    make_davis(tmp_path / "DAVIS")
    lengths = {"davis2017/a": 6, "davis2017/b": 6}
    assert summary("davis2017", tmp_path) == ("davis2017", lengths, 12, 1)
    assert summary("DAVIS17*5", tmp_path) == ("davis2017", lengths, 12, 5)
    # the folder itself as own data: its layout is recognised
    assert summary(str(tmp_path / "DAVIS"), tmp_path)[2] == 12
    assert summary("DAVIS/", tmp_path)[:2] == ("DAVIS", {"DAVIS/a": 6, "DAVIS/b": 6})


def test_static_takes_the_sets_that_are_there(tmp_path, caplog):
    make_static(tmp_path / "Static")
    with caplog.at_level(logging.INFO):
        name, lengths, _, _ = summary("static", tmp_path)
    assert name == "static"
    assert set(lengths.values()) == {1} and len(lengths) == 6
    assert "static/COCO/00000" in lengths and "static/ECSSD/00002" in lengths
    assert "MSRA10K, PASCAL-S, PASCALVOC2012" in caplog.text


def test_youtubevos_follows_the_meta_file(tmp_path):
    make_youtubevos(tmp_path / "YTB" / "2019", {"1": ["00000", "00003"], "2": ["00003", "00005"]})
    source = list_train("youtubevos", tmp_path)
    assert (source.name, source.max_gap) == ("youtubevos2019", 3)
    assert [path.stem for path in source.videos[0].frames] == ["00000", "00003", "00005"]
    (tmp_path / "YTB" / "2019" / "train" / "meta.json").unlink()
    assert summary("youtubevos2019", tmp_path)[1] == {"youtubevos2019/v": 6}


def test_youtubevos_meta_frame_without_picture(tmp_path):
    root = make_youtubevos(tmp_path / "YTB" / "2018", {"1": ["00000", "00010", "00011"]})
    with pytest.raises(UserError, match=r"meta.json: videos/v: frame '00010' .*\(2 frames"):
        list_train("youtubevos2018", tmp_path)
    shutil.rmtree(root / "train" / "JPEGImages" / "v")
    with pytest.raises(UserError, match="'v' has no folder"):
        list_train("youtubevos2018", tmp_path)


@pytest.mark.parametrize("name", ["lvos", "lvos_v2", "mose"])
@pytest.mark.parametrize("folder", ["train", "train_480p"])
def test_datasets_of_folders(tmp_path, name, folder):
    save_video(tmp_path / TRAIN_DATASETS[name].folders[0] / folder, "v")
    assert summary(name, tmp_path) == (name, {f"{name}/v": 6}, 12, 1)


def test_own_folder_leaves_out_frames_without_a_mask(tmp_path, caplog):
    save_video(tmp_path / "mine", "v")
    save_video(tmp_path / "mine", "w")
    (tmp_path / "mine" / "Annotations" / "v" / "00003.png").unlink()
    shutil.rmtree(tmp_path / "mine" / "Annotations" / "w")
    with caplog.at_level(logging.INFO):
        assert summary("mine*2", tmp_path) == ("mine", {"mine/v": 5}, 5, 2)
    assert caplog.text.count("7 frames have no mask and are left out") == 1


def test_own_folder_without_any_mask(tmp_path):
    save_video(tmp_path / "mine", "v")
    shutil.rmtree(tmp_path / "mine" / "Annotations")
    with pytest.raises(UserError, match=r"mine: no video with a mask"):
        list_train("mine", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no folder of frames in it; expected JPEGImages"):
        list_train("empty", tmp_path)


@pytest.mark.parametrize("name", ["davis2017", "static"])
def test_missing_mask_in_an_official_dataset(tmp_path, name):
    make_davis(tmp_path / "DAVIS2017")
    make_static(tmp_path / "static")
    root = tmp_path / ("DAVIS2017" if name == "davis2017" else "static")
    for mask in sorted(root.glob("Annotations/*/**/*.png"))[:4]:
        mask.unlink()
    with pytest.raises(UserError, match=r"00000.png: no mask .* 4 pictures .*, \.\.\.\)\. Compl"):
        list_train(name, tmp_path)


@pytest.mark.parametrize("name", list(TRAIN_DATASETS))
def test_missing_dataset_names_places_and_layout(tmp_path, name):
    with pytest.raises(UserError) as told:
        list_train(name, tmp_path)
    assert str(tmp_path / TRAIN_DATASETS[name].folders[0]) in str(told.value)
    assert TRAIN_DATASETS[name].layout in str(told.value)


def test_listed_video_without_folder(tmp_path):
    make_davis(tmp_path / "DAVIS")
    (tmp_path / "DAVIS" / "ImageSets" / "2017" / "train.txt").write_text("a\nzebra\n")
    with pytest.raises(UserError, match=r"train.txt, line 2: 'zebra' has no folder"):
        list_train("davis2017", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("davs2017", "unknown training dataset 'davs2017'; did you mean davis2017.*own data"),
        ("davis2017*many", r"'davis2017\*many' does not end in a number"),
        ("davis2017*0", "number of repeats"),
    ],
)
def test_wrong_names(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        list_train(name, tmp_path)


def test_sources_of_a_run_keep_their_order(tmp_path):
    make_davis(tmp_path / "DAVIS")
    make_static(tmp_path / "Static")
    train = TrainConfig(datasets=("static", "davis2017*3"))
    found = clip_sources(train, tmp_path)
    assert [(source.name, source.repeats) for source in found] == [("static", 1), ("davis2017", 3)]


def test_real_layout_of_davis(tmp_path):
    frames = shared("data", "DAVIS", "JPEGImages", "480p")
    masks = shared("data", "DAVIS17", "Annotations", "480p")
    root = tmp_path / "DAVIS"
    for kind, folder in (("JPEGImages", frames), ("Annotations", masks)):
        (root / kind).mkdir(parents=True)
        (root / kind / "480p").symlink_to(folder)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "train.txt").write_text("dog\nparkour\n")
    assert summary("davis2017", tmp_path)[1] == {"davis2017/dog": 60, "davis2017/parkour": 100}
