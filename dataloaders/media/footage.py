"""What all files of several pictures have in common, whatever decodes them."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mavos.dataloaders.media.captures import BrokenOff

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moment:
    """A frame that was reached; its picture is made when asked for, before the next is reached."""

    time: float | None  # seconds after the start of the video; None where the file has no clock
    picture: Callable[[], np.ndarray] | None  # -> (H, W, 3) uint8 RGB, upright; None: damaged


class Footage(ABC):
    """A file that is read once, from its first frame on; never more than a few in memory."""

    name: str  # for messages
    announced: int  # number of frames that the file says it has; 0 if it does not say
    frame_rate: float | None  # per second; None if the file does not say
    pixel_aspect: Fraction | None = None  # width of a pixel in its heights; None: square
    _walk: Generator[Moment] | None = None

    @abstractmethod
    def moments(self) -> Generator[Moment]:
        """Goes from frame to frame, the damaged ones too, to the end of the file."""

    @abstractmethod
    def close(self) -> None: ...

    def walk(self) -> Generator[Moment]:
        """``moments``; raises BrokenOff if the end comes long before the announced number."""
        decoded = lost = 0
        for moment in self.moments():
            decoded += moment.picture is not None
            lost += moment.picture is None
            yield moment
        check_count(self.name, self.announced, decoded, lost)

    def read(self) -> np.ndarray | None:
        """Next frame, (H, W, 3) uint8 RGB, upright; None at the end of the file.

        The first damaged frame ends it. Raises BrokenOff if the end comes long before the announced
        number of frames.
        """
        if self._walk is None:
            self._walk, self._read = self.walk(), 0
        moment = next(self._walk, None)
        if moment is None:
            return None
        if moment.picture is None:
            self._walk.close()
            check_count(self.name, self.announced, self._read)
            return None
        self._read += 1
        return moment.picture()


def check_count(name: str, announced: int, decoded: int, lost: int = 0) -> None:
    """Raises BrokenOff if far fewer frames came than announced; lost: damaged, others behind."""
    # Containers without an index announce duration times rate, good to a frame or two, or to a
    # small fraction where the rate varies; a cut-off file misses far more.
    missing = announced - decoded - lost
    tolerated = max(2, announced // 50)
    if decoded == 0 or missing > tolerated:
        raise BrokenOff(
            f"{name}: only {decoded} of {announced} announced frames can be decoded, the file is "
            "cut off or damaged. Results of the decoded frames are kept; for the rest, copy the "
            "file again or encode it anew with ffmpeg"
        )
    if missing > 0:
        log.warning("%s: %d frames decoded, %d announced", name, decoded, announced)
