"""The datasets that can be evaluated by name: where each lies, and the function that lists it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mavos.dataloaders.listings.eval_videos import (
    GENERIC_FOLDERS,
    MissingFolder,
    list_davis,
    list_generic,
    list_longvideo,
    list_lvos,
    list_mose,
    list_synthetic,
    list_youtubevos,
)
from mavos.dataloaders.listings.listing import find_root
from mavos.dataloaders.types import Video
from mavos.utils.errors import UserError, unknown_name

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvalDataset:
    """What ``list_videos`` knows of one dataset."""

    list_split: Callable[[Path, str], list[Video]]  # (root of the dataset, split)
    folders: tuple[str, ...]  # names its root may have under the data root, best first
    marks: tuple[str, ...]  # a folder is its root if one of these lies in it
    splits: tuple[str, ...]  # the default first
    layout: str  # tree for messages
    aliases: tuple[str, ...] = ()
    stage: str = "pre_ytb_dav"  # training stage whose weights the paper evaluates here
    zip_top: str = ""  # folder that servers want everything in the archive to lie under


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

EVAL_DATASETS: dict[str, EvalDataset] = {
    "davis2016": EvalDataset(
        partial(list_davis, year=2016),
        folders=("DAVIS2016", "DAVIS16", "DAVIS-2016", "DAVIS/2016", "DAVIS"),
        marks=("JPEGImages/480p", "JPEGImages/Full-Resolution"),
        splits=_DAVIS_SPLITS,
        layout=_DAVIS_LAYOUT.format(year=2016),
        aliases=("davis16",),
    ),
    "davis2017": EvalDataset(
        partial(list_davis, year=2017),
        folders=("DAVIS2017", "DAVIS17", "DAVIS-2017", "DAVIS/2017", "DAVIS"),
        marks=("JPEGImages/480p", "JPEGImages/Full-Resolution"),
        splits=(*_DAVIS_SPLITS, "test-dev", "test-dev_full"),
        layout=_DAVIS_LAYOUT.format(year=2017),
        aliases=("davis17", "davis"),
    ),
    "youtubevos2018": EvalDataset(
        list_youtubevos,
        folders=("YTB/2018", "YouTubeVOS/2018", "YouTubeVOS2018", "YouTube-VOS/2018", "YouTubeVOS"),
        marks=("valid", "valid_all_frames"),
        splits=("val", "val_all_frames"),
        layout=_YOUTUBEVOS_LAYOUT,
        aliases=("youtubevos18", "ytvos2018"),
        zip_top="Annotations",
    ),
    "youtubevos2019": EvalDataset(
        list_youtubevos,
        folders=("YTB/2019", "YouTubeVOS/2019", "YouTubeVOS2019", "YouTube-VOS/2019", "YouTubeVOS"),
        marks=("valid", "valid_all_frames"),
        splits=("val", "val_all_frames"),
        layout=_YOUTUBEVOS_LAYOUT,
        aliases=("youtubevos19", "ytvos2019"),
        zip_top="Annotations",
    ),
    "lvos": EvalDataset(
        list_lvos,
        folders=("LVOS", "LVOS_V1", "LVOSv1", "LVOS1"),
        marks=("valid", "val", "test"),
        splits=("val", "test"),
        layout=_LVOS_LAYOUT,
        aliases=("lvos_v1", "lvosv1"),
        stage="pre_ytb_dav_long_lvos",
    ),
    "lvos_v2": EvalDataset(
        list_lvos,
        folders=("LVOS_V2", "LVOS_v2", "LVOSv2", "LVOSV2", "LVOS2"),
        marks=("valid", "val", "test"),
        splits=("val", "test"),
        layout=_LVOS_LAYOUT,
        aliases=("lvosv2", "lvos2"),
        stage="pre_ytb_dav_long_lvos",
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
    ),
    "generic": EvalDataset(
        list_generic,
        folders=("generic",),
        marks=tuple(frames for frames, _ in GENERIC_FOLDERS),
        splits=("all",),
        layout="""\
  JPEGImages/<video>/00000.jpg            (or images/ and masks/, or frames/ and masks/)
  Annotations/<video>/00000.png           (a mask for one frame or more)""",
    ),
}


def list_videos(dataset: str, split: str | None, data_root: Path) -> list[Video]:
    """Videos of a dataset of ``EVAL_DATASETS`` (or an alias); ``None`` is its default split.

    The dataset is looked for in its usual folders under ``data_root``, then in ``data_root``
    itself. Raises UserError for an unknown name or split, and if the data is not there. A fault of
    a single video does not stop the listing: reading that video raises it.
    """
    name, found = find_dataset(dataset)
    if split is None:
        split = found.splits[0]
    elif split not in found.splits:
        raise unknown_name(f"split of {name}", split, found.splits)
    root = find_root(name, found.folders, found.marks, found.layout, data_root)
    logger.info("%s, split %s, in %s", name, split, root)
    try:
        return found.list_split(root, split)
    except MissingFolder as error:
        raise UserError(
            f"{name} has no split {split} in {root}: {error}. Expected:\n{found.layout}"
        ) from error


def find_dataset(dataset: str) -> tuple[str, EvalDataset]:
    """Name and entry of a dataset, given its name or an alias in any case."""
    wanted = dataset.lower()
    for name, entry in EVAL_DATASETS.items():
        if wanted == name or wanted in entry.aliases:
            return name, entry
    raise unknown_name("dataset", dataset, EVAL_DATASETS)
