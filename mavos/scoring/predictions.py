"""Predicted masks, in a folder or in a zip as servers take it."""

import zipfile
from functools import cached_property
from pathlib import Path, PurePosixPath

from mavos.dataloaders.media.images import read_file
from mavos.dataloaders.media.mask_files import MASK_SUFFIXES, list_masks
from mavos.utils.errors import UserError
from mavos.utils.names import check_name
from mavos.utils.pixel_limit import most_pixels
from mavos.utils.reading import reading

_BYTES_OF_A_PIXEL = 8  # of an array of integers


class FolderOfMasks:
    """``<folder>/<video>/<frame>.png``, or the same under ``<folder>/Annotations``."""

    def __init__(self, folder: Path):
        inner = folder / "Annotations"
        self._root = inner if inner.is_dir() else folder

    def masks(self, video: str) -> dict[str, str]:
        """Frame name -> full name of its mask; UserError if there is no such video."""
        folder = self._root / video
        if not folder.is_dir():
            raise UserError(
                f"{folder}: no such folder, so no predictions of this video. Segment it, or name "
                "the videos to score with --videos"
            )
        return {frame: str(path) for frame, path in list_masks(folder).items()}

    def expected(self, video: str, frame: str) -> str:
        """Full name that a mask would have."""
        return str(self._root / video / f"{frame}.png")

    def read(self, name: str) -> bytes:
        """The content of a mask, by its full name."""
        return read_file(Path(name))


class ZipOfMasks:
    """``<video>/<frame>.png`` in an archive, under any folder or none.

    Each process that gets a copy opens the archive itself. Raises UserError if it is no zip.
    """

    def __init__(self, archive: Path):
        self._archive = archive
        self._members = self._list_members()

    def __getstate__(self) -> dict:
        # an open file cannot be handed over
        return {"_archive": self._archive, "_members": self._members}

    def masks(self, video: str) -> dict[str, str]:
        if video not in self._members:
            raise UserError(
                f"{self._archive}: no masks of video {video!r} in it; expected {video}/<frame>.png."
                " Pack it again, or name the videos to score with --videos"
            )
        return self._members[video]

    def expected(self, video: str, frame: str) -> str:
        return f"{self._archive}/{video}/{frame}.png"

    def read(self, name: str) -> bytes:
        member = name.removeprefix(f"{self._archive}/")
        with reading(name, "a member of a zip", "it cannot be unpacked. Pack again"):
            size = self._zip.getinfo(member).file_size
            if size > most_pixels() * _BYTES_OF_A_PIXEL:  # a few kilobytes can hold gigabytes
                raise UserError(
                    f"{name}: {size} bytes when unpacked, more than a mask of {most_pixels()} "
                    "pixels takes; check the archive, or raise --max_pixels"
                )
            data = self._zip.read(member)
        if not data:
            raise UserError(f"{name}: the file is empty (0 bytes). Pack the masks again")
        return data

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        with reading(self._archive, "a zip", "it is not a complete zip. Pack the masks again"):
            return zipfile.ZipFile(self._archive)

    def _list_members(self) -> dict[str, dict[str, str]]:
        """Video -> frame -> full name."""
        found: dict[str, dict[str, str]] = {}
        for member in self._zip.namelist():
            path = PurePosixPath(member.replace("\\", "/"))  # as some programs on Windows pack
            hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
            if hidden or len(path.parts) < 2 or path.suffix.lower() not in MASK_SUFFIXES:
                continue
            for part in (path.parts[-2], path.stem):
                check_name(part, f"{self._archive}")
            frames = found.setdefault(path.parts[-2], {})
            if path.stem in frames:
                raise UserError(
                    f"{self._archive}/{member}: a second mask of this frame, beside "
                    f"{frames[path.stem]}. Pack each mask once"
                )
            frames[path.stem] = f"{self._archive}/{member}"
        if not found:
            raise UserError(f"{self._archive}: no masks in it; expected <video>/<frame>.png")
        return found


Predictions = FolderOfMasks | ZipOfMasks


def open_predictions(path: Path) -> Predictions:
    """Raises UserError if there is neither a folder nor a zip."""
    if path.is_dir():
        return FolderOfMasks(path)
    if path.is_file():
        return ZipOfMasks(path)
    raise UserError(f"--pred {path}: no such folder or zip; expected predicted masks")
