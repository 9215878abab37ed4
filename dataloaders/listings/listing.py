"""What functions that list datasets share: roots, list files, meta files, given masks."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mavos.dataloaders.media.file_listing import is_hidden, natural_key
from mavos.dataloaders.media.images import list_images
from mavos.dataloaders.media.mask_files import list_masks, read_mask
from mavos.dataloaders.types import Video
from mavos.utils.errors import UserError
from mavos.utils.names import check_name
from mavos.utils.palette import IGNORE
from mavos.utils.reading import read_json


@dataclass(frozen=True)
class Given:
    """The masks a model may see of one video, the fields of the same name in ``Video``."""

    masks: Mapping[str, Path]
    given: Mapping[str, frozenset[int]] | None = None
    given_source: str = ""


ChooseMasks = Callable[[list[str]], Given]  # from the frame names of a video, in order


def find_root(
    name: str, folders: Iterable[str], marks: Iterable[str], layout: str, data_root: Path
) -> Path:
    """The folder that holds dataset ``name``: the first that has one of the folders ``marks``.

    Looked at are ``folders`` under ``data_root``, then ``data_root`` itself. UserError names them
    and the expected ``layout``.
    """
    candidates = [*(data_root / folder for folder in folders), data_root]
    for folder in candidates:
        if any((folder / mark).is_dir() for mark in marks):
            return folder
    raise UserError(
        f"{name} was not found. Looked at {', '.join(map(str, candidates))}. "
        f"Expected in one of them:\n{layout}"
    )


def make_video(name: str, frames: Path, choose_masks: ChooseMasks, source: str = "") -> Video:
    """A video of the pictures in folder ``frames``; a fault in it is kept in ``Video.error``.

    source: what names the video (file and line, or key), for messages.
    """
    try:
        if not frames.is_dir():
            raise UserError(
                f"{source}: '{name}' has no folder {frames}. Complete the download, or remove the "
                "entry"
            )
        video = Video(name, tuple(list_images(frames)))
        given = choose_masks(video.frame_names())
    except UserError as error:
        return Video(name, error=str(error))
    return replace(video, masks=given.masks, given=given.given, given_source=given.given_source)


def first_frame_mask(folder: Path) -> ChooseMasks:
    """The mask of the first frame and no other, however many there are."""

    def choose(names: list[str]) -> Given:
        path = folder / f"{names[0]}.png"
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected the mask of the video's first frame")
        return Given({names[0]: path})

    return choose


def first_annotated_mask(folder: Path) -> ChooseMasks:
    """The earliest mask, for data that is annotated on a sample of its frames."""

    def choose(names: list[str]) -> Given:
        masks = list_masks(folder)
        annotated = [name for name in names if name in masks]
        if not annotated:
            raise UserError(f"{folder}: no mask named like a frame of the video ({names[0]}, ...)")
        return Given({annotated[0]: masks[annotated[0]]})

    return choose


def every_mask(folder: Path) -> ChooseMasks:
    """Every mask file there is."""
    return lambda names: Given(list_masks(folder) if folder.is_dir() else {})


def masks_of_objects(folder: Path, starts: Mapping[int, str], source: str) -> ChooseMasks:
    """Each object in the mask of the frame where it starts, and in no other.

    starts: object id -> frame name. source: the file and key that say so.
    """

    def choose(names: list[str]) -> Given:
        masks: dict[str, Path] = {}
        known = set(names)
        for object_id, name in starts.items():
            path = folder / f"{name}.png"
            if name not in known:  # nor is a path among them
                raise UserError(
                    f"{source}/{object_id}: frame '{name}' is not among the frames of the video "
                    f"({names[0]} to {names[-1]}). Download the data again, or correct the file"
                )
            if not path.is_file():
                raise UserError(
                    f"{source}/{object_id}: starts at frame '{name}', but there is no mask {path}"
                )
            masks[name] = path
        ids_at = {
            name: frozenset(i for i, start in starts.items() if start == name) for name in masks
        }
        return Given(masks, ids_at, source)

    return choose


def first_masks_of_objects(folder: Path) -> ChooseMasks:
    """Each object in the first mask that shows it; every frame must have a mask, which is read."""

    def choose(names: list[str]) -> Given:
        starts: dict[int, str] = {}
        for name in names:
            present = np.bincount(read_mask(folder / f"{name}.png").ravel(), minlength=256)
            for object_id in np.flatnonzero(present[:IGNORE]).tolist():
                starts.setdefault(object_id, name)
        starts.pop(0, None)
        return masks_of_objects(folder, starts, str(folder))(names)

    return choose


def read_list(paths: Iterable[Path]) -> dict[str, str]:
    """Video names of the first list file that exists, in its order, with where each stands.

    A line is a name, or a picture and a mask path, each starting with "/" (DAVIS-2016). Blank
    lines, spaces around names and CRLF are fine.
    """
    paths = list(paths)
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise UserError(f"{paths[0]}: no such file; expected the names of the videos, one per line")
    names: dict[str, str] = {}
    text = path.read_text(encoding="utf-8-sig", errors="replace")  # a wrong name is reported below
    for number, line in enumerate(text.splitlines(), start=1):
        name = line.strip()
        if name.startswith("/"):
            name = Path(name.split()[0]).parent.name
        if name:
            source = f"{path}, line {number}"
            names.setdefault(check_name(name, source), source)
    if not names:
        raise UserError(f"{path}: no name in this file; expected names of videos, one per line")
    return names


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in ``folder`` in natural order, hidden ones left out."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected one folder of frames per video")
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not is_hidden(entry.name) and entry.is_dir()]
    if not names:
        raise UserError(f"{folder}: no folder in it; expected one folder of frames per video")
    return sorted(names, key=natural_key)


def read_meta(path: Path) -> dict[str, Any]:
    """The value of ``videos`` in a meta file, by video name."""
    meta = read_json(path, "it must list the videos; download it again")
    videos = lookup(meta, ("videos",), str(path), dict)
    for name in videos:
        check_name(name, f"{path}: videos")
    return videos


def lookup(value: Any, keys: tuple[str | int, ...], source: str, kind: type) -> Any:
    """``value[key]`` for each of ``keys`` in turn, of type ``kind``; UserError names the key."""
    for depth, key in enumerate(keys):
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError) as error:
            place = "/".join(map(str, keys[: depth + 1]))
            raise UserError(f"{source}: no '{place}' there. Download the file again") from error
    if not isinstance(value, kind):
        place = "/".join(map(str, keys))
        raise UserError(f"{source}: '{place}' is no {kind.__name__}. Download the file again")
    return value


def object_id(key: str, source: str) -> int:
    """Object id of a key such as "3"; UserError if it is no number from 1 to 254."""
    if not (key.isdecimal() and 1 <= int(key) <= 254):
        raise UserError(f"{source}: '{key}' is no object id; expected a number from 1 to 254")
    return int(key)
