"""OpenCV as the reader of files, cameras and streams: quiet, and it gives up in time."""

import os
import re
from pathlib import Path

import cv2

from mavos.utils.errors import UserError

LEFT_OUT = "?..."  # stands at the end of an address for what may hold secrets
_TIMEOUT = 10_000  # milliseconds without an answer after which a network counts as broken


class BrokenOff(UserError):
    """A file or a stream ended before it should have; what came until then is good."""


def open_capture(source: Path | str | int) -> cv2.VideoCapture:
    """A file, a URL or the index of a camera; whether it is open has to be asked."""
    _silence()
    if isinstance(source, str):
        settings = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        limits = [number for setting in settings for number in (setting, _TIMEOUT)]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    return cv2.VideoCapture(source if isinstance(source, int) else str(source))


def frame_count(capture: cv2.VideoCapture) -> int:
    """Number of frames that the source says it has; 0 if it does not say, as live ones."""
    return max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))


def frame_rate(capture: cv2.VideoCapture) -> float | None:
    """Frames per second; None for what drivers and containers answer that do not know."""
    answer = capture.get(cv2.CAP_PROP_FPS)
    return answer if 0 < answer <= 1000 else None


def shown(source: Path | str | int) -> str:
    """How messages name a source: a URL without the passwords that it may hold.

    Those are before an "@", and in the query, which ``LEFT_OUT`` stands for.
    """
    if isinstance(source, int):
        return f"camera {source}"
    if isinstance(source, Path):
        return str(source)
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    # cameras take logins with "/", "?" and "#" in them, which only the last "@" ends
    login, _, address = rest.rpartition("@")
    if re.search(r"\?.*=", login):  # or is this "@" in a query? Then nothing is safe to show
        return f"{scheme}://{LEFT_OUT}"
    plain, *query = re.split(r"[?#&]", address, maxsplit=1)
    return f"{scheme}://{plain}{LEFT_OUT if query else ''}"


def _silence() -> None:
    """Nothing on stderr past Python's logging: what matters of it we say ourselves.

    For the whole process, since its threads cannot be told apart; a user's own settings are kept.
    """
    # FFmpeg: OpenCV looks at this when it opens its first video. 8: fatal errors only
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
