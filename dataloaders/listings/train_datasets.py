"""Training datasets by name, or one's own folder: find one, list its videos."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.listings.datasets import TRAIN_DATASETS
from mavos.dataloaders.listings.listing import find_root
from mavos.dataloaders.listings.train_listing import (
    DAVIS_LIST,
    davis_train,
    own_videos,
)
from mavos.dataloaders.types import LabelledVideo
from mavos.utils.errors import UserError, unknown_name

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainSource:
    """The videos of one dataset, as a run uses them."""

    name: str
    videos: tuple[LabelledVideo, ...]
    max_gap: int  # most frames from one frame of a clip to the next
    repeats: int  # times that each video counts in an epoch


_OWN_MAX_GAP = 5  # own data is often sampled, but not as thinly as YouTube-VOS


def clip_sources(train: TrainConfig, data_root: Path) -> list[TrainSource]:
    """The datasets of a run, in the order in which it names them."""
    return [list_train(name, data_root) for name in train.datasets]


def list_train(name: str, data_root: Path) -> TrainSource:
    """The videos to learn from of ``name``, or ``name*K`` to count each K times.

    A name is one of ``TRAIN_DATASETS`` or an alias, looked for under ``data_root``, else a folder
    with own data (also relative to ``data_root``). Raises UserError for anything else, for missing
    data and, in the known datasets, for a picture without a mask.
    """
    name, repeats = _split_repeats(name)
    for known, dataset in TRAIN_DATASETS.items():
        if name.lower() == known or name.lower() in dataset.aliases:
            root = find_root(known, dataset.folders, dataset.marks, dataset.layout, data_root)
            return _source(known, root, dataset.list_all, dataset.max_gap, repeats)
    root = _own_folder(name, data_root)
    if (root / DAVIS_LIST).is_file():
        max_gap = TRAIN_DATASETS["davis2017"].max_gap
        return _source(root.resolve().name, root, davis_train, max_gap, repeats)
    return _source(root.resolve().name, root, own_videos, _OWN_MAX_GAP, repeats)


def _source(
    name: str,
    root: Path,
    list_all: Callable[[Path, str], list[LabelledVideo]],
    max_gap: int,
    repeats: int,
) -> TrainSource:
    videos = tuple(list_all(root, name))
    if not videos:
        raise UserError(
            f"{root}: no video with a mask in it; expected masks that are named like the frames"
        )
    frames = sum(len(video.frames) for video in videos)
    logger.info("%s in %s: %d videos, %d frames with a mask", name, root, len(videos), frames)
    return TrainSource(name, videos, max_gap, repeats)


def _split_repeats(text: str) -> tuple[str, int]:
    """ "davis2017*5" -> ("davis2017", 5)."""
    name, star, times = text.rpartition("*")
    if not star:
        return text.strip(), 1
    if not times.strip().isdecimal() or int(times) < 1:
        raise UserError(
            f"train.datasets: '{text}' does not end in a number of repeats; write for example "
            f"'{name or 'davis2017'}*5'"
        )
    return name.strip(), int(times)


def _own_folder(name: str, data_root: Path) -> Path:
    """An existing folder of that name; UserError suggests a dataset otherwise."""
    candidates = (Path(name).expanduser(), data_root / name)
    for folder in candidates:
        if name and folder.is_dir():
            return folder
    raise UserError(
        f"{unknown_name('training dataset', name, TRAIN_DATASETS)}, or name a folder with your own "
        f"data (there is no {' and no '.join(map(str, candidates))})"
    )
