"""Frames out of a video file, one after the other, with their times."""

import heapq
from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mavos.dataloaders.media.captures import shown
from mavos.dataloaders.media.containers import (
    open_media,
    open_video,
    packets,
    pixel_aspect,
    report,
)
from mavos.dataloaders.media.footage import Footage, Moment
from mavos.utils.cores import cores
from mavos.utils.pixel_limit import most_pixels

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.stream import VideoStream

_MOST_THREADS = 4  # that decode; each holds a frame, and a network is slower than two of them
_MOST_DAMAGED = 10_000  # packets in a row, after which nothing good is expected
_MATRIX = "DISPLAYMATRIX"  # side data of a frame
_USUAL_RATE = 25.0  # frames per second where a file says nothing
_SAME_RATE = 0.02  # share in which the usual and the mean rate of a steady video may differ


class VideoFile(Footage):
    """A video file that PyAV decodes.

    source: path of a file, or the http(s) URL of one. Raises UserError if it cannot be opened as a
    video.
    """

    def __init__(self, source: Path | str) -> None:
        self.name, self._source = shown(source), source
        self._container, stream = open_video(source)
        survey = _survey(source, stream)
        self.announced, self.frame_rate = survey.frames, survey.rate
        self.pixel_aspect = pixel_aspect(stream)
        report(stream, self.name)
        self._prepare(stream, min(_MOST_THREADS, cores()))

    def moments(self) -> Generator[Moment]:
        given = 0
        try:
            for moment in self._moments():
                yield moment
                given += 1
        except _FaultAmongThreads:
            self._container.close()
            self._container, stream = open_video(self._source)
            self._prepare(stream, 1)
            yield from islice(self._moments(), given, None)

    def close(self) -> None:
        self._container.close()

    def _prepare(self, stream: "VideoStream", threads: int) -> None:
        """Ready to decode from the first frame on."""
        self._stream, self._threads = stream, threads
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        # the size may change in mid-video
        stream.codec_context.options = {"max_pixels": str(most_pixels())}
        self._due: list[int] = []  # times of packets that no frame came of yet, a heap
        self._faults = 0  # packets that could not be decoded and are not yet among the lost frames

    def _moments(self) -> Iterator[Moment]:
        clock = _Clock(self._stream, 1 / (self.frame_rate or _USUAL_RATE))
        for frame in self._decoded():
            for pts in self._lost_before(frame.pts):
                yield Moment(clock.time_of(pts), None)
            yield Moment(clock.time_of(frame.pts), partial(_upright, frame))

    def _decoded(self) -> Iterator["VideoFrame"]:
        """Frames in the order in which they are shown; damage is counted in ``_faults``."""
        import av

        in_a_row = 0
        for packet in packets(self._container, self._stream):
            if packet.size and packet.pts is not None and not packet.is_discard:
                heapq.heappush(self._due, packet.pts)
            try:
                frames = packet.decode()
            except (av.FFmpegError, ValueError) as error:
                if self._threads > 1:
                    raise _FaultAmongThreads from error
                self._faults, in_a_row = self._faults + 1, in_a_row + 1
                if in_a_row > _MOST_DAMAGED:
                    return
                continue
            in_a_row = 0 if frames else in_a_row
            yield from frames

    def _lost_before(self, pts: int | None) -> list[int | None]:
        """Times of the frames that should have come before the one at ``pts``, but are damaged.

        A packet that no frame comes of is damaged only if decoding one failed: some are never
        shown, others lie before a picture that they need.
        """
        if pts is None:
            lost, self._faults = self._faults, 0
            return [None] * lost
        missed = []
        while self._due and self._due[0] <= pts:
            time = heapq.heappop(self._due)
            if time < pts:
                missed.append(time)
        missed = missed[: self._faults]
        self._faults -= len(missed)
        return missed


class _FaultAmongThreads(Exception):
    """A frame is damaged, and others that were decoded at the same time may be gone with it."""


class _Clock:
    """Times of frames in seconds: they go on where those of a file jump back or are not there."""

    def __init__(self, stream: "VideoStream", step: float) -> None:
        self._unit, self._step = stream.time_base, step
        self._start = stream.start_time
        self._last: float | None = None
        self._shift = 0.0

    def time_of(self, pts: int | None) -> float | None:
        if pts is None:
            self._last = None if self._last is None else self._last + self._step
            return self._last
        if self._start is None or (self._last is None and pts < self._start):
            self._start = pts
        time = float((pts - self._start) * self._unit) + self._shift
        if self._last is not None and time <= self._last:
            self._shift += self._last + self._step - time
            time = self._last + self._step
        self._last = time
        return time


class Survey(NamedTuple):
    frames: int  # 0: unknown
    rate: float | None  # frames per second


def _survey(source: Path | str, stream: "VideoStream") -> Survey:
    """How many frames there are, and how fast: of the header, or, where that is silent, counted."""
    entries = stream.index_entries
    in_index = len(entries)
    if stream.frames and stream.frames >= in_index:
        hidden = sum(entry.is_discard for entry in entries)  # cut out by an edit list
        return Survey(stream.frames - hidden, _rate(stream, stream.average_rate))
    if isinstance(source, str):  # all of it would have to be fetched
        return Survey(stream.frames, _rate(stream, stream.average_rate))
    return _count(source, stream)


def _count(path: Path, stream: "VideoStream") -> Survey:
    """By a walk over the packets of the file, which takes as long as reading it."""
    times, count, end = [], 0, Fraction(0)
    with open_media(path) as container:
        for packet in packets(container):
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is not None:
                begin = packet.pts * packet.time_base
                end = max(end, begin + (packet.duration or 0) * packet.time_base)
            if packet.stream_index == stream.index:
                count += 1
                if packet.pts is not None:
                    times = [min([begin, *times[:1]]), max([begin, *times[1:]])]
        announced = Fraction(container.duration or 0, 1_000_000)
        start = Fraction(container.start_time or 0, 1_000_000)
    mean = None
    if times and times[1] > times[0]:
        mean = (count - 1) / (times[1] - times[0])
    # a file that was cut off still has the duration that was written when it was whole
    if mean and times[0] < end < start + announced:
        count += round((start + announced - end) * mean)
    return Survey(count, _rate(stream, mean))


def _rate(stream: "VideoStream", mean: Fraction | None) -> float | None:
    """The rate of a steady video, the mean one of another; None for what no video has."""
    usual = stream.guessed_rate
    if usual and mean and abs(usual - mean) > _SAME_RATE * usual:
        usual = mean
    rate = float(usual or mean or 0)
    return rate if 0 < rate <= 1000 else None


def _upright(frame: "VideoFrame") -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as the file says: phones store pictures lying."""
    picture = frame.to_ndarray(format="rgb24")
    matrix = next((bytes(data) for data in frame.side_data if data.type.name == _MATRIX), None)
    if matrix is None:
        return picture
    # x' = a x + c y, y' = b x + d y
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32)
    if abs(int(b)) > abs(int(a)):
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
