"""Frames from anywhere: pictures, a video file, a camera, a stream, arrays; decoded ahead."""

import re
from collections.abc import Collection, Generator, Iterable, Sized
from contextlib import closing
from glob import glob, has_magic
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from mavos.dataloaders.media.captures import shown
from mavos.dataloaders.media.file_kinds import is_one_picture, open_footage
from mavos.dataloaders.media.file_listing import is_hidden_below, natural_order
from mavos.dataloaders.media.footage import Footage
from mavos.dataloaders.media.frames import Frames, Selection, SourceFrame
from mavos.dataloaders.media.images import IMAGE_SUFFIXES, bits_used, list_images, read_image
from mavos.dataloaders.media.live_sources import LiveSource
from mavos.dataloaders.types import numbered_frame_name
from mavos.utils.errors import UserError

_HIGHEST_CAMERA = 9999  # OpenCV takes hundreds and thousands of the number for a kind of driver
_STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
_VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".webm", ".mkv", ".m4v")  # of URLs known as files
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
    without: Collection[Path] = (),
) -> Frames:
    """The frames of ``source``, decoded in a background thread, at most ``ahead`` before their use.

    source: a folder of pictures, in natural order; a pattern of picture files; a video file or a
    file of several pictures (animation, stack), known by its content; the http(s) URL of a video
    file; a camera (0 or "0") or the URL of a stream, of which the newest frames are kept where they
    come faster than they are used; an iterable of (H, W, 3) uint8 RGB arrays, which is not read
    ahead. start, end, every: frames start, start + every, ... before ``end``, counted in the
    source. without: files that are no frames, such as masks among them. Raises UserError if the
    source cannot be opened or the numbers make no sense.
    """
    wanted = Selection(start, end, every)
    if ahead < 1:
        raise UserError(f"ahead must be 1 or more, got {ahead}")
    if isinstance(source, Path | str):
        return _named_source(source, wanted, ahead, without)
    if isinstance(source, int) and not isinstance(source, bool):
        return _camera(source, wanted, ahead)
    if not isinstance(source, Iterable):
        raise UserError(f"{source!r} is no source of frames; {_EXPECTED}, or an iterable of arrays")
    length = len(source) if isinstance(source, Sized) else None
    return Frames("frames", _arrays(source, wanted), wanted, source_length=length)


def _named_source(
    source: Path | str, wanted: Selection, ahead: int, without: Collection[Path]
) -> Frames:
    """What a user can write as a text."""
    text, path = str(source), Path(source)
    scheme, separator, _address = text.partition("://")
    if separator:  # first, for it may be longer than the name of a file can be
        if scheme.lower() in _STREAMS:
            return _url(text, wanted, ahead)
        raise UserError(f"{shown(text)}: unknown kind of URL; {_EXPECTED}")
    if path.is_dir():
        return _pictures(path.resolve().name, list_images(path, without), wanted, ahead)
    if path.is_file():
        if is_one_picture(path):
            return _pictures(path.stem, [path], wanted, ahead)
        return _video_file(path, path.stem, wanted, ahead)
    if path.exists():
        raise UserError(f"{text}: is no file that holds data; {_EXPECTED}")
    if text.isdecimal():
        return _camera(int(text), wanted, ahead)
    if has_magic(text):
        folder = path.parent.resolve().name
        name = "pictures" if has_magic(folder) or not folder else folder
        return _pictures(name, _matching(text, without), wanted, ahead)
    raise UserError(f"{text}: there is no such file or folder; {_EXPECTED}")


def _matching(pattern: str, without: Collection[Path]) -> list[Path]:
    """Pictures that fit a pattern, in natural order, folder by folder."""
    left_out = {path.resolve() for path in without}
    fixed = Path(*takewhile(lambda part: not has_magic(part), Path(pattern).parts))
    found = [Path(path) for path in glob(pattern, recursive=True)]
    pictures = [
        path
        for path in found
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not is_hidden_below(path, fixed)
        and not (left_out and path.resolve() in left_out)
    ]
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
    return natural_order(pictures)


def _pictures(name: str, paths: list[Path], wanted: Selection, ahead: int) -> Frames:
    _check_start(name, wanted, len(paths))
    frames = Frames(name, _read_pictures(paths, wanted), wanted, ahead, len(paths))
    frames.names = [path.stem for path in paths]
    return frames


def _read_pictures(paths: list[Path], wanted: Selection) -> Generator[SourceFrame]:
    bits = bits_used(paths)
    for index, path in wanted.of(paths):
        try:
            frame = SourceFrame(index, path.stem, read_image(path, bits))
        except UserError as error:
            frame = SourceFrame(index, path.stem, None, str(error))
        yield frame


def _video_file(source: Path | str, name: str, wanted: Selection, ahead: int) -> Frames:
    video = open_footage(source)
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
        pixel_aspect=video.pixel_aspect,
    )


def _read_video(video: Footage, shown_name: str, wanted: Selection) -> Generator[SourceFrame]:
    try:
        for index, moment in wanted.of(video.walk()):
            name, image, fault = numbered_frame_name(index), None, None
            if moment.picture is None:
                fault = f"{shown_name}: frame {index} is damaged"
            else:
                image = moment.picture()
            yield SourceFrame(index, name, image, fault, moment.time)
    finally:
        video.close()


def _url(url: str, wanted: Selection, ahead: int) -> Frames:
    scheme, _, address = url.partition("://")
    is_http = scheme.lower() in ("http", "https")
    if not (is_http and Path(address.partition("?")[0]).suffix.lower() in _VIDEO_SUFFIXES):
        live = LiveSource(url)
        if not (is_http and live.is_file):
            return _live(live, _file_name(url), wanted, ahead)
        live.release()
    return _video_file(url, _file_name(url), wanted, ahead)


def _camera(index: int, wanted: Selection, ahead: int) -> Frames:
    if not 0 <= index <= _HIGHEST_CAMERA:  # OpenCV ends the process at some others
        raise UserError(f"{index} is no camera; expected a number from 0 to {_HIGHEST_CAMERA}")
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
