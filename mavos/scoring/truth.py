"""Where the ground truth of a benchmark lies: folders of masks, list of videos, meta files."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mavos.dataloaders.listings.listing import lookup, read_list, read_meta, subfolders
from mavos.dataloaders.media.images import read_file
from mavos.dataloaders.media.mask_files import decode_mask, list_masks
from mavos.utils.errors import UserError
from mavos.utils.reading import parse_json

log = logging.getLogger(__name__)

# folders of masks that a dataset's root may have
FOLDERS = ("Annotations/480p", "Annotations", "valid/Annotations", "val/Annotations", "masks")


@dataclass(frozen=True)
class Truth:
    """The ground truth of one benchmark on disk."""

    folder: Path  # holds a folder of masks for each video
    videos: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)  # video -> its entry in the meta file
    meta_file: Path | None = None
    unseen: frozenset[str] | None = None  # videos or categories; None: unknown

    def masks(self, video: str) -> dict[str, Path]:
        """Frame name -> mask file, in order; UserError if there is none."""
        masks = list_masks(self.folder / video)
        if not masks:
            raise UserError(
                f"{self.folder / video}: no masks in this folder; it should hold the truth, as PNGs"
            )
        return masks

    def group(self, video_or_category: str) -> str:
        """Whether it is "seen" or "unseen"; empty where unknown."""
        if self.unseen is None:
            return ""
        return "unseen" if video_or_category in self.unseen else "seen"


def read_values(path: Path) -> np.ndarray:
    """Values (H, W) uint8 of a mask of the truth, as they stand in the file."""
    return decode_mask(read_file(path), path)


def find_truth(
    gt: Path,
    split: str = "val",
    lists: Iterable[str] = (),
    meta_names: Iterable[str] = (),
    unseen_name: str = "",
    meta: Path | None = None,
    unseen: Path | None = None,
    videos: Sequence[str] = (),
) -> Truth:
    """The truth under ``gt``, a folder with a folder of masks per video or a dataset's own root.

    The videos are those given, else those of the first of ``lists`` that is there, else those of
    the meta file, else all. lists, meta_names: may hold "{split}". meta, unseen: files that are
    used instead of the usual ones. Raises UserError for what is missing.
    """
    if not gt.is_dir():
        raise UserError(f"--gt {gt}: no such folder; expected the ground truth")
    folder = next((gt / name for name in FOLDERS if (gt / name).is_dir()), gt)
    places = list(dict.fromkeys([folder.parent, gt]))
    entries: Mapping[str, Any] = {}
    meta_names = [name.format(split=split) for name in meta_names]
    if meta_names:
        meta = meta or _first(places, meta_names)
        if meta is None:
            raise UserError(
                f"{places[0]}: no {' or '.join(dict.fromkeys(meta_names))} there, which says what "
                "to score; name it with --meta"
            )
        entries = read_meta(meta)
    if unseen_name:
        unseen = unseen or _first(places, [unseen_name])
        if unseen is None:
            log.info(
                "no %s in %s, so means are over all objects, not over seen and unseen ones",
                unseen_name,
                places[0],
            )
    names = list(videos) or _listed(gt, split, lists) or sorted(entries) or subfolders(folder)
    for name in names:
        if entries and name not in entries:
            raise UserError(f"{meta}: no video {name!r} there; check --videos and --meta")
        if not (folder / name).is_dir():
            raise UserError(
                f"{folder / name}: no such folder, so no ground truth of {name!r}; complete the "
                "data, or name the videos to score with --videos"
            )
    return Truth(folder, tuple(names), entries, meta, read_unseen(unseen) if unseen else None)


def read_unseen(path: Path) -> frozenset[str]:
    """Names of a list, one per line, or of the key ``unseen_categories`` of a JSON file."""
    if path.suffix != ".json":
        return frozenset(read_list([path]))
    content = parse_json(read_file(path), path, "not complete JSON. Download it again")
    return frozenset(map(str, lookup(content, ("unseen_categories",), str(path), list)))


def _first(folders: Iterable[Path], names: Sequence[str]) -> Path | None:
    paths = (folder / name for folder in folders for name in names)
    return next((path for path in paths if path.is_file()), None)


def _listed(gt: Path, split: str, lists: Iterable[str]) -> list[str]:
    """Names of the first list that exists; none if no list does."""
    paths = [gt / name.format(split=split) for name in lists]
    return list(read_list(paths)) if any(path.is_file() for path in paths) else []
