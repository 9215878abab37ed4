"""Frames from anywhere: pictures, a video file, a camera, a stream, arrays; decoded ahead."""

import logging
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dataloaders.captures import BrokenOff, shown
from dataloaders.images import IMAGE_SUFFIXES, list_images, natural_key, read_image
from dataloaders.live_sources import LiveSource
from dataloaders.read_ahead import ReadAhead
from dataloaders.types import numbered_frame_name
from dataloaders.video_files import VIDEO_SUFFIXES, VideoFile
from utils.errors import UserError

log = logging.getLogger(__name__)

_STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
_EXPECTED = (
    "expected a folder of pictures, a pattern such as 'frames/*.jpg', a video file, the number of "
    f"a camera, or a URL that begins with {', '.join(_STREAMS)}"
)


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source; a damaged one has no image and says why in ``fault``."""

    index: int  # in the source, from 0, whatever is left out
    name: str  # stem of its picture file, or the index as "00042"
    image: np.ndarray | None  # (H, W, 3) uint8 RGB, upright
    fault: str | None = None


@dataclass(frozen=True)
class Selection:
    """Which frames of a source are wanted: those at start, start + every, ... before end."""

    start: int = 0
    end: int | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if self.start < 0:
            raise UserError(f"start must be 0 or more, got {self.start}")
        if self.every < 1:
            raise UserError(f"every must be 1 or more, got {self.every}")
        if self.end is not None and self.end <= self.start:
            raise UserError(f"end ({self.end}) must be above start ({self.start})")

    def __contains__(self, index: int) -> bool:
        return index >= self.start and (index - self.start) % self.every == 0

    def of(self, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """The wanted ``items`` with their indices; takes none at or behind the end."""
        return (pair for pair in islice(enumerate(items), self.end) if pair[0] in self)

    def count(self, length: int) -> int:
        """How many of ``length`` frames are wanted."""
        end = length if self.end is None else min(self.end, length)
        return len(range(self.start, end, self.every))


class Frames:
    """The frames of one source, in order, once; close it or leave its ``with`` block.

    Iterating gives images and raises UserError at a damaged frame; the next ``next`` goes on
    behind it. ``named`` gives SourceFrames instead. Both may be taken in turn.
    """

    def __init__(
        self,
        name: str,
        items: Generator[SourceFrame],
        ahead: int = 0,
        length: int | None = None,
        frame_rate: float | None = None,
        audio: Path | None = None,
        live: LiveSource | None = None,
    ) -> None:
        self.name = name  # of the source, fit for a file's name
        self.length = length  # as far as known before the end
        self.frame_rate = frame_rate  # per second, of the frames that are given out
        self.audio = audio  # the file whose sound belongs to them
        self.fault: str | None = None  # why ``named`` ended before the source should have
        self._live = live
        self._source: ReadAhead[SourceFrame] | Generator[SourceFrame] = items
        if ahead:
            self._source = ReadAhead(items, ahead, keep_newest=live is not None)
        self._taken = 0
        self._told_of_drops = False

    @property
    def dropped(self) -> int:
        """Frames of a live source that came faster than they were used."""
        return self._source.dropped if self._live else 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Images, (H, W, 3) uint8 RGB, upright."""
        return self

    def __next__(self) -> np.ndarray:
        frame = self._take()
        if frame.image is None:
            raise UserError(f"frame {frame.index}: {frame.fault}")
        return frame.image

    def named(self) -> Iterator[SourceFrame]:
        """All frames, the damaged ones too. A source that breaks off in mid-video just ends.

        That is warned about and left in ``fault``. Raises UserError if there is no frame at all.
        """
        try:
            while (frame := self._next_or_none()) is not None:
                yield frame
        except BrokenOff as error:
            if not self._taken:
                raise
            self.fault = str(error)
            log.warning("%s", error)

    def close(self) -> None:
        """Ends the thread; frames that wait are gone."""
        if self._live:
            self._live.close()
        self._source.close()

    def __enter__(self) -> "Frames":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _next_or_none(self) -> SourceFrame | None:
        try:
            return self._take()
        except StopIteration:
            return None

    def _take(self) -> SourceFrame:
        frame = next(self._source)
        self._taken += 1
        if self.dropped and not self._told_of_drops:
            self._told_of_drops = True
            log.warning(
                "%s: frames come faster than they are used; old ones are dropped", self.name
            )
        return frame


def frames_from(
    source: Path | str | int | Iterable[Any],
    *,
    start: int = 0,
    end: int | None = None,
    every: int = 1,
    ahead: int = 8,
) -> Frames:
    """The frames of ``source``, decoded in a background thread, at most ``ahead`` before their use.

    source: a folder of pictures, in natural order; a pattern of picture files; a video file, also
    by its http(s) URL; a camera (0 or "0") or the URL of a stream, of which the newest frames are
    kept where they come faster than they are used; an iterable of (H, W, 3) uint8 RGB arrays, which
    is not read ahead. start, end, every: frames start, start + every, ... before ``end``, counted
    in the source. Raises UserError if the source cannot be opened or the numbers make no sense.
    """
    wanted = Selection(start, end, every)
    if ahead < 1:
        raise UserError(f"ahead must be 1 or more, got {ahead}")
    if isinstance(source, Path | str):
        return _named_source(source, wanted, ahead)
    if isinstance(source, int) and not isinstance(source, bool):
        return _live(source, wanted, ahead)
    if not isinstance(source, Iterable):
        raise UserError(f"{source!r} is no source of frames; {_EXPECTED}, or an iterable of arrays")
    return Frames("frames", _arrays(source, wanted), length=_length_of(source, wanted))


