"""Frames that come one after the other, of whatever source; ``frame_sources`` opens them."""

import logging
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mavos.dataloaders.media.captures import BrokenOff
from mavos.dataloaders.media.live_sources import LiveSource
from mavos.dataloaders.media.read_ahead import ReadAhead
from mavos.utils.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source; a damaged one has no image and says why in ``fault``."""

    index: int  # in the source, from 0, whatever is left out
    name: str  # stem of its picture file, or the index as "00042"
    image: np.ndarray | None  # (H, W, 3) uint8 RGB, upright
    fault: str | None = None
    time: float | None = None  # seconds after the start of its video file, where that has a clock


@dataclass(frozen=True)
class Selection:
    """Which frames of a source are wanted: those at start, start + every, ... before end."""

    start: int = 0
    end: int | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if self.start < 0:
            raise UserError(f"start must be 0 or more, got {self.start}")
        if self.every < 1:
            raise UserError(f"every must be 1 or more, got {self.every}")
        if self.end is not None and self.end <= self.start:
            raise UserError(f"end ({self.end}) must be above start ({self.start})")

    def __contains__(self, index: int) -> bool:
        is_inside = index >= self.start and (self.end is None or index < self.end)
        return is_inside and (index - self.start) % self.every == 0

    def of(self, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """The wanted ``items`` with their indices; takes none at or behind the end."""
        return (pair for pair in islice(enumerate(items), self.end) if pair[0] in self)

    def count(self, length: int) -> int:
        """How many of ``length`` frames are wanted."""
        end = length if self.end is None else min(self.end, length)
        return len(range(self.start, end, self.every))


class Frames:
    """The frames of one source, in order, once; close it or leave its ``with`` block.

    Iterating gives images and raises UserError at a damaged frame; the next ``next`` goes on
    behind it. ``named`` gives SourceFrames instead. Both may be taken in turn.
    """

    def __init__(
        self,
        name: str,
        items: Generator[SourceFrame],
        wanted: Selection,
        ahead: int = 0,
        source_length: int | None = None,
        frame_rate: float | None = None,
        audio: Path | None = None,
        live: LiveSource | None = None,
        pixel_aspect: Fraction | None = None,
    ) -> None:
        self.name = name  # of the source, fit for a file's name
        self.wanted = wanted
        self.source_length = source_length  # frames of the source, wanted or not
        self.frame_rate = frame_rate  # per second, of the frames that are given out
        self.audio = audio  # the file whose sound belongs to them
        self.pixel_aspect = pixel_aspect  # width of a pixel in its heights; None: square
        self.names: list[str] | None = None  # of all frames of the source, where it has names
        self.fault: str | None = None  # why ``named`` ended before the source should have
        self._live = live
        self._source: ReadAhead[SourceFrame] | Generator[SourceFrame] = items
        if ahead:
            self._source = ReadAhead(items, ahead, keep_newest=live is not None)
        self._taken = 0
        self._told_of_drops = False

    @property
    def length(self) -> int | None:
        """Number of frames that are given out, as far as it is known before the end."""
        return None if self.source_length is None else self.wanted.count(self.source_length)

    @cached_property
    def index_of(self) -> dict[str, int]:
        """Index in the source by name, where it has names."""
        return {name: index for index, name in enumerate(self.names or ())}

    @property
    def dropped(self) -> int:
        """Frames of a live source that came faster than they were used."""
        return self._source.dropped if self._live else 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Images, (H, W, 3) uint8 RGB, upright."""
        return self

    def __next__(self) -> np.ndarray:
        frame = self._take()
        if frame.image is None:
            raise UserError(f"frame {frame.index}: {frame.fault}")
        return frame.image

    def named(self) -> Iterator[SourceFrame]:
        """All frames, the damaged ones too. A source that breaks off in mid-video just ends.

        That is warned about and left in ``fault``. Raises UserError if there is no frame at all.
        """
        try:
            while (frame := self._next_or_none()) is not None:
                yield frame
        except BrokenOff as error:
            if not self._taken:
                raise
            self.fault = str(error)
            log.warning("%s", error)

    def stop(self) -> None:
        """No more frames are waited for, nor given out; a signal handler may call it.

        For sources that are read ahead. ``close`` has to follow.
        """
        if isinstance(self._source, ReadAhead):
            self._source.stop()

    def close(self) -> None:
        """Ends the thread; frames that wait are gone."""
        if self._live:
            self._live.close()
        self._source.close()

    def __enter__(self) -> "Frames":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _next_or_none(self) -> SourceFrame | None:
        try:
            return self._take()
        except StopIteration:
            return None

    def _take(self) -> SourceFrame:
        frame = next(self._source)
        self._taken += 1
        if self.dropped and not self._told_of_drops:
            self._told_of_drops = True
            log.warning(
                "%s: frames come faster than they are used; old ones are dropped", self.name
            )
        return frame
