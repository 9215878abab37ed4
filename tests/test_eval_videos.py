"""Listing datasets: names, given masks, splits, and messages for what is missing."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared_data import shared

from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.listings.eval_datasets import EVAL_DATASETS, list_videos
from mavos.dataloaders.listings.eval_videos import single_video
from mavos.dataloaders.media.video_reader import VideoReader
from mavos.dataloaders.types import Video
from mavos.utils.errors import UserError

INPUT = InputRule(16, 1, max_long_edge=160.0)


def given_masks(video: Video) -> dict[str, list[int] | None]:
    """Frame name -> ids used there, None for all."""
    return {
        name: None if video.given is None else sorted(video.given[name]) for name in video.masks
    }


def summary(videos: list[Video]) -> dict[str, tuple[int, dict[str, list[int] | None]]]:
    assert all(video.error is None for video in videos)
    return {video.name: (video.length, given_masks(video)) for video in videos}


FIRST = {"00000": None}


@pytest.mark.parametrize(
    ("dataset", "split", "expected"),
    [
        (
            "davis2016",
            None,
            {
                "blackswan": (50, FIRST),
                "bmx-trees": (80, FIRST),
                "car-shadow": (40, FIRST),
                "dance-twirl": (90, FIRST),
                "dog": (60, FIRST),
                "parkour": (100, FIRST),
            },
        ),
        (
            "davis2017",
            "val",
            {"car-shadow": (40, FIRST), "composite-3obj": (40, FIRST), "dog": (60, FIRST)},
        ),
        (
            "youtubevos2019",
            None,
            {
                "1001_3iEIq5HBY1s": (6, {"00002058": list(range(1, 45))}),
                "1007_YCTBBdbKSSg": (7, {"00000693": list(range(1, 44))}),
                "19904980af": (19, {"00000": [1, 2, 3]}),
                "4df42f72c9": (29, {"00000": [1]}),
                "judo": (16, {"00000": [1], "00005": [2], "00008": [3], "00013": [4]}),
            },
        ),
        ("lvos", None, {"composite-appear": (40, {"00000001": [1, 2], "00000081": [3]})}),
        ("lvos", "test", {"4df42f72c9": (20, {"00000001": [1]})}),
        ("longvideo", None, {"car-shadow": (40, FIRST)}),
        ("LTV", "val", {"car-shadow": (40, FIRST)}),
        ("generic", None, {"bike": (4, FIRST)}),
    ],
)
def test_real_layouts(dataset: str, split: str | None, expected: dict) -> None:
    videos = list_videos(dataset, split, shared("data"))
    assert summary(videos) == expected
    assert all(video.single_object == (dataset == "davis2016") for video in videos)
    for video in videos:
        first = next(iter(VideoReader(video, INPUT)))
        assert first.mask is not None


def test_the_root_of_a_dataset_may_be_named_itself() -> None:
    direct = list_videos("lvos", None, shared("data", "LVOS"))
    assert direct == list_videos("lvos", None, shared("data"))


def test_davis_2016_takes_all_objects_for_one() -> None:
    videos = list_videos("davis2016", None, shared("data", "DAVIS17"))
    reader = VideoReader(videos[0], INPUT)
    assert [video.name for video in videos] == ["car-shadow", "dog"]
    assert set(np.unique(next(iter(reader)).mask).tolist()) == {0, 1}


@pytest.fixture
def make_data(tmp_path: Path):
    """Writes 8x8 pictures: frames at ``paths`` (.jpg) and masks (.png) whose ids are in ``ids``."""

    def make(*paths: str, ids: tuple[int, ...] = (1, 2)) -> Path:
        labels = np.zeros((8, 8), np.uint8)
        for i, value in enumerate(ids):
            labels[2 * i : 2 * i + 2] = value
        for name in paths:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".txt", ".json"):
                path.write_text("")
            else:
                Image.fromarray(labels).save(path)
        return tmp_path

    return make


def test_davis_merges_ids_when_asked_for_2016(make_data) -> None:
    root = make_data(
        "JPEGImages/480p/a/0.jpg", "Annotations/480p/a/0.png", "ImageSets/2016/val.txt"
    )
    (root / "ImageSets/2016/val.txt").write_text("a\n")
    (video,) = list_videos("davis2016", None, root)
    (frame,) = VideoReader(video, INPUT)
    assert frame.mask.unique().tolist() == [0, 1]


def test_davis_2016_reads_the_list_of_picture_pairs(make_data) -> None:
    root = make_data(
        "JPEGImages/480p/a/0.jpg",
        "JPEGImages/480p/a/1.jpg",
        "Annotations/480p/a/0.png",
        "ImageSets/480p/val.txt",
    )
    line = "/JPEGImages/480p/a/{0}.jpg /Annotations/480p/a/{0}.png \r\n"
    (root / "ImageSets/480p/val.txt").write_text(line.format(0) + line.format(1))
    assert summary(list_videos("davis2016", None, root)) == {"a": (2, {"0": None})}


@pytest.mark.parametrize("split", ["val_full", "test-dev_full"])
def test_davis_at_full_resolution(split: str, make_data) -> None:
    names = f"ImageSets/2017/{split.removesuffix('_full')}.txt"
    full = "{}/Full-Resolution/a/00000.{}"
    root = make_data(full.format("JPEGImages", "jpg"), full.format("Annotations", "png"), names)
    (root / names).write_text("a")
    (video,) = list_videos("davis2017", split, root)
    assert "Full-Resolution" in str(video.frames[0]) and "Full-Resolution" in str(video.masks)


def test_a_missing_first_mask_is_an_error_of_that_video_only(make_data) -> None:
    base = "{}/480p/{}/0000{}.{}"
    root = make_data(
        base.format("JPEGImages", "a", 0, "jpg"),
        base.format("JPEGImages", "a", 1, "jpg"),
        base.format("Annotations", "a", 1, "png"),
        base.format("JPEGImages", "b", 0, "jpg"),
        base.format("Annotations", "b", 0, "png"),
        "ImageSets/2017/val.txt",
    )
    (root / "ImageSets/2017/val.txt").write_text("a\nb\n")
    bad, good = list_videos("davis2017", None, root)
    assert "00000.png: no such file" in bad.error and good.error is None
    with pytest.raises(UserError, match="first frame"):
        next(iter(VideoReader(bad, INPUT)))


def youtubevos(make_data, meta: dict | str, *paths: str) -> Path:
    base = ("valid/JPEGImages/a/00000.jpg", "valid/JPEGImages/a/00005.jpg")
    root = make_data(*base, "valid/Annotations/a/00000.png", *paths)
    text = meta if isinstance(meta, str) else json.dumps(meta)
    (root / "valid" / "meta.json").write_text(text)
    return root


GOOD_META = {"videos": {"a": {"objects": {"1": {"frames": ["00000", "00005"]}}}}}


@pytest.mark.parametrize("folder", ["valid_all_frames", "all_frames/valid_all_frames"])
def test_all_frames_of_youtubevos_know_the_sparse_ones(folder: str, make_data) -> None:
    frames = [f"{folder}/JPEGImages/a/0000{i}.jpg" for i in range(6)]
    root = youtubevos(make_data, GOOD_META, *frames)
    (video,) = list_videos("youtubevos2018", "val_all_frames", root)
    assert video.length == 6 and video.sparse == {"00000", "00005"}
    for path in (root / "valid/JPEGImages/a").iterdir():
        path.unlink()
    (root / "valid/JPEGImages/a").rmdir()
    (again,) = list_videos("youtubevos2018", "val_all_frames", root)
    assert again.sparse == {"00000", "00005"}  # from the meta file


@pytest.mark.parametrize("folder", ["YTB/2018", "YouTubeVOS/2018", "YouTubeVOS2018", "YouTubeVOS"])
def test_names_of_the_youtubevos_root(folder: str, make_data, tmp_path: Path) -> None:
    frame, mask = "valid/JPEGImages/a/00000.jpg", "valid/Annotations/a/00000.png"
    make_data(f"{folder}/{frame}", f"{folder}/{mask}")
    meta = {"videos": {"a": {"objects": {"2": {"frames": ["00000"]}}}}}
    (tmp_path / folder / "valid/meta.json").write_text(json.dumps(meta))
    assert summary(list_videos("youtubevos2018", None, tmp_path)) == {"a": (1, {"00000": [2]})}


def bad_meta(name: str, tmp_path: Path) -> Path:
    """A YouTube-VOS root around the sequence "one_frame" and one of the shared meta files."""
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / "valid" / kind).mkdir(parents=True)
        target = shared("data", "bad", "sequences", kind, "one_frame")
        (tmp_path / "valid" / kind / "one_frame").symlink_to(target)
    text = shared("data", "bad", "roots", "bad_meta", name).read_text()
    (tmp_path / "valid" / "meta.json").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("meta_truncated.json", r"meta\.json as JSON: .*download it again"),
        ("meta_no_videos.json", r"meta\.json: no 'videos'"),
    ],
)
def test_a_broken_meta_file_stops_the_listing(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        list_videos("youtubevos2019", None, bad_meta(name, tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("meta_missing_frame.json", r"meta\.json.*objects/1/frames.*'00005' does not exist"),
        ("meta_object_not_in_mask.json", r"00000\.png.*object 7.*meta\.json: videos/one_frame"),
    ],
)
def test_a_wrong_meta_entry_stops_its_video(name: str, message: str, tmp_path: Path) -> None:
    (video,) = list_videos("youtubevos2019", None, bad_meta(name, tmp_path))
    with pytest.raises(UserError, match=message):
        next(iter(VideoReader(video, INPUT)))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "no 'objects'"),
        ({"objects": {"x": {"frames": ["00000"]}}}, "'x' is no object id"),
        ({"objects": {"1": {}}}, "objects/1: no 'frames'"),
        ({"objects": {"1": {"frames": []}}}, "objects/1: no 'frames/0'"),
        ({"objects": {"1": {"frames": ["00009"]}}}, "frame '00009' is not among"),
        ({"objects": {"1": {"frames": ["00005"]}}}, "no mask .*00005.png"),
        ([], "no 'objects'"),
    ],
)
def test_faults_of_an_entry_name_the_key(entry: object, message: str, make_data) -> None:
    root = youtubevos(make_data, {"videos": {"a": entry}})
    (video,) = list_videos("youtubevos2018", None, root)
    with pytest.raises(UserError, match=rf"meta\.json: videos/a.*{message}"):
        next(iter(VideoReader(video, INPUT)))


def test_a_video_of_the_meta_file_without_folder_is_refused(make_data) -> None:
    root = youtubevos(make_data, {"videos": {"b": {"objects": {}}}})
    (video,) = list_videos("youtubevos2018", None, root)
    with pytest.raises(UserError, match=r"meta\.json: videos/b: 'b' has no folder"):
        next(iter(VideoReader(video, INPUT)))


@pytest.mark.parametrize("folder", ["val", "valid"])
@pytest.mark.parametrize("meta", ["valid_meta.json", "val_meta.json", "meta.json"])
def test_names_of_the_lvos_folder_and_meta_file(folder: str, meta: str, make_data) -> None:
    frames = [f"{folder}/JPEGImages/a/0000000{i}.jpg" for i in (1, 6)]
    masks = [f"{folder}/Annotations/a/0000000{i}.png" for i in (1, 6)]
    root = make_data(*frames, *masks)
    objects = {"2": {"frame_range": {"start": "00000006", "end": "00000006"}}}
    (root / folder / meta).write_text(json.dumps({"videos": {"a": {"objects": objects}}}))
    (video,) = list_videos("lvos_v2", None, root)
    assert summary([video]) == {"a": (2, {"00000006": [2]})}
    reader = VideoReader(video, INPUT)
    assert [frame.mask is None for frame in reader] == [True, False]
    assert reader.ids.ids == [2]


def test_lvos_without_meta_gives_first_masks_only_and_says_so(make_data, caplog) -> None:
    root = make_data(
        "val/JPEGImages/a/1.jpg",
        "val/JPEGImages/a/6.jpg",
        "val/Annotations/a/1.png",
        "val/Annotations/a/6.png",
    )
    with caplog.at_level(logging.WARNING):
        assert summary(list_videos("lvos", None, root)) == {"a": (2, {"1": None})}
    assert "no meta file" in caplog.text


@pytest.mark.parametrize(
    ("split", "folder"), [("x1", ""), ("x1", "x1/"), ("x3", "x3/"), ("x3", "long_video_x3/")]
)
def test_longvideo_gives_the_first_annotated_frame(split: str, folder: str, make_data) -> None:
    frames = [f"{folder}JPEGImages/a/{i}.jpg" for i in range(4)]
    root = make_data(*frames, *(f"{folder}Annotations/a/{i}.png" for i in (1, 3)))
    assert summary(list_videos("long_videos", split, root)) == {"a": (4, {"1": None})}


def test_longvideo_without_annotation_of_a_frame(make_data) -> None:
    root = make_data("JPEGImages/a/0.jpg", "Annotations/a/7.png")
    (video,) = list_videos("longvideo", None, root)
    assert "no mask named like a frame" in video.error


def test_mose(make_data) -> None:
    root = make_data(
        "MOSE/valid/JPEGImages/a/00000.jpg",
        "MOSE/valid/JPEGImages/b/00000.jpg",
        "MOSE/valid/Annotations/a/00000.png",
        "MOSE/valid/Annotations/b/00000.png",
    )
    expected = {"a": (1, FIRST), "b": (1, FIRST)}
    assert summary(list_videos("mose", None, root)) == expected


@pytest.mark.parametrize(
    ("frames", "masks"),
    [("JPEGImages", "Annotations"), ("images", "masks"), ("frames", "masks")],
)
def test_generic_gives_every_mask(frames: str, masks: str, make_data) -> None:
    root = make_data(
        *(f"{frames}/a/{i}.jpg" for i in range(3)),
        f"{masks}/a/0.png",
        f"{masks}/a/2.png",
        f"{masks}/a/readme.txt",
    )
    assert summary(list_videos("generic", None, root)) == {"a": (3, {"0": None, "2": None})}


# --- list files


def davis_with_list(name: str, tmp_path: Path) -> Path:
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / kind).symlink_to(shared("data", "DAVIS", kind))
    (tmp_path / "ImageSets").symlink_to(shared("data", "bad", "roots", name, "ImageSets"))
    return tmp_path


def test_blank_lines_crlf_and_spaces_in_a_list(tmp_path: Path) -> None:
    root = davis_with_list("list_with_blank_and_crlf", tmp_path)
    assert [v.name for v in list_videos("davis2017", None, root)] == ["blackswan", "dog"]


def test_a_listed_sequence_without_folder_is_named_with_its_line(tmp_path: Path) -> None:
    root = davis_with_list("list_names_missing_sequence", tmp_path)
    good, bad = list_videos("davis2017", None, root)
    assert (good.name, good.error, bad.name) == ("blackswan", None, "no-such-sequence")
    with pytest.raises(UserError, match=r"val\.txt, line 2: 'no-such-sequence' has no folder"):
        next(iter(VideoReader(bad, INPUT)))


def test_missing_and_empty_lists(make_data) -> None:
    root = make_data("JPEGImages/480p/a/0.jpg", "ImageSets/2017/val.txt")
    with pytest.raises(UserError, match=r"val\.txt: no name"):
        list_videos("davis2017", "val", root)
    with pytest.raises(UserError, match=r"2017/train\.txt: no such file"):
        list_videos("davis2017", "train", root)


# --- names and roots


def test_unknown_names_get_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"did you mean davis2017.*lvos_v2"):
        list_videos("davis-2017", None, tmp_path)
    with pytest.raises(
        UserError, match="unknown split of davis2017 'tesdev'; did you mean test-dev"
    ):
        list_videos("davis2017", "tesdev", tmp_path)
    with pytest.raises(UserError, match=r"unknown dataset 'zzz'; choose from davis2016"):
        list_videos("zzz", None, tmp_path)


@pytest.mark.parametrize("dataset", EVAL_DATASETS)
def test_missing_data_shows_where_was_looked_and_the_layout(dataset: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        list_videos(dataset, None, tmp_path)
    message = str(caught.value)
    assert str(tmp_path / EVAL_DATASETS[dataset].folders[0]) in message
    assert "<video>" in message and dataset in message


def test_aliases_are_unique() -> None:
    names = [n for key, entry in EVAL_DATASETS.items() for n in (key, *entry.aliases)]
    assert len(names) == len(set(names))


# --- one video


def test_a_folder_of_frames_with_one_mask() -> None:
    frames = shared("data", "generic", "images", "bike")
    mask = shared("data", "generic", "masks", "bike", "00000.png")
    assert summary([single_video(frames, mask)]) == {"bike": (4, FIRST)}


def test_a_mask_is_given_at_the_frame_of_its_name_else_at_the_first(make_data) -> None:
    root = make_data("a/1.jpg", "a/2.jpg", "2.png", "other.png")
    assert list(single_video(root / "a", root / "2.png").masks) == ["2"]
    assert list(single_video(root / "a", root / "other.png").masks) == ["1"]


def test_a_video_file_with_a_folder_of_masks(make_data) -> None:
    source = shared("data", "bad", "videos", "good_20_frames_428x240.mp4")
    root = make_data("masks/00000.png", "masks/00007.png")
    video = single_video(source, root / "masks")
    assert summary([video]) == {"good_20_frames_428x240": (20, {"00000": None, "00007": None})}


def test_missing_sources_and_masks_are_named(make_data) -> None:
    root = make_data("a/1.jpg", "1.png")
    with pytest.raises(UserError, match=r"none\.mp4: no such video file"):
        single_video(root / "none.mp4", root / "1.png")
    with pytest.raises(UserError, match="none: no folder and no video file"):
        single_video(root / "none", root / "1.png")
    with pytest.raises(UserError, match=r"2\.png: no such mask"):
        single_video(root / "a", root / "2.png")
