"""Which mask belongs to which frame of a source."""

import re
from pathlib import Path

import numpy as np

from mavos.dataloaders.media.frames import Frames
from mavos.dataloaders.media.mask_files import list_masks, read_mask
from mavos.dataloaders.types import numbered_frame_name
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE, values_in

_CHECKED_BEFORE = 200  # masks


def masks_by_index(texts: list[str], frames: Frames) -> dict[int, Path]:
    """Source index -> mask file, for the values of ``--mask``; see the help of the tool.

    Raises UserError for a file that is not there, and for a frame that is not segmented or that
    gets two masks.
    """
    found: dict[int, Path] = {}
    for text in texts:
        folder = Path(text)
        given = _of_folder(folder, frames) if folder.is_dir() else [_of_file(text, frames)]
        for index, path in given:
            if index in found:
                raise UserError(f"--mask: {found[index]} and {path} are for the same frame {index}")
            found[index] = path
    return dict(sorted(found.items()))


def mask_files(texts: list[str]) -> list[Path]:
    """The files among the values of ``--mask``; they may lie among the frames, but are none."""
    paths = [Path(text) for text in texts]
    paths += [Path(text.partition(":")[2]) for text in texts if ":" in text]
    return [path for path in paths if path.is_file()]


def check_masks(masks: dict[int, Path], size: tuple[int, int]) -> None:
    """Raises UserError if one is unreadable, without an object, or not of ``size`` (H, W).

    Of many masks only the first are looked at.
    """
    # thousands of them would take minutes: the others are checked when their frame is reached
    for path in list(masks.values())[:_CHECKED_BEFORE]:
        labels = read_given(path, size)
        if not set(values_in(labels)) - {0, IGNORE}:
            raise UserError(f"{path}: there is no object in this mask; expected ids 1 to 254")


def read_given(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Ids of a mask, (H, W) uint8; UserError if it is unreadable or not of ``size`` (H, W)."""
    labels = read_mask(path)
    if labels.shape != size:
        raise UserError(
            f"{path}: the mask is {labels.shape[1]}x{labels.shape[0]}, the frames are "
            f"{size[1]}x{size[0]} (width x height). Make the mask at the size of the frames"
        )
    return labels


def _of_folder(folder: Path, frames: Frames) -> list[tuple[int, Path]]:
    """The masks of a folder that are for frames that are segmented."""
    masks = [(_index_of(name, path, frames), path) for name, path in list_masks(folder).items()]
    used = [(index, path) for index, path in masks if _is_segmented(index, frames)]
    if not used:
        raise UserError(
            f"{folder}: none of the {len(masks)} masks in this folder is named like a frame that "
            f"is segmented ({_wanted(frames)})"
        )
    return used


def _of_file(text: str, frames: Frames) -> tuple[int, Path]:
    """The frame and the file of "first.png" or "120:second.png"."""
    path = Path(text)
    if path.is_file():
        index = _index_of_stem(path.stem, frames)
        index = frames.wanted.start if index is None else index
    else:
        frame, separator, rest = text.partition(":")
        path = Path(rest)
        if not separator or not path.is_file():
            raise UserError(
                f"--mask {text}: no such file or folder; expected a mask, a folder of masks, or a "
                "frame and its mask such as 120:second.png"
            )
        index = _index_of(frame, path, frames)
    if not _is_segmented(index, frames):
        raise UserError(
            f"{path}: is for frame {index}, which is not segmented ({_wanted(frames)}). To use it "
            f"elsewhere, name a frame: --mask {frames.wanted.start}:{path}"
        )
    return index, path


def _index_of_stem(stem: str, frames: Frames) -> int | None:
    """The frame that is named like a mask file; None if there is none."""
    if frames.names is not None:
        return frames.index_of.get(stem)
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


def _is_segmented(index: int, frames: Frames) -> bool:
    length = frames.source_length
    return index in frames.wanted and (length is None or index < length)


def _wanted(frames: Frames) -> str:
    """Which frames are segmented."""
    wanted = frames.wanted
    of = f" of {frames.source_length}" if frames.source_length is not None else ""
    end = "the end" if wanted.end is None else f"{wanted.end}"
    return f"those from {wanted.start} to {end}{of}, every {wanted.every}"
