"""Which mask belongs to which frame of a source."""

import re
from pathlib import Path

import numpy as np

from dataloaders.frame_sources import Frames
from dataloaders.mask_files import list_masks, read_mask
from dataloaders.types import numbered_frame_name
from utils.errors import UserError
from utils.palette import IGNORE, values_in


def masks_by_index(texts: list[str], frames: Frames) -> dict[int, Path]:
    """Source index -> mask file, for the values of ``--mask``; see the help of the tool.

    Raises UserError for a file that is not there, and for a frame that is not segmented or that
    gets two masks.
    """
    found: dict[int, Path] = {}
    for text in texts:
        for index, path in _read(text, frames):
            if index in found:
                raise UserError(f"--mask: {found[index]} and {path} are for the same frame {index}")
            _check_is_wanted(index, path, frames)
            found[index] = path
    return dict(sorted(found.items()))


def check_masks(masks: dict[int, Path], size: tuple[int, int]) -> None:
    """Raises UserError if one is unreadable, without an object, or not of ``size`` (H, W)."""
    for path in masks.values():
        labels = read_mask(path)
        if labels.shape != size:
            raise UserError(
                f"{path}: the mask is {labels.shape[1]}x{labels.shape[0]}, the frames are "
                f"{size[1]}x{size[0]} (width x height). Make the mask at the size of the frames"
            )
        if not set(values_in(labels)) - {0, IGNORE}:
            raise UserError(f"{path}: there is no object in this mask; expected ids 1 to 254")


def given_at(masks: dict[int, Path], index: int) -> np.ndarray | None:
    """Object ids (H, W) uint8 that the user gave for a frame; None for most."""
    return read_mask(masks[index]) if index in masks else None


def _read(text: str, frames: Frames) -> list[tuple[int, Path]]:
    """Frames and files of one ``--mask``."""
    path = Path(text)
    if path.is_dir():
        masks = list_masks(path)
        if not masks:
            raise UserError(f"{path}: no mask in this folder; expected PNGs named like frames")
        return [(_index_of(name, mask, frames), mask) for name, mask in masks.items()]
    if path.is_file():
        index = _index_of_stem(path.stem, frames)
        return [(frames.wanted.start if index is None else index, path)]
    frame, separator, rest = text.partition(":")
    if separator and Path(rest).is_file():
        return [(_index_of(frame, Path(rest), frames), Path(rest))]
    raise UserError(
        f"--mask {text}: no such file or folder; expected a mask, a folder of masks, or a frame "
        "and its mask such as 120:second.png"
    )


def _index_of_stem(stem: str, frames: Frames) -> int | None:
    """The frame that is named like a mask file; None if there is none."""
    if frames.names is not None:
        return frames.names.index(stem) if stem in frames.names else None
    is_name = re.fullmatch(r"\d+", stem) and stem == numbered_frame_name(int(stem))
    return int(stem) if is_name else None


def _index_of(frame: str, mask: Path, frames: Frames) -> int:
    """The frame of a name, or of a number in the source."""
    index = _index_of_stem(frame, frames)
    if index is None and re.fullmatch(r"\d+", frame):
        index = int(frame)
    if index is None:
        known = f" ({frames.names[0]} to {frames.names[-1]})" if frames.names else ""
        raise UserError(f"{mask}: there is no frame '{frame}'{known}; expected its number or name")
    return index


def _check_is_wanted(index: int, mask: Path, frames: Frames) -> None:
    wanted, length = frames.wanted, frames.source_length
    if length is not None and index >= length:
        raise UserError(f"{mask}: is for frame {index}, but {frames.name} has {length} frames")
    is_before_end = wanted.end is None or index < wanted.end
    if index not in wanted or not is_before_end:
        raise UserError(
            f"{mask}: is for frame {index}, which is not segmented (--start {wanted.start}, --end "
            f"{wanted.end}, --every {wanted.every}). To use it elsewhere, write its frame: "
            f"{wanted.start}:{mask}"
        )
