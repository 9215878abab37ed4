"""Files from the page: taken in up to a limit, and only if they are videos or pictures."""

import shutil
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

from tools.webapp.refusals import Refused

_KEEP_FREE = 500 * 2**20  # bytes of the disk that are left alone
_HEAD = 64  # bytes that tell the kind of a file
_CHECK_EVERY = 16 * 2**20  # bytes between two looks at the disk

# (first byte, what is there, suffix). Only these reach the decoders: FFmpeg also reads playlists,
# which are texts that name other files.
_VIDEOS = (
    (4, b"ftyp", ".mp4"),
    (4, b"moov", ".mov"),
    (4, b"mdat", ".mov"),
    (4, b"wide", ".mov"),
    (0, b"\x1a\x45\xdf\xa3", ".mkv"),  # and WebM
    (8, b"AVI ", ".avi"),
)
_PICTURES = (
    (0, b"\xff\xd8\xff", ".jpg"),
    (0, b"\x89PNG\r\n\x1a\n", ".png"),
    (8, b"WEBP", ".webp"),
    (0, b"BM", ".bmp"),
    (0, b"II*\x00", ".tif"),
    (0, b"MM\x00*", ".tif"),
)


class Uploads:
    """The files of one upload, named by their number; their names in the page are never paths."""

    def __init__(self, folder: Path, limit: int) -> None:
        """limit: bytes of all files together."""
        self._folder, self._limit = folder, limit
        self._sizes: dict[int, int] = {}

    async def receive(self, part: int, announced: int | None, chunks: AsyncIterator[bytes]) -> None:
        """Write a file as it arrives; part 0 begins a new upload. Raises Refused past the limit."""
        if part == 0:
            self.discard()
        elif part != len(self._sizes):
            raise Refused(f"file {part} of the upload is out of order", HTTPStatus.CONFLICT)
        self._folder.mkdir(exist_ok=True)
        left = self._limit - sum(self._sizes.values())
        self._check(announced or 0, left)
        size = since_check = 0
        with self._path(part).open("wb") as file:
            async for chunk in chunks:
                size, since_check = size + len(chunk), since_check + len(chunk)
                if size > left or since_check > _CHECK_EVERY:
                    self._check(size, left)
                    since_check = 0
                file.write(chunk)
        self._sizes[part] = size

    def source(self, name: str, most_frames: int) -> Path:
        """The video file, or the folder of pictures; Refused if it is neither.

        name: what the user calls it, for messages.
        """
        count = len(self._sizes)
        if not count or not sum(self._sizes.values()):
            raise Refused(f"{name}: the file is empty; choose another one")
        if count > most_frames:
            raise Refused(f"{count} pictures; this server takes {most_frames} (--max_frames)")
        suffixes = {part: _suffix(self._path(part), _PICTURES) for part in self._sizes}
        if all(suffixes.values()):
            for part, suffix in suffixes.items():
                self._path(part).rename(self._path(part).with_suffix(suffix))
            return self._folder
        video = _suffix(self._path(0), _VIDEOS) if count == 1 else ""
        if not video:
            raise Refused(
                f"{name}: not a video; choose an MP4, MOV, WebM, MKV or AVI file, or "
                "several pictures (JPEG, PNG, WebP, BMP, TIFF) at once"
            )
        return self._path(0).rename(self._path(0).with_suffix(video))

    def discard(self) -> None:
        """Delete what has arrived."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._sizes.clear()

    def _check(self, size: int, left: int) -> None:
        if size > left:
            raise Refused(
                f"this is too large: the server takes up to {self._limit // 2**20} MB "
                "(--max_upload_mb)",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        check_disk(self._folder)

    def _path(self, part: int) -> Path:
        return self._folder / f"{part:05d}"


def check_disk(folder: Path) -> None:
    """Raises Refused where little room is left."""
    if shutil.disk_usage(folder).free < _KEEP_FREE:
        raise Refused(
            "the server's disk is nearly full: free some space, or set TMPDIR to another disk",
            HTTPStatus.INSUFFICIENT_STORAGE,
        )


def _suffix(path: Path, kinds: tuple[tuple[int, bytes, str], ...]) -> str:
    """Suffix that fits what the file holds; empty if it is of none of the kinds."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return next((s for at, magic, s in kinds if head[at : at + len(magic)] == magic), "")
