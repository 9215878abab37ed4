"""How fast video files are read: PyAV, as the tools do, beside OpenCV, and whether both are equal.

python benchmarks/reading.py [--frames 200] [--repeats 3]

Frames per second of H.264 at 480p and 1080p, decoded to RGB with one thread and with two; the best
of the repeats by the clock, and by the processor's time, which other programs disturb less.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

SIZES = {"480p": (480, 854), "1080p": (1080, 1920)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200, help="of each video")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    print(f"PyAV {av.__version__}, OpenCV {cv2.__version__}, {args.frames} frames")
    print("| video | threads | reader | frames/s | frames/s of processor time |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            path = _write(Path(folder) / f"{name}.mp4", size, args.frames)
            _check_equal(path)
            for threads in (1, 2):
                for reader, read in (("OpenCV", _with_opencv), ("PyAV", _with_pyav)):
                    wall, cpu = _rates(lambda r=read, t=threads, p=path: r(p, t), args.repeats)
                    print(f"| {name} | {threads} | {reader} | {wall:.0f} | {cpu:.0f} |")


def _write(path: Path, size: tuple[int, int], frames: int) -> Path:
    """A textured picture that drifts, with a disc that moves over it."""
    height, width = size
    noise = np.random.default_rng(0).integers(0, 256, (height + 100, width + 100, 3), np.uint8)
    ground = cv2.normalize(cv2.GaussianBlur(noise, (9, 9), 3), None, 0, 255, cv2.NORM_MINMAX)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "fast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for t in range(frames):
            left = t % 100
            frame = ground[left : left + height, left : left + width].copy()
            cv2.circle(frame, ((50 + 3 * t) % width, height // 2), height // 6, (255, 0, 0), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
    return path


def _with_opencv(path: Path, threads: int) -> int:
    setting = [cv2.CAP_PROP_N_THREADS, threads]
    capture, count = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, setting), 0
    while (answer := capture.read())[0]:
        cv2.cvtColor(answer[1], cv2.COLOR_BGR2RGB)
        count += 1
    return count


def _with_pyav(path: Path, threads: int) -> int:
    count = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        for frame in container.decode(stream):
            frame.to_ndarray(format="rgb24")
            count += 1
    return count


def _check_equal(path: Path) -> None:
    capture = cv2.VideoCapture(str(path))
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            other = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
            if not np.array_equal(frame.to_ndarray(format="rgb24"), other):
                raise SystemExit(f"{path.name}: frame {frame.pts} differs between the readers")


def _rates(read: Callable[[], int], repeats: int) -> tuple[float, float]:
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        count = read()
        walls.append(count / (time.perf_counter() - wall))
        cpus.append(count / (time.process_time() - cpu))
    return max(walls), max(cpus)


if __name__ == "__main__":
    main()
