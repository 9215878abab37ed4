"""Masks to disk: palette PNGs written in the background, and the archive for a server."""

import io
import logging
import os
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from mavos.utils.errors import UserError
from mavos.utils.files import atomic_path
from mavos.utils.palette import davis_palette

log = logging.getLogger(__name__)

_PENDING_PER_THREAD = 8
_PNG_BEGIN, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold


class MaskWriter:
    """Writes label maps as palette PNGs in background threads.

        with MaskWriter() as writer:
            writer.write(folder / "00000.png", labels)

    Leaving the block waits for every file. What went wrong in a thread is raised by the next
    ``write``, by ``flush`` or on leaving the block. A block left through an exception still
    finishes the files it was given; their own faults are then only logged.
    """

    def __init__(self, threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mask-writer")
        self._limit = threads * _PENDING_PER_THREAD
        self._pending: deque[Future[None]] = deque()
        self._palette = davis_palette().tobytes()

    def write(self, path: Path, labels: np.ndarray) -> None:
        """Schedule one file; waits while too many are pending, so that memory stays flat.

        labels: (H, W) uint8 object ids. They are copied: the caller may reuse the array.
        """
        if labels.dtype != np.uint8 or labels.ndim != 2:
            raise ValueError(f"labels must be (H, W) uint8, got {labels.shape} {labels.dtype}")
        while self._pending and (len(self._pending) >= self._limit or self._pending[0].done()):
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(_write_png, path, labels.copy(), self._palette))

    def flush(self) -> None:
        """Wait until every file given so far is on disk; raises OutputError if one is not."""
        while self._pending:
            self._pending.popleft().result()

    def __enter__(self) -> "MaskWriter":
        return self

    def __exit__(self, exc_type, exc, traceback) -> None:
        try:
            if exc_type is None:
                self.flush()
        finally:
            self._pool.shutdown(wait=True)
        failed = [error for future in self._pending if (error := future.exception())]
        if failed:  # another exception is on its way to the caller
            log.error("%d masks were not written; the first: %s", len(failed), failed[0])


def write_mask(path: Path, labels: np.ndarray) -> None:
    """Write (H, W) uint8 ids as a palette PNG, now. Raises OutputError if it cannot be written."""
    _write_png(path, labels, davis_palette().tobytes())


def _write_png(path: Path, labels: np.ndarray, palette: bytes) -> None:
    image = Image.fromarray(labels)
    image.putpalette(palette)  # turns the grey image into one of mode P
    encoded = io.BytesIO()
    # run lengths suit label maps: as small as zlib's level 6 in less than half the time
    image.save(encoded, "PNG", compress_type=zlib.Z_RLE)
    with atomic_path(path) as partial:
        partial.write_bytes(encoded.getbuffer())


def is_whole(path: Path) -> bool:
    """Whether a PNG begins and ends as one; a file that was cut does not."""
    with path.open("rb") as file:
        begins = file.read(len(_PNG_BEGIN)) == _PNG_BEGIN
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - len(_PNG_END)))
        return begins and file.read() == _PNG_END


def zip_results(folder: Path, zip_path: Path, members: Iterable[Path] | None = None) -> None:
    """Pack files under ``folder``, by their names relative to it, into ``zip_path``.

    members: the files; None for all but archives and hidden ones. Equal files give equal
    archives, byte for byte: names are sorted, times and permissions fixed. The archive appears
    whole or not at all. Raises OutputError if it cannot be written, UserError if it would be empty.
    """
    if members is None:
        members = (
            path
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".zip" and not path.name.startswith(".")
        )
    by_name = {path.relative_to(folder).as_posix(): path for path in members}
    if not by_name:
        raise UserError(f"no results to pack in {folder}; check that the run segmented something")
    with atomic_path(zip_path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name in sorted(by_name):
            # stored, not deflated: the PNGs are compressed already
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.create_system = 3  # Unix, on every system, so that the bytes agree
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, by_name[name].read_bytes())
