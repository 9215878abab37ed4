"""The datasets that are known by name: a row says all of one. To add one, add a row.

Where it lies, its splits, which function lists it, by which protocol it is scored, with the weights
of which stage, and how it is learned from.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mavos.dataloaders.listings.eval_videos import (
    GENERIC_FOLDERS,
    list_davis,
    list_generic,
    list_longvideo,
    list_lvos,
    list_mose,
    list_synthetic,
    list_youtubevos,
)
from mavos.dataloaders.listings.train_listing import (
    STATIC_SETS,
    davis_train,
    folders_train,
    static_pictures,
    youtubevos_train,
)
from mavos.dataloaders.types import LabelledVideo, Video


@dataclass(frozen=True)
class TrainDataset:
    """How a dataset is learned from."""

    list_all: Callable[[Path, str], list[LabelledVideo]]  # (root of the dataset, its name)
    marks: tuple[str, ...]  # a folder is its root if one of these lies in it
    max_gap: int  # frames; datasets that keep every fifth frame have a small one
    layout: str  # tree for messages
    folders: tuple[str, ...] = ()  # names its root may have under the data root, best first
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvalDataset:
    """How a dataset is evaluated."""

    list_split: Callable[[Path, str], list[Video]]  # (root of the dataset, split)
    folders: tuple[str, ...]  # names its root may have under the data root, best first
    marks: tuple[str, ...]  # a folder is its root if one of these lies in it
    splits: tuple[str, ...]  # the default first
    layout: str  # tree for messages
    protocol: str  # a name in mavos.scoring.protocols.PROTOCOLS
    aliases: tuple[str, ...] = ()
    stage: str = "pre_ytb_dav"  # training stage whose weights the paper evaluates here
    zip_top: str = ""  # folder that servers want everything in the archive to lie under
    train: TrainDataset | None = None  # in the same folders and by the same names


_DAVIS_SPLITS = ("val", "train", "val_full", "train_full")
_DAVIS_LAYOUT = """\
  ImageSets/{year}/val.txt
  JPEGImages/480p/<video>/00000.jpg       (Full-Resolution/ for splits ending in _full)
  Annotations/480p/<video>/00000.png"""
_YOUTUBEVOS_LAYOUT = """\
  valid/meta.json
  valid/JPEGImages/<video>/00000.jpg
  valid/Annotations/<video>/00000.png
  valid_all_frames/JPEGImages/<video>/    (split val_all_frames)"""
_LVOS_LAYOUT = """\
  val/val_meta.json                       (or valid/valid_meta.json; test/test_meta.json)
  val/JPEGImages/<video>/00000001.jpg
  val/Annotations/<video>/00000001.png"""
_TRAIN_FOLDERS = """\
  train/JPEGImages/<video>/00000.jpg      (or train_480p/)
  train/Annotations/<video>/00000.png     (a mask for every frame)"""
_TRAIN_YOUTUBEVOS = """\
  train/meta.json                         (names the videos and the annotated frames)
  train/JPEGImages/<video>/00000.jpg
  train/Annotations/<video>/00000.png"""
_TRAIN_DAVIS = """\
  ImageSets/2017/train.txt
  JPEGImages/480p/<video>/00000.jpg
  Annotations/480p/<video>/00000.png      (a mask for every frame)"""
_TRAIN_SYNTHETIC = f"""\
{_TRAIN_DAVIS}
  (`python tools/make_synthetic.py` makes all of it)"""

_TRAIN_IN_FOLDERS = TrainDataset(folders_train, ("train", "train_480p"), 12, _TRAIN_FOLDERS)

EVAL_DATASETS: dict[str, EvalDataset] = {
    "davis2016": EvalDataset(
        partial(list_davis, year=2016),
        folders=("DAVIS2016", "DAVIS16", "DAVIS-2016", "DAVIS/2016", "DAVIS"),
        marks=("JPEGImages/480p", "JPEGImages/Full-Resolution"),
        splits=_DAVIS_SPLITS,
        layout=_DAVIS_LAYOUT.format(year=2016),
        protocol="davis2016",
        aliases=("davis16",),
    ),
    "davis2017": EvalDataset(
        partial(list_davis, year=2017),
        folders=("DAVIS2017", "DAVIS17", "DAVIS-2017", "DAVIS/2017", "DAVIS"),
        marks=("JPEGImages/480p", "JPEGImages/Full-Resolution"),
        splits=(*_DAVIS_SPLITS, "test-dev", "test-dev_full"),
        layout=_DAVIS_LAYOUT.format(year=2017),
        protocol="davis2017",
        aliases=("davis17", "davis"),
        train=TrainDataset(davis_train, ("JPEGImages/480p",), 12, _TRAIN_DAVIS),
    ),
    "youtubevos2018": EvalDataset(
        list_youtubevos,
        folders=("YTB/2018", "YouTubeVOS/2018", "YouTubeVOS2018", "YouTube-VOS/2018", "YouTubeVOS"),
        marks=("valid", "valid_all_frames"),
        splits=("val", "val_all_frames"),
        layout=_YOUTUBEVOS_LAYOUT,
        protocol="ytvos",
        aliases=("youtubevos18", "ytvos2018"),
        zip_top="Annotations",
        train=TrainDataset(youtubevos_train, ("train",), 3, _TRAIN_YOUTUBEVOS),
    ),
    "youtubevos2019": EvalDataset(
        list_youtubevos,
        folders=("YTB/2019", "YouTubeVOS/2019", "YouTubeVOS2019", "YouTube-VOS/2019", "YouTubeVOS"),
        marks=("valid", "valid_all_frames"),
        splits=("val", "val_all_frames"),
        layout=_YOUTUBEVOS_LAYOUT,
        protocol="ytvos",
        aliases=("youtubevos19", "ytvos2019"),
        zip_top="Annotations",
        train=TrainDataset(
            youtubevos_train, ("train",), 3, _TRAIN_YOUTUBEVOS, aliases=("youtubevos",)
        ),
    ),
    "lvos": EvalDataset(
        list_lvos,
        folders=("LVOS", "LVOS_V1", "LVOSv1", "LVOS1"),
        marks=("valid", "val", "test"),
        splits=("val", "test"),
        layout=_LVOS_LAYOUT,
        protocol="lvos",
        aliases=("lvos_v1", "lvosv1"),
        stage="pre_ytb_dav_long_lvos",
        train=_TRAIN_IN_FOLDERS,
    ),
    "lvos_v2": EvalDataset(
        list_lvos,
        folders=("LVOS_V2", "LVOS_v2", "LVOSv2", "LVOSV2", "LVOS2"),
        marks=("valid", "val", "test"),
        splits=("val", "test"),
        layout=_LVOS_LAYOUT,
        protocol="lvos",
        aliases=("lvosv2", "lvos2"),
        stage="pre_ytb_dav_long_lvos",
        train=_TRAIN_IN_FOLDERS,
    ),
    "longvideo": EvalDataset(
        list_longvideo,
        folders=("LongVideo", "LongVideos", "long_videos", "long_video_set", "LTV"),
        marks=("JPEGImages", "x1", "x3", "long_video", "long_video_x3"),
        splits=("x1", "x3", "val"),
        layout="""\
  val.txt                                 (or ImageSets/val.txt, or neither)
  JPEGImages/<video>/00000.jpg            (split x3: x3/JPEGImages)
  Annotations/<video>/00000.png           (split x3: x3/Annotations)""",
        protocol="ltv",
        aliases=("ltv", "long_videos"),
        stage="pre_ytb_dav_long",
    ),
    "mose": EvalDataset(
        list_mose,
        folders=("MOSE", "MOSEv1", "mose"),
        marks=("valid",),
        splits=("val",),
        layout="""\
  valid/JPEGImages/<video>/00000.jpg
  valid/Annotations/<video>/00000.png""",
        protocol="mose",
        train=_TRAIN_IN_FOLDERS,
    ),
    "synthetic": EvalDataset(
        list_synthetic,
        folders=("synthetic", "Synthetic"),
        marks=("JPEGImages/480p",),
        splits=("val", "memory", "train"),
        layout="""\
  ImageSets/2017/val.txt                  (`python tools/make_synthetic.py` makes all of it)
  JPEGImages/480p/<video>/00000.jpg
  Annotations/480p/<video>/00000.png""",
        protocol="generic",
        train=TrainDataset(davis_train, ("JPEGImages/480p",), 12, _TRAIN_SYNTHETIC),
    ),
    "generic": EvalDataset(
        list_generic,
        folders=("generic",),
        marks=tuple(frames for frames, _ in GENERIC_FOLDERS),
        splits=("all",),
        layout="""\
  JPEGImages/<video>/00000.jpg            (or images/ and masks/, or frames/ and masks/)
  Annotations/<video>/00000.png           (a mask for one frame or more)""",
        protocol="generic",
    ),
}

TRAIN_DATASETS: dict[str, TrainDataset] = {
    "static": TrainDataset(
        static_pictures,
        folders=("Static", "static"),
        marks=tuple(f"JPEGImages/{part}" for part in STATIC_SETS),
        max_gap=1,
        layout=f"""\
  JPEGImages/<set>/<picture>.jpg          (sets: {", ".join(STATIC_SETS)})
  Annotations/<set>/<picture>.png""",
    ),
} | {
    name: replace(row.train, folders=row.folders, aliases=row.aliases + row.train.aliases)
    for name, row in EVAL_DATASETS.items()
    if row.train is not None
}
