"""OpenCV as the reader of files, cameras and streams: quiet, and it gives up in time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import cv2

from utils.errors import UserError

_TIMEOUT = 10_000  # milliseconds without an answer after which a network counts as broken


class BrokenOff(UserError):
    """A file or a stream ended before it should have; what came until then is good."""


def open_capture(source: Path | str | int) -> cv2.VideoCapture:
    """A file, a URL or the index of a camera; whether it is open has to be asked."""
    # FFmpeg writes to stderr past Python's logging; what matters of it we say ourselves. OpenCV
    # looks at this variable when it opens its first video; a user's own setting is kept.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")  # 8: fatal errors only
    with _silence():
        if isinstance(source, str):
            settings = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
            limits = [number for setting in settings for number in (setting, _TIMEOUT)]
            return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
        return cv2.VideoCapture(source if isinstance(source, int) else str(source))


def frame_rate(capture: cv2.VideoCapture) -> float | None:
    """Frames per second; None for what drivers and containers answer that do not know."""
    answer = capture.get(cv2.CAP_PROP_FPS)
    return answer if 0 < answer <= 1000 else None


def shown(source: Path | str | int) -> str:
    """How messages name a source: a URL without the password that it may hold."""
    if isinstance(source, int):
        return f"camera {source}"
    if isinstance(source, Path):
        return str(source)
    parts = urlsplit(source)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextmanager
def _silence() -> Iterator[None]:
    """OpenCV itself says nothing on stderr either."""
    logging = cv2.utils.logging
    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
