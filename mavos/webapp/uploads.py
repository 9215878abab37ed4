"""Files from the page: taken in up to a limit, and only if they are videos or pictures."""

import re
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from mavos.dataloaders.media.file_kinds import is_one_picture, open_footage
from mavos.utils.errors import UserError
from mavos.webapp.refusals import Refused

_KEEP_FREE = 500 * 2**20  # bytes of the disk that are left alone
_HEAD = 64  # bytes that show the kind of a file
_CHECK_EVERY = 16 * 2**20  # bytes between two looks at the disk

# How damaged videos are known; whole ones are tried. FFmpeg also reads playlists, which are texts
# that name other files: ``containers`` keeps them out.
_VIDEOS = rb"....(ftyp|moov|mdat|wide)|\x1a\x45\xdf\xa3|RIFF....AVI "
# (how a file begins, suffix)
_PICTURES = (
    (rb"\xff\xd8\xff", ".jpg"),
    (rb"\x89PNG\r\n\x1a\n", ".png"),
    (rb"RIFF....WEBP", ".webp"),
    (rb"BM", ".bmp"),
    (rb"II\*\x00|MM\x00\*", ".tif"),
    (rb"P[2356]\s", ".ppm"),
    (rb"....ftypavi[fs]", ".avif"),
    (rb"....ftyp(hei[cxms]|hevc|mif1|msf1)", ".heic"),
)


class Uploads:
    """The files of one upload, named by their number; their names in the page are never paths."""

    def __init__(self, folder: Path, limit: int) -> None:
        """limit: bytes of all files together."""
        self._folder, self._limit = folder, limit
        self._sizes: dict[int, int] = {}
        self._closed = False
        self._creating = threading.Lock()

    async def receive(self, part: int, announced: int | None, chunks: AsyncIterator[bytes]) -> None:
        """Write a file as it arrives; part 0 begins a new upload. Raises Refused past the limit.

        What has arrived of an upload that fails is deleted.
        """
        with ExitStack() as unless_whole:  # also given up by the page, or by the server's end
            unless_whole.callback(self.discard)
            await self._receive(part, announced, chunks)
            unless_whole.pop_all()

    async def _receive(
        self, part: int, announced: int | None, chunks: AsyncIterator[bytes]
    ) -> None:
        self._check_open()
        if part == 0:
            self.discard()
        elif part != len(self._sizes):
            raise Refused(f"file {part} of the upload is out of order", HTTPStatus.CONFLICT)
        left = self._limit - sum(self._sizes.values())
        self._check(announced or 0, left)
        size = since_check = 0
        with self._create(part) as file:
            async for chunk in chunks:
                self._check_open()
                size, since_check = size + len(chunk), since_check + len(chunk)
                if size > left or since_check > _CHECK_EVERY:
                    self._check(size, left)
                    since_check = 0
                file.write(chunk)
        self._sizes[part] = size

    def source(self, name: str, most_frames: int) -> Path:
        """The video file, or the folder of pictures; Refused, and deleted, if it is neither.

        name: what the user calls it, for messages.
        """
        try:
            return self._source(name, most_frames)
        except Refused:
            self.discard()
            raise

    def _source(self, name: str, most_frames: int) -> Path:
        count = len(self._sizes)
        if not count or not sum(self._sizes.values()):
            raise Refused(f"{name}: the file is empty; choose another one")
        if count > most_frames:
            raise Refused(f"{count} pictures; this server takes {most_frames} (--max_frames)")
        suffixes = {part: _suffix(self._path(part), _PICTURES) for part in self._sizes}
        if count == 1 and not is_one_picture(self._path(0)):
            return self._video(name)
        if all(suffixes.values()):
            for part, suffix in suffixes.items():
                self._path(part).rename(self._path(part).with_suffix(suffix))
            return self._folder
        raise self._no_video(name)

    def _video(self, name: str) -> Path:
        """The one file, if it can be opened as a video, an animation or a stack of pictures."""
        try:
            open_footage(self._path(0)).close()
        except UserError as error:
            # of what looks like a video, the job that decodes it says what is wrong
            if not _begins_as(self._path(0), _VIDEOS):
                raise self._no_video(name) from error
        return self._path(0)

    def _no_video(self, name: str) -> Refused:
        return Refused(
            f"{name}: not a video; choose an MP4, MOV, WebM, MKV or AVI file, or "
            "several pictures (JPEG, PNG, WebP, BMP, TIFF) at once"
        )

    def discard(self) -> None:
        """Delete what has arrived."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._sizes.clear()

    def close(self) -> None:
        """Nothing is written any more."""
        with self._creating:
            self._closed = True

    def _create(self, part: int) -> BinaryIO:
        with self._creating:
            self._check_open()
            self._folder.mkdir(exist_ok=True)
            return self._path(part).open("wb")

    def _check_open(self) -> None:
        if self._closed:
            raise Refused("this page was closed", HTTPStatus.GONE)

    def _check(self, size: int, left: int) -> None:
        if size > left:
            raise Refused(
                f"this is too large: the server takes up to {self._limit // 2**20} MB "
                "(--max_upload_mb)",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        check_disk(self._folder.parent)

    def _path(self, part: int) -> Path:
        return self._folder / f"{part:05d}"


def check_disk(folder: Path) -> None:
    """Raises Refused where little room is left."""
    if shutil.disk_usage(folder).free < _KEEP_FREE:
        raise Refused(
            "the server's disk is nearly full: free some space, or set TMPDIR to another disk",
            HTTPStatus.INSUFFICIENT_STORAGE,
        )


def _suffix(path: Path, kinds: tuple[tuple[bytes, str], ...]) -> str:
    """Suffix that fits what the file holds; empty if it is of none of the kinds."""
    return next((suffix for begins, suffix in kinds if _begins_as(path, begins)), "")


def _begins_as(path: Path, pattern: bytes) -> bool:
    with path.open("rb") as file:
        return re.match(pattern, file.read(_HEAD), re.DOTALL) is not None
