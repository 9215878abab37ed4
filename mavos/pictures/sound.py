"""The sound of one media file into another, cut to the length of its picture."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer, OutputContainer

log = logging.getLogger(__name__)

_COPIED = ("aac", "mp3", "opus", "flac")  # what .mp4 holds and browsers play; else AAC is made
_SAMPLE_RATE = 48_000  # of AAC that is made here


class SoundTrack:
    """The first sound of a file, on its way into an open container; see ``of``.

    Sound that cannot be read ends where it cannot, with a warning: a video without is better than
    none.
    """

    @classmethod
    def of(cls, path: Path, output: "OutputContainer", start: float) -> "SoundTrack | None":
        """Of the file ``path`` from second ``start`` of its picture on; None if it has none
        that can be decoded.

        To be called before anything is written to ``output``.
        """
        import av

        try:
            source = av.open(str(path))
        except (av.FFmpegError, OSError) as error:
            log.warning("%s: its sound is left out, it cannot be read (%s)", path, error.strerror)
            return None
        if not source.streams.audio or source.streams.audio[0].codec_context is None:
            source.close()
            return None
        return cls(path, source, output, start)

    def __init__(
        self, path: Path, source: "InputContainer", output: "OutputContainer", start: float
    ) -> None:
        import av

        self._path, self._source, self._output = path, source, output
        self._errors = av.FFmpegError
        self._input = source.streams.audio[0]
        self._is_copied = self._input.codec.canonical_name in _COPIED
        if self._is_copied:
            self._stream = output.add_stream_from_template(self._input)
        else:
            self._stream = output.add_stream("aac", rate=_SAMPLE_RATE)
            # some files name no arrangement of their channels, and some have six
            self._stream.layout = "mono" if self._input.channels == 1 else "stereo"
        video = source.streams.video[0] if source.streams.video else self._input
        shift = (video.start_time or 0) * video.time_base
        self._start = Fraction(start).limit_denominator(1_000_000) + shift
        self._packets = self._cut()
        self._next: tuple[Fraction, Packet] | None = next(self._packets, None)

    def copy_until(self, seconds: Fraction) -> None:
        """Write what sounds before this time of the new video."""
        while self._next is not None and self._next[0] < seconds:
            self._output.mux(self._next[1])
            self._next = next(self._packets, None)

    def finish(self, seconds: Fraction) -> None:
        self.copy_until(seconds)
        self.close()

    def close(self) -> None:
        self._packets.close()
        self._source.close()

    def _cut(self) -> Iterator[tuple[Fraction, "Packet"]]:
        """Packets for the new file, with their times in it, from the start on."""
        fault, last = None, None
        rate = self._input.rate or _SAMPLE_RATE
        try:
            for time, packet in self._copied() if self._is_copied else self._encoded():
                # an .mp4 counts in samples; joined files jump back
                sample = round(packet.pts * packet.time_base * rate)
                if last is not None and sample <= last:
                    fault = "its time stamps jump back"
                    break
                last = sample
                yield time, packet
        except self._errors as error:
            fault = error.strerror
        if fault is not None:
            log.warning("%s: the rest of its sound is left out (%s)", self._path, fault)

    def _copied(self) -> Iterator[tuple[Fraction, "Packet"]]:
        shift = None
        for packet in self._source.demux(self._input):
            if packet.pts is None:  # the empty one at the end
                continue
            time = packet.pts * packet.time_base - self._start
            if time < 0:
                continue
            if shift is None:
                shift = round(self._start / packet.time_base)
            packet.pts -= shift
            packet.dts = packet.pts  # sound is never reordered
            packet.stream = self._stream
            yield time, packet

    def _encoded(self) -> Iterator[tuple[Fraction, "Packet"]]:
        samples = 0
        for frame in self._source.decode(self._input):
            if frame.pts is not None and frame.pts * frame.time_base < self._start:
                continue
            frame.pts, frame.time_base = samples, Fraction(1, frame.sample_rate)
            samples += frame.samples
            yield from _with_times(self._stream.encode(frame))
        yield from _with_times(self._stream.encode(None))


def _with_times(packets: list["Packet"]) -> Iterator[tuple[Fraction, "Packet"]]:
    return ((packet.pts * packet.time_base, packet) for packet in packets)
