"""Evaluation datasets by name: find one, list its videos."""

import logging
from dataclasses import dataclass
from pathlib import Path

from mavos.dataloaders.listings.datasets import EVAL_DATASETS, EvalDataset
from mavos.dataloaders.listings.eval_videos import MissingFolder
from mavos.dataloaders.listings.listing import find_root
from mavos.dataloaders.types import Video
from mavos.utils.errors import UserError, unknown_name

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """A part of a dataset, as it is on disk."""

    dataset: str  # a name of ``EVAL_DATASETS``
    split: str
    row: EvalDataset
    data_root: Path
    videos: tuple[Video, ...]

    @property
    def is_usual(self) -> bool:
        """Whether it is the one that is evaluated if none is named."""
        return self.split == self.row.splits[0]


def find_split(dataset: str, split: str, data_root: Path) -> Split:
    """A split of a dataset by its name or an alias; "" is its usual one.

    Raises UserError as ``list_videos`` does.
    """
    name, row = find_dataset(dataset)
    split = split or row.splits[0]
    return Split(name, split, row, data_root, tuple(list_videos(name, split, data_root)))


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