def _named_source(source: Path | str, wanted: Selection, ahead: int) -> Frames:
    """What a user can write as a text."""
    text, path = str(source), Path(source)
    if path.is_dir():
        return _pictures(path.resolve().name, list_images(path), wanted, ahead)
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            return _pictures(path.stem, [path], wanted, ahead)
        return _video_file(path, path.stem, wanted, ahead)
    if text.isdecimal():
        return _live(int(text), wanted, ahead)
    scheme, separator, address = text.partition("://")
    if separator and scheme.lower() in _STREAMS:
        suffix = Path(address.partition("?")[0]).suffix.lower()
        if scheme.lower() in ("http", "https") and suffix in VIDEO_SUFFIXES:
            return _video_file(text, _file_name(text), wanted, ahead)
        return _live(text, wanted, ahead)
    if has_magic(text):
        folder = path.parent.resolve().name
        name = "pictures" if has_magic(folder) or not folder else folder
        return _pictures(name, _matching(text), wanted, ahead)
    raise UserError(f"{text}: there is no such file or folder; {_EXPECTED}")


def _matching(pattern: str) -> list[Path]:
    """Pictures that fit a pattern, in natural order, folder by folder."""
    found = [Path(path) for path in glob(pattern, recursive=True)]
    pictures = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        raise UserError(f"{pattern}: no picture fits this pattern ({len(found)} other files do)")
    by_stem: dict[str, Path] = {}
    for path in pictures:
        if path.stem in by_stem:
            raise UserError(
                f"{path} and {by_stem[path.stem]}: two pictures for one frame name '{path.stem}', "
                "and results are named by it. Choose a narrower pattern"
            )
        by_stem[path.stem] = path
    return sorted(pictures, key=lambda path: (natural_key(path.parent), natural_key(path)))


def _pictures(name: str, paths: list[Path], wanted: Selection, ahead: int) -> Frames:
    _check_start(name, wanted, len(paths))
    return Frames(name, _read_pictures(paths, wanted), ahead, wanted.count(len(paths)))


def _read_pictures(paths: list[Path], wanted: Selection) -> Generator[SourceFrame]:
    for index, path in wanted.of(paths):
        try:
            frame = SourceFrame(index, path.stem, read_image(path))
        except UserError as error:
            frame = SourceFrame(index, path.stem, None, str(error))
        yield frame


def _video_file(source: Path | str, name: str, wanted: Selection, ahead: int) -> Frames:
    video = VideoFile(source)
    announced = video.announced if video.announced > 0 else None
    if announced is not None:
        _check_start(shown(source), wanted, announced)
    return Frames(
        name,
        _read_video(video, shown(source), wanted),
        ahead,
        None if announced is None else wanted.count(announced),
        video.frame_rate and video.frame_rate / wanted.every,
        source if isinstance(source, Path) else None,
    )


def _read_video(video: VideoFile, shown_name: str, wanted: Selection) -> Generator[SourceFrame]:
    try:
        for index, decodable in wanted.of(video.walk()):
            name = numbered_frame_name(index)
            if decodable:
                yield SourceFrame(index, name, video.picture())
            else:
                yield SourceFrame(index, name, None, f"{shown_name}: frame {index} is damaged")
    finally:
        video.close()


def _live(address: int | str, wanted: Selection, ahead: int) -> Frames:
    live = LiveSource(address)
    name = f"camera{address}" if isinstance(address, int) else _file_name(address)
    rate = live.frame_rate and live.frame_rate / wanted.every
    return Frames(name, _read_live(live, wanted), ahead, frame_rate=rate, live=live)


def _read_live(live: LiveSource, wanted: Selection) -> Generator[SourceFrame]:
    with closing(live.pictures()) as pictures:
        for index, picture in wanted.of(pictures):
            yield SourceFrame(index, numbered_frame_name(index), picture)


def _arrays(source: Iterable[Any], wanted: Selection) -> Generator[SourceFrame]:
    for index, item in wanted.of(source):
        image = np.asarray(item)
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise UserError(
                f"frame {index} is an array of shape {image.shape} and type {image.dtype}; "
                "expected (height, width, 3) of uint8, RGB"
            )
        yield SourceFrame(index, numbered_frame_name(index), image)


def _length_of(source: Iterable[Any], wanted: Selection) -> int | None:
    return wanted.count(len(source)) if hasattr(source, "__len__") else None


def _check_start(name: str, wanted: Selection, length: int) -> None:
    if wanted.start >= length:
        raise UserError(f"{name}: has {length} frames, so none from start = {wanted.start} on")


def _file_name(text: str) -> str:
    """A URL as the name of a file or folder: of its last part, or of its host."""
    address = shown(text).partition("://")[2]
    last = address.partition("?")[0].rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w.-]+", "_", Path(last).stem).strip("._") or "stream"
