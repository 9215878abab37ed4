"""What composed clips are made of: cut-outs with alpha, still or moving, and photographs.

A folder of cut-outs holds pictures with an alpha channel; a folder in it is one cut-out that moves,
its frames in the order of their names. A folder of photographs is searched with all below it.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from mavos.utils.errors import UserError

SUFFIXES = (".png", ".webp", ".tif", ".tiff")  # of files that can hold alpha
PHOTO_SUFFIXES = (*SUFFIXES, ".jpg", ".jpeg")
LEAST_PICTURES = 2  # an object needs another picture behind it
_LISTED = 3  # names in a message, of however many
_CACHED = 400  # decoded pictures


@dataclass(frozen=True)
class Cutout:
    """Something cut out: one picture, or as many as it has frames."""

    frames: tuple[Path, ...]

    @property
    def moves(self) -> bool:
        return len(self.frames) > 1


@dataclass(frozen=True)
class Material:
    """All cut-outs and photographs of a set of clips; what is named more often is drawn more."""

    cutouts: tuple[Cutout, ...]
    photographs: tuple[Path, ...]


def find_material(cutouts: Sequence[str], photographs: Sequence[str]) -> Material:
    """The material in these folders; ``folder*4`` counts each cut-out of it four times.

    Raises UserError that names folders and files which are missing, too few, broken or without
    alpha.
    """
    found = [c for text in cutouts for c in _repeated(text, _cutouts_in)]
    pictures = [p for text in photographs for p in _repeated(text, _photographs_in)]
    _refuse_few(len({c.frames for c in found}), "cut-out", cutouts)
    _refuse_few(len(set(pictures)), "photograph", photographs)
    _refuse(
        {c.frames[0] for c in found},
        _without_alpha,
        "cannot be used as cut-outs; expected pictures with an alpha channel (PNG or WebP)",
    )
    _refuse(set(pictures), _broken, "cannot be read as pictures; remove or replace them")
    return Material(tuple(found), tuple(pictures))


def held_out(material: Material, share: float = 0.125) -> tuple[Material, Material]:
    """(training, validation): about ``share`` of the pictures, by their names, are for validation
    only. Names that differ in numbers or in ``_mirror`` count as one."""

    def is_held(path: Path) -> bool:
        group = re.sub(r"([\d_-]|mirror)+$", "", path.stem.lower())
        digest = hashlib.sha256(group.encode()).digest()
        return int.from_bytes(digest[:4], "big") < share * 2**32

    def of(held: bool) -> Material:
        cutouts = (c for c in material.cutouts if is_held(_named_after(c)) == held)
        photographs = (p for p in material.photographs if is_held(p) == held)
        return Material(tuple(cutouts), tuple(photographs))

    return of(False), of(True)


def _named_after(cutout: Cutout) -> Path:
    """What gives a cut-out its name: its folder if it moves."""
    return cutout.frames[0].parent if cutout.moves else cutout.frames[0]


@lru_cache(_CACHED)
def read_cutout(path: Path) -> np.ndarray:
    """(H, W, 4) uint8 RGBA, cut to what is not transparent. Raises UserError for an empty, opaque
    or broken one."""
    picture = _read(path, cv2.IMREAD_UNCHANGED)
    if picture.ndim != 3 or picture.shape[2] != 4 or picture[..., 3].min() == 255:
        raise UserError(f"{path}: nothing in it is transparent; expected a cut-out with alpha")
    rows, columns = np.nonzero(picture[..., 3] > 64)
    if len(rows) < 16:
        raise UserError(f"{path}: all of it is transparent; remove it from the cut-outs")
    cut = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return cv2.cvtColor(cut, cv2.COLOR_BGRA2RGBA)


@lru_cache(_CACHED)
def read_frame(path: Path) -> np.ndarray:
    """(H, W, 4) uint8 RGBA, the whole of it: frames of one cut-out stay in place."""
    picture = _read(path, cv2.IMREAD_UNCHANGED)
    if picture.ndim != 3 or picture.shape[2] != 4:
        raise UserError(f"{path}: no alpha channel; expected a frame of a moving cut-out")
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)


@lru_cache(_CACHED)
def read_photograph(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises UserError for a broken one."""
    return cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _read(path: Path, flags: int) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), flags)
    if picture is None:
        raise UserError(f"{path}: cannot be read as a picture; remove or replace it")
    if picture.dtype != np.uint8:  # 16 bits
        picture = (picture >> 8).astype(np.uint8)
    return picture


def _repeated(text: str, list_all: Callable[[Path], list]) -> list:
    """What ``list_all`` finds in ``folder`` or ``folder*K``, K times."""
    name, star, times = str(text).rpartition("*")
    if not star:
        name, times = str(text), "1"
    if not times.isdecimal() or int(times) < 1:
        raise UserError(f"{text!r} does not end in a number of repeats; write {name}*4")
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name one with pictures for composed clips")
    return list_all(folder) * int(times)


def _cutouts_in(folder: Path) -> list[Cutout]:
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            frames = tuple(p for p in sorted(entry.iterdir()) if p.suffix.lower() in SUFFIXES)
            found += [Cutout(frames)] if frames else []
        elif entry.suffix.lower() in SUFFIXES:
            found.append(Cutout((entry,)))
    return found


def _photographs_in(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in PHOTO_SUFFIXES]


def _refuse_few(count: int, kind: str, folders: Sequence[str]) -> None:
    if count < LEAST_PICTURES:
        raise UserError(
            f"{', '.join(map(str, folders)) or 'no folder'}: {count} {kind}{'s' * (count != 1)} "
            f"found, at least {LEAST_PICTURES} are needed to compose clips"
        )


def _refuse(paths: Iterable[Path], is_bad: Callable[[Path], bool], what: str) -> None:
    bad = [path for path in sorted(paths) if is_bad(path)]
    if bad:
        names = ", ".join(map(str, bad[:_LISTED]))
        more = f" and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
        raise UserError(f"{names}{more}: {what}")


def _broken(path: Path) -> bool:
    """Whether even the head of a file cannot be read; the rest is, when its turn comes."""
    try:
        with Image.open(path):
            return False
    except (UnidentifiedImageError, OSError):
        return True


def _without_alpha(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return "A" not in picture.getbands() and "transparency" not in picture.info
    except (UnidentifiedImageError, OSError):
        return True
