"""Frames, and the sound of another file, to a video file that browsers play."""

import contextlib
import logging
import math
import os
import threading
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from mavos.pictures.sound import SoundTrack
from mavos.utils.errors import OutputError, UserError
from mavos.utils.files import atomic_path

log = logging.getLogger(__name__)

_CODECS = ("h264", "mpeg4")  # the second one is in every build; players have it, browsers do not
# x264: half a step below its usual quality of 23, since outlines are thin; fast, for it runs beside
# a network
_H264_OPTIONS = {"crf": "20", "preset": "veryfast"}
_OTHER_BITS_PER_PIXEL = 0.3
# What the conversion to YUV does (BT.601, limited range), stated in the file, or players guess.
_MATRIX_BT601, _PRIMARIES_BT709, _CURVE_SRGB, _RANGE_LIMITED = 6, 1, 13, 1
_TICKS = 100  # of the clock in the time of a frame, where frames have times of their own
_STEADY = 0.15  # share of it by which a time may be off and still counts as that of a steady rate
_LARGEST_DENOMINATOR = 65_535  # of a frame rate; 30000/1001 and its fractions are exact with it


class VideoWriter:
    """An .mp4 written frame by frame, which appears, whole, when the block ends.

        with VideoWriter(folder / "dog.mp4", frames_per_second=24) as video:
            video.write(frame)

    A block left through an exception leaves no file, or the older one of that name; with
    ``keep_partial`` it leaves what was written so far. Leaving the block raises UserError if no
    frame was written and OutputError if the file cannot be.
    """

    def __init__(
        self,
        path: Path | str,
        frames_per_second: float = 24.0,
        audio_from: Path | None = None,
        audio_start: float = 0.0,
        keep_partial: bool = False,
        pixel_aspect: Fraction | None = None,
    ) -> None:
        """audio_from: a media file whose sound is taken along, if it has any, from the second
        ``audio_start`` of its picture on, for as long as there are frames. pixel_aspect: width of a
        pixel in its heights; None: 1."""
        path = Path(path)
        if path.suffix.lower() != ".mp4":
            raise UserError(f"{path}: videos are written as .mp4; choose a name that ends so")
        if not 0 < frames_per_second < math.inf:
            raise ValueError(f"frames_per_second must be positive, got {frames_per_second}")
        self._av = _import_av()
        self._path = path
        # the suffix tells FFmpeg the kind of file, so atomic_path's own name will not do
        writer_id = f"{os.getpid()}-{threading.get_ident()}"
        self._partial = path.with_name(f".{path.stem}.{writer_id}.mp4")
        self._rate = Fraction(frames_per_second).limit_denominator(_LARGEST_DENOMINATOR)
        self._audio_from, self._audio_start = audio_from, audio_start
        self._keep_partial, self._pixel_aspect = keep_partial, pixel_aspect
        self._container = self._stream = self._sound = None
        self._shape: tuple[int, ...] = ()
        self._frame: np.ndarray  # the last one
        self._written = 0
        self._ticks = 1  # in the time of a frame
        self._first_time = 0.0  # seconds
        self._end = Fraction(0)  # of the last frame, in seconds
        self._is_broken = False

    def write(self, frame: np.ndarray, missing: int = 0, time: float | None = None) -> None:
        """Append a frame, (H, W, 3) uint8 RGB; an odd height or width grows by a pixel.

        missing: frames that should come before this one but do not; the last one is repeated in
        their place. time: when it is shown, in seconds of any clock; None: behind the last one at
        the frame rate. Raises ValueError for another type or size than the first, or if none is
        there to be repeated; OutputError if the file cannot be written.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"frames must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
        if self._written and frame.shape != self._shape:
            raise ValueError(f"frame {self._written} is {frame.shape}, the first {self._shape}")
        if missing and not self._written:
            raise ValueError(f"missing = {missing}, but no frame comes before that stands for them")
        if self._is_broken:
            raise OutputError(f"cannot write {self._path}: it broke off before")
        height, width = frame.shape[:2]
        if height % 2 or width % 2:  # codecs store colour at half the resolution
            grown = 0, height % 2, 0, width % 2
            frame = cv2.copyMakeBorder(frame, *grown, cv2.BORDER_REPLICATE)
        with self._faults_as_output_errors():
            if self._container is None:
                self._shape = (height, width, 3)
                if time is not None:
                    self._ticks, self._first_time = _TICKS, time
                self._open(frame.shape[1], frame.shape[0])
            for _ in range(missing):
                self._encode(None)
            self._frame = np.ascontiguousarray(frame)
            self._encode(time)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, exc_type, exc, traceback) -> None:
        try:
            if exc_type is None:
                self._finish()
            elif self._keep_partial and self._written and not self._is_broken:
                try:
                    self._finish()
                except OutputError as error:  # another exception is on its way to the caller
                    log.error("%s", error)
        finally:
            self._abandon()

    def _encode(self, time: float | None) -> None:
        """The current frame, once."""
        picture = self._av.VideoFrame.from_ndarray(self._frame, "rgb24")
        picture.pts, picture.time_base = self._tick_of(time), self._tick
        self._container.mux(self._stream.encode(picture))
        self._written += 1
        self._end = picture.pts * self._tick + 1 / self._rate
        if self._sound is not None:
            self._sound.copy_until(self._end)

    @property
    def _tick(self) -> Fraction:
        """Unit of the file's clock, in seconds."""
        return 1 / (self._rate * self._ticks)

    def _tick_of(self, time: float | None) -> int:
        """A time in the file's clock; those of a steady video come at its exact rate."""
        next_free = round(self._end / self._tick) if self._written else 0
        if time is None or self._ticks == 1:
            return next_free
        frames = (time - self._first_time) * float(self._rate)
        if abs(frames - round(frames)) <= _STEADY:
            frames = round(frames)
        # two frames never have one time
        return max(round(frames * self._ticks), next_free - self._ticks + 1 if self._written else 0)

    def _open(self, width: int, height: int) -> None:
        with atomic_path(self._partial) as place:  # raises what is wrong with the folder
            place.touch()
        codec = self._codec()
        self._container = self._av.open(str(self._partial), "w", options={"movflags": "+faststart"})
        is_x264 = codec == "libx264"
        self._stream = stream = self._container.add_stream(
            codec, rate=self._rate, options=_H264_OPTIONS if is_x264 else {}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = self._tick
        if self._pixel_aspect is not None:
            context.sample_aspect_ratio = self._pixel_aspect
        context.colorspace, context.color_range = _MATRIX_BT601, _RANGE_LIMITED
        context.color_primaries, context.color_trc = _PRIMARIES_BT709, _CURVE_SRGB
        if not is_x264:
            stream.bit_rate = int(_OTHER_BITS_PER_PIXEL * width * height * self._rate)
        if self._audio_from is not None:
            self._sound = SoundTrack.of(self._audio_from, self._container, self._audio_start)

    def _codec(self) -> str:
        """Name of the best encoder there is."""
        for name in _CODECS:
            try:
                codec = self._av.Codec(name, "w").name
            except self._av.codec.codec.UnknownCodecError:
                continue
            if name != _CODECS[0]:
                log.warning(
                    "%s: this build of PyAV has no encoder for H.264; written as MPEG-4, which "
                    "players have and browsers do not",
                    self._path,
                )
            return codec
        raise OutputError(
            f"cannot write {self._path}: this build of PyAV {self._av.__version__} has none of the "
            f"video encoders {', '.join(_CODECS)}; pip install --force-reinstall av"
        )

    def _finish(self) -> None:
        if self._written == 0:
            raise UserError(f"no frame to write to {self._path}")
        with self._faults_as_output_errors():
            self._container.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.finish(self._end)
            self._container.close()
            self._container = None
            with atomic_path(self._path) as place:
                os.replace(self._partial, place)

    def _abandon(self) -> None:
        """Close and remove what has not become the file."""
        if self._sound is not None:
            self._sound.close()
        if self._container is not None:
            with contextlib.suppress(self._av.FFmpegError, OSError):
                self._container.close()
        with contextlib.suppress(OSError):  # mostly it is not there any more
            self._partial.unlink()

    @contextlib.contextmanager
    def _faults_as_output_errors(self):
        try:
            yield
        except self._av.FFmpegError as error:
            self._is_broken = True  # FFmpeg crashes where writing continues after a fault
            raise OutputError(
                f"cannot write {self._path}: {error.strerror}; check that there is space on the "
                "disk and that frames are of a usual size"
            ) from error


def _import_av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise UserError("writing a video needs the package av: pip install av") from error
    return av
