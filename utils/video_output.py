"""Frames to a video file."""

import contextlib
import os
import threading
from pathlib import Path

import cv2
import numpy as np

from utils.errors import OutputError, UserError
from utils.files import atomic_path

# H.264 plays everywhere, but most builds of OpenCV lack its encoder. MPEG-4 plays in players, not
# in browsers; VP9 plays in both but takes a hundred times as long: 0.3 s a frame at 854x480.
_CODECS = ("avc1", "mp4v")
_BROWSER_CODECS = ("avc1", "vp09", "mp4v")


class VideoWriter:
    """An .mp4 written frame by frame, which appears, whole, when the block ends well.

        with VideoWriter(folder / "dog.mp4", frames_per_second=24) as video:
            video.write(frame)

    A block left through an exception leaves no file, or the older one of that name. Leaving it
    raises UserError if no frame was written and OutputError if the file cannot be.
    """

    def __init__(
        self, path: Path, frames_per_second: float = 24.0, for_browser: bool = False
    ) -> None:
        """for_browser: where there is no H.264, take VP9, which is slow, before MPEG-4."""
        if path.suffix.lower() != ".mp4":
            raise UserError(f"{path}: videos are written as .mp4; choose a name that ends so")
        if not frames_per_second > 0:
            raise ValueError(f"frames_per_second must be positive, got {frames_per_second}")
        self.codec = ""  # four letters, known once a frame is written
        self._path = path
        # the suffix tells FFmpeg the kind of file, so atomic_path's own name will not do
        writer_id = f"{os.getpid()}-{threading.get_ident()}"
        self._partial = path.with_name(f".{path.stem}.{writer_id}.mp4")
        self._frames_per_second = frames_per_second
        self._codecs = _BROWSER_CODECS if for_browser else _CODECS
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()
        self._written = 0

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, (H, W, 3) uint8 RGB; an odd height or width grows by a pixel.

        Raises ValueError for another type or size than the first, OutputError if there is no
        permission to write the file or no codec to write it with.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"frames must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
        if self._written and frame.shape != self._shape:
            raise ValueError(f"frame {self._written} is {frame.shape}, the first {self._shape}")
        height, width = frame.shape[:2]
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        if height % 2 or width % 2:  # codecs store colour at half the resolution
            bgr = cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._writer is None:
            self._shape = frame.shape
            self._writer = self._open(bgr.shape[1], bgr.shape[0])
        self._writer.write(bgr)
        self._written += 1

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, exc_type, exc, traceback) -> None:
        try:
            if self._writer is not None:
                self._writer.release()
            if exc_type is None:
                self._check()
                with atomic_path(self._path) as place:
                    os.replace(self._partial, place)
        finally:
            with contextlib.suppress(OSError):  # mostly it is not there any more
                self._partial.unlink()

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        with atomic_path(self._partial) as place:  # tells what is wrong with the folder
            place.touch()
        # As in the reader: FFmpeg writes to stderr past Python's logging.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")  # 8: fatal errors only
        logging = cv2.utils.logging
        level = logging.getLogLevel()
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)  # a codec that is not there is no news
        try:
            for codec in self._codecs:
                fourcc = cv2.VideoWriter.fourcc(*codec)
                writer = cv2.VideoWriter(
                    str(self._partial), fourcc, self._frames_per_second, (width, height)
                )
                if writer.isOpened():
                    self.codec = codec
                    return writer
        finally:
            logging.setLogLevel(level)
        raise OutputError(
            f"cannot write {self._path}: this build of OpenCV {cv2.__version__} has none of the "
            f"video codecs {', '.join(self._codecs)}; pip install opencv-python, or write pictures"
        )

    def _check(self) -> None:
        """OpenCV does not tell of a full disk; a file that lacks frames does."""
        if self._written == 0:
            raise UserError(f"no frame to write to {self._path}")
        reader = cv2.VideoCapture(str(self._partial))
        found = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if found < self._written:
            raise OutputError(
                f"cannot write {self._path}: {found} of {self._written} frames arrived; "
                "free some space or choose a folder on another disk"
            )
