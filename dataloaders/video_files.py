"""Frames out of a video file, one after the other."""

import logging
import os
from pathlib import Path

import cv2
import numpy as np

from utils.errors import UserError

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".webm", ".mkv", ".m4v"})

logger = logging.getLogger(__name__)


class VideoFile:
    """A video file that is read once, from its first frame on; never more than a frame in memory.

    Raises UserError if the file cannot be opened as a video.
    """

    def __init__(self, path: Path) -> None:
        # FFmpeg writes to stderr past Python's logging; what matters of it we say ourselves. OpenCV
        # looks at this variable when it opens its first video; a user's own setting is kept.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")  # 8: fatal errors only
        if not path.is_file():
            raise UserError(f"{path}: no such video file; check the path")
        self._path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise UserError(
                f"{path}: cannot be opened as a video ({path.stat().st_size} bytes). It may be cut "
                "off, empty or of an unknown codec: copy it again, or extract its frames to a "
                "folder with ffmpeg"
            )
        # phones store pictures lying and the turn as metadata
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self._decoded = 0
        self._ended = False

    @property
    def announced(self) -> int:
        """Number of frames the file says it has; 0 or less if it does not say."""
        return int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def read(self) -> np.ndarray | None:
        """Next frame, (H, W, 3) uint8 RGB, upright; None at the end of the file.

        Raises UserError if the end comes long before the announced number of frames.
        """
        if self._ended:
            return None
        there_is_one, frame = self._capture.read()
        if not there_is_one:
            self._ended = True
            self._check_count()
            return None
        self._decoded += 1
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def skip(self) -> bool:
        """Drops the next frame; False at the end of the file."""
        return self._capture.grab()

    def close(self) -> None:
        self._capture.release()

    def _check_count(self) -> None:
        # Containers without an index announce duration times rate, good to a frame or two, or to a
        # small fraction where the rate varies; a cut-off file lacks far more.
        missing = self.announced - self._decoded
        tolerated = max(2, self.announced // 50)
        if self._decoded == 0 or missing > tolerated:
            raise UserError(
                f"{self._path}: only {self._decoded} of {self.announced} announced frames can be "
                "decoded, the file is cut off or damaged. Results of the decoded frames are kept; "
                "for the rest, copy the file again or encode it anew with ffmpeg"
            )
        if missing > 0:
            logger.warning(
                "%s: %d frames decoded, %d announced", self._path, self._decoded, self.announced
            )


def count_frames(path: Path) -> int:
    """Announced number of frames, or counted by decoding where the file does not announce it."""
    video = VideoFile(path)
    try:
        if video.announced > 0:
            return video.announced
        count = 0
        while video.skip():
            count += 1
        if count == 0:
            raise UserError(
                f"{path}: no frame in this video; copy the file again or encode it anew"
            )
        return count
    finally:
        video.close()
