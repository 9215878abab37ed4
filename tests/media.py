"""Makes small video files with sound."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SAMPLE_RATE = 48_000


def write_clip(
    path: Path,
    pictures: list[np.ndarray] | None = None,
    length: int = 12,
    rate: int | Fraction = 10,
    sound: str | None = None,
    tone: tuple[float, float] = (0.0, 1e9),
) -> Path:
    """A video of ``pictures``, or of ``length`` grey ones; every frame can be decoded by itself.

    sound: an encoder of it. It is a tone between the seconds ``tone``, and silence elsewhere.
    """
    if pictures is None:
        pictures = [np.full((48, 64, 3), 10 + 10 * (i % 24), np.uint8) for i in range(length)]
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=rate)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.gop_size, video.bit_rate = "yuv420p", 1, 2_000_000
        audio = None
        if sound is not None:
            audio = container.add_stream(sound, rate=SAMPLE_RATE)
            audio.layout = "mono"
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(_tone(len(pictures) / rate, tone)))
            container.mux(audio.encode(None))
    return path


def _tone(seconds: float | Fraction, tone: tuple[float, float]) -> av.AudioFrame:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    samples = 8000 * np.sin(2 * np.pi * 440 * times)
    samples[(times < tone[0]) | (times >= tone[1])] = 0
    frame = av.AudioFrame.from_ndarray(samples.astype(np.int16)[None], "s16", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    return frame
