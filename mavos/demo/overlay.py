"""The overlay video and the pictures of the contact sheet, drawn beside the network."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from mavos.demo.thumbnails import Thumbnails
from mavos.pictures.drawing import overlay
from mavos.pictures.video_output import VideoWriter

_MOST_WAITING = 8  # frames


class OverlayWriter:
    """Draws and encodes in a thread of its own.

    Leaving the block waits for every frame. What went wrong in the thread is raised by the next
    ``write``, or on leaving the block. One left through an exception finishes what it was given.
    """

    def __init__(self, video: VideoWriter, thumbnails: Thumbnails) -> None:
        self._video, self._thumbnails = video, thumbnails
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="overlay")
        self._pending: deque[Future[None]] = deque()

    def write(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        caption: str,
        missing: int = 0,
        time: float | None = None,
    ) -> None:
        """Schedule a frame, (H, W, 3) uint8 RGB, with its labels, (H, W).

        missing: frames that were dropped before it, which take their time in the video. time: when
        it is shown, in seconds; None: at the frame rate. Waits while too many are pending. The
        arrays must not change any more.
        """
        while self._pending and (len(self._pending) >= _MOST_WAITING or self._pending[0].done()):
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._draw, image, labels, caption, missing, time))

    def __enter__(self) -> "OverlayWriter":
        return self

    def __exit__(self, exc_type, exc, traceback) -> None:
        self._pool.shutdown(wait=True)
        while exc_type is None and self._pending:
            self._pending.popleft().result()

    def _draw(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        caption: str,
        missing: int,
        time: float | None,
    ) -> None:
        self._thumbnails.offer(image, labels, caption)
        self._video.write(overlay(image, labels, show_ids=True), missing, time)
