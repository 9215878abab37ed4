"""Frames from anywhere: pictures, a video file, a camera, a stream, arrays; decoded ahead."""

import re
from collections.abc import Generator, Iterable, Sized
from contextlib import closing
from glob import glob, has_magic
from pathlib import Path
from typing import Any

import numpy as np

from mavos.dataloaders.media.captures import shown
from mavos.dataloaders.media.frames import Frames, Selection, SourceFrame
from mavos.dataloaders.media.images import IMAGE_SUFFIXES, list_images, natural_key, read_image
from mavos.dataloaders.media.live_sources import LiveSource
from mavos.dataloaders.media.video_files import VIDEO_SUFFIXES, VideoFile
from mavos.dataloaders.types import numbered_frame_name
from mavos.utils.errors import UserError

_STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
_EXPECTED = (
    "expected a folder of pictures, a pattern such as 'frames/*.jpg', a video file, the number of "
    f"a camera, or a URL that begins with {', '.join(_STREAMS)}"
)


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
        return _camera(source, wanted, ahead)
    if not isinstance(source, Iterable):
        raise UserError(f"{source!r} is no source of frames; {_EXPECTED}, or an iterable of arrays")
    length = len(source) if isinstance(source, Sized) else None
    return Frames("frames", _arrays(source, wanted), wanted, source_length=length)


def _named_source(source: Path | str, wanted: Selection, ahead: int) -> Frames:
    """What a user can write as a text."""
    text, path = str(source), Path(source)
    scheme, separator, _address = text.partition("://")
    if separator:  # first, for it may be longer than the name of a file can be
        if scheme.lower() in _STREAMS:
            return _url(text, wanted, ahead)
        raise UserError(f"{shown(text)}: unknown kind of URL; {_EXPECTED}")
    if path.is_dir():
        return _pictures(path.resolve().name, list_images(path), wanted, ahead)
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            return _pictures(path.stem, [path], wanted, ahead)
        return _video_file(path, path.stem, wanted, ahead)
    if text.isdecimal():
        return _camera(int(text), wanted, ahead)
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
    frames = Frames(name, _read_pictures(paths, wanted), wanted, ahead, len(paths))
    frames.names = [path.stem for path in paths]
    return frames


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
        wanted,
        ahead,
        announced,
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


def _url(url: str, wanted: Selection, ahead: int) -> Frames:
    scheme, _, address = url.partition("://")
    is_http = scheme.lower() in ("http", "https")
    if not (is_http and Path(address.partition("?")[0]).suffix.lower() in VIDEO_SUFFIXES):
        live = LiveSource(url)
        if not (is_http and live.is_file):
            return _live(live, _file_name(url), wanted, ahead)
        live.release()
    return _video_file(url, _file_name(url), wanted, ahead)


def _camera(index: int, wanted: Selection, ahead: int) -> Frames:
    return _live(LiveSource(index), f"camera{index}", wanted, ahead)


def _live(live: LiveSource, name: str, wanted: Selection, ahead: int) -> Frames:
    rate = live.frame_rate and live.frame_rate / wanted.every
    return Frames(name, _read_live(live, wanted), wanted, ahead, frame_rate=rate, live=live)


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


def _check_start(name: str, wanted: Selection, length: int) -> None:
    if wanted.start >= length:
        raise UserError(f"{name}: has {length} frames, so none from start = {wanted.start} on")


def _file_name(text: str) -> str:
    """A URL as the name of a file or folder: of its last part, or of its host."""
    address = shown(text).partition("://")[2]
    last = address.partition("?")[0].rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w.-]+", "_", Path(last).stem).strip("._") or "stream"
