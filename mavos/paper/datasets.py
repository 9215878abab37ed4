"""Rows that count what a dataset holds, in the splits that lie under the data root."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mavos.dataloaders.listings.eval_datasets import list_videos
from mavos.dataloaders.listings.train_datasets import list_train
from mavos.dataloaders.media.mask_files import list_masks, read_mask
from mavos.paper.data_at_hand import Data
from mavos.paper.jobs import Job, Measured, Missing, Setup
from mavos.paper.schema import Row, Table
from mavos.utils.errors import UserError
from mavos.utils.files import write_json
from mavos.utils.palette import IGNORE

CountedVideo = tuple[int, tuple[Path, ...]]  # number of frames, mask files

# Of each row: the dataset, and its splits.
_COUNTED = {
    "DAVIS 2017": ("davis2017", ("train", "val")),
    "LTV": ("longvideo", ("x1",)),
    "LVOS": ("lvos", ("train", "val", "test")),
}
_FILE = "counts.json"
_KEYS = ("videos", "frames", "objects", "annotations")


def make_jobs(table: Table, row: Row, setup: Setup, data: Data) -> dict[str, Job]:
    """One, which is missing only if no split of the dataset is there."""
    dataset, splits = _COUNTED[row.label]
    faults = {split: _list(dataset, split, setup.data_root)[1] for split in splits}
    there = [split for split in splits if not faults[split]]
    missing = []
    if not there:
        remedy = ("datasets/README.md says where to get it and how it must lie",)
        what = f"{dataset}, splits {', '.join(splits)}"
        missing.append(Missing("data", what, remedy, faults[splits[-1]]))
    job = Job(
        row,
        "",
        tool="",
        results=(_FILE,),
        arguments=("--run", table.name, "--data_root", str(setup.data_root)),
        folder=setup.output / "runs" / table.name / dataset,
        where=f"{dataset} {' + '.join(there or splits)}",
        missing=tuple(missing),
    )
    return {"": job}


def measured(job: Job) -> Measured | None:
    """What was counted; None if nothing was, or not in the splits that are there now."""
    try:
        counts = json.loads((job.folder / _FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if counts["where"] != job.where:
        return None
    absent = [split for split, found in counts["splits"].items() if found is None]
    caveat = f"{job.row.label}: without {' and '.join(absent)}, which is not there."
    return Measured(counts["total"], "", caveat=caveat if absent else "")


def count(job: Job, data_root: Path) -> None:
    """Read every mask, and write down what there is, in all and by split."""
    dataset, splits = _COUNTED[job.row.label]
    listed = {split: _list(dataset, split, data_root) for split in splits}
    found = {split: None if fault else _count(all_) for split, (all_, fault) in listed.items()}
    sums = {key: sum(counts[key] for counts in found.values() if counts) for key in _KEYS}
    frames = sums.pop("frames")
    sums["mean frames"] = frames / sums["videos"] if sums["videos"] else 0
    write_json(job.folder / _FILE, {"where": job.where, "splits": found, "total": sums})


def _count(videos: Iterable[CountedVideo]) -> dict[str, int]:
    """Videos, their frames, their objects, and objects in masks."""
    counts = dict.fromkeys(_KEYS, 0)
    with ThreadPoolExecutor() as pool:
        for frames, masks in videos:
            ids = list(pool.map(_ids, masks))
            counts["videos"] += 1
            counts["frames"] += frames
            counts["objects"] += len(frozenset().union(*ids))
            counts["annotations"] += sum(map(len, ids))
    return counts


def _ids(mask: Path) -> frozenset[int]:
    return frozenset(np.unique(read_mask(mask)).tolist()) - {0, IGNORE}


def _list(dataset: str, split: str, data_root: Path) -> tuple[list[CountedVideo], str]:
    """The videos of a split, and why it cannot be counted; "" if it can."""
    try:
        if (dataset, split) == ("lvos", "train"):  # which is listed for training only
            videos = list_train(dataset, data_root).videos
            return [(len(video.frames), video.masks) for video in videos], ""
        videos = list_videos(dataset, split, data_root)
    except UserError as error:
        return [], str(error)
    folders = [next(iter(video.masks.values())).parent for video in videos if video.masks]
    masks = {folder.name: tuple(list_masks(folder).values()) for folder in folders}
    return [(video.length, masks.get(video.name, ())) for video in videos], ""
