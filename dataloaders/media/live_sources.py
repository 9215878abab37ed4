"""Cameras and network streams: pictures that come whether or not somebody takes them."""

import logging
import threading
from collections.abc import Generator

import cv2
import numpy as np

from mavos.dataloaders.media.captures import BrokenOff, frame_count, frame_rate, open_capture, shown
from mavos.utils.errors import UserError

log = logging.getLogger(__name__)

_ATTEMPTS = 5  # to connect again, one after the other without a picture between them
_PAUSE = 1.0  # seconds before the first of them; each later one waits a second longer


class LiveSource:
    """A camera (its index) or a stream (its URL). Raises UserError if it cannot be opened."""

    def __init__(self, address: int | str) -> None:
        self.name = shown(address)
        self._address = address
        self._closed = threading.Event()
        self._capture = open_capture(address)
        if not self._capture.isOpened():
            raise UserError(
                f"{self.name}: cannot be opened; check that it is connected and switched on, that "
                "you may use it, and that no other program does"
            )

    @property
    def frame_rate(self) -> float | None:
        """Frames per second as the source says; None if it does not know."""
        return frame_rate(self._capture)

    @property
    def is_file(self) -> bool:
        """Whether its length is known, as that of a file, which begins anew at each opening."""
        return isinstance(self._address, str) and frame_count(self._capture) > 0

    def pictures(self) -> Generator[np.ndarray]:
        """Yields (H, W, 3) uint8 RGB until ``close``; connects again when the stream breaks off.

        Ends where that would begin anew. Raises BrokenOff when it does not help.
        """
        seen, attempts = 0, 0
        try:
            while not self._closed.is_set():
                there_is_one, picture = self._capture.read()
                if there_is_one:
                    seen, attempts = seen + 1, 0
                    yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                    continue
                attempts += 1
                if attempts > _ATTEMPTS:
                    raise BrokenOff(
                        f"{self.name}: broke off after {seen} frames and did not come back in "
                        f"{_ATTEMPTS} attempts; check the connection and start again"
                    )
                self._connect_again(attempts)
                if self.is_file:
                    log.warning("%s: ended after %d frames; it would begin anew", self.name, seen)
                    return
        finally:
            self._capture.release()

    def close(self) -> None:
        """Ends ``pictures`` soon, from another thread."""
        self._closed.set()

    def release(self) -> None:
        """Let go of a source that no picture is wanted of."""
        self._capture.release()

    def _connect_again(self, attempt: int) -> None:
        log.warning("%s: broke off; connecting again (%d of %d)", self.name, attempt, _ATTEMPTS)
        self._capture.release()
        if not self._closed.wait(_PAUSE * attempt):
            self._capture = open_capture(self._address)
