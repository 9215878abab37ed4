"""Frames out of a video file, one after the other."""

import logging
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from mavos.dataloaders.media.captures import BrokenOff, frame_count, frame_rate, open_capture, shown
from mavos.utils.errors import UserError

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".webm", ".mkv", ".m4v"})

_MOST_DAMAGED = 10_000  # frames in a row, after which nothing good is expected

logger = logging.getLogger(__name__)


class VideoFile:
    """A video file that is read once, from its first frame on; never more than a frame in memory.

    path: of a file, or the http(s) URL of one. Raises UserError if it cannot be opened as a video.
    """

    def __init__(self, path: Path | str) -> None:
        self._is_local = isinstance(path, Path)
        if self._is_local and not path.is_file():
            raise UserError(f"{path}: no such video file; check the path")
        self._path = shown(path)
        self._capture = open_capture(path)
        if not self._capture.isOpened():
            size = f" ({path.stat().st_size} bytes)" if self._is_local else ""
            raise UserError(
                f"{self._path}: cannot be opened as a video{size}. It may be cut "
                "off, empty or of an unknown codec: copy it again, or extract its frames to a "
                "folder with ffmpeg"
            )
        # phones store pictures lying and the turn as metadata
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self._decoded = 0
        self._lost = 0  # frames that could not be decoded, with others behind them
        self._ended = False

    @property
    def announced(self) -> int:
        """Number of frames the file says it has; 0 if it does not say."""
        return frame_count(self._capture)

    @property
    def frame_rate(self) -> float | None:
        """Frames per second; None if the file does not say."""
        return frame_rate(self._capture)

    def read(self) -> np.ndarray | None:
        """Next frame, (H, W, 3) uint8 RGB, upright; None at the end of the file.

        Raises BrokenOff if the end comes long before the announced number of frames.
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

    def walk(self) -> Iterator[bool]:
        """Goes from frame to frame; yields whether each can be decoded, ``picture`` then gives it.

        Takes the place of ``read`` where damage in the middle should not be the end. Raises
        BrokenOff if the end comes long before the announced number of frames.
        """
        while (lost := self._go_on()) is not None:
            yield from repeat(False, lost)
            yield True
        self._check_count()

    def picture(self) -> np.ndarray:
        """The frame that ``walk`` is at, (H, W, 3) uint8 RGB, upright."""
        return cv2.cvtColor(self._capture.retrieve()[1], cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        self._capture.release()

    def _go_on(self) -> int | None:
        """Goes to the next frame that can be decoded, over how many others; None at the end."""
        # OpenCV answers the same for a damaged frame and for the end of the file; behind a damaged
        # one it goes on. On a network each further attempt may take long. The number may be wrong.
        left = self.announced - self._decoded - self._lost if self._is_local else 1
        for lost in range(max(1, min(left, _MOST_DAMAGED))):
            if self._capture.grab():
                self._decoded += 1
                self._lost += lost
                return lost
        return None

    def _check_count(self) -> None:
        # Containers without an index announce duration times rate, good to a frame or two, or to a
        # small fraction where the rate varies; a cut-off file lacks far more.
        missing = self.announced - self._decoded - self._lost
        tolerated = max(2, self.announced // 50)
        if self._decoded == 0 or missing > tolerated:
            raise BrokenOff(
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
