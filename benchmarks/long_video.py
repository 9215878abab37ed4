"""Resident memory and time per frame along a long video, from files to labels.

    python benchmarks/long_video.py --model mavos --frames 2000 --size 97 129

Writes a synthetic video of small JPEGs to a temporary folder and tracks two objects in it with
random weights: what is measured is whether anything grows.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

import configs
from configs.models import MODELS
from dataloaders.eval_videos import single_video
from dataloaders.video_reader import InputSize, VideoReader
from networks import build_model
from networks.tracking import segment_video
from networks.wrappers import ObjectGroups
from utils.device import pick_device


def write_video(folder: Path, frames: int, size: tuple[int, int]) -> None:
    """Two discs that wander over noise; ``folder/mask.png`` and ``folder/frames/*.jpg``."""
    rng = np.random.default_rng(0)
    background = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
    (folder / "frames").mkdir()
    for t in range(frames):
        image, mask = background.copy(), np.zeros(size, np.uint8)
        for identity in (1, 2):
            angle = t / 40 * identity
            centre = (
                int(size[1] * (0.5 + 0.3 * np.cos(angle))),
                int(size[0] * (0.5 + 0.3 * np.sin(angle))),
            )
            cv2.circle(image, centre, size[0] // 8, (80 * identity, 200, 90), -1)
            cv2.circle(mask, centre, size[0] // 8, identity, -1)
        cv2.imwrite(str(folder / "frames" / f"{t:06d}.jpg"), image)
        if t == 0:
            cv2.imwrite(str(folder / "mask.png"), mask)


def resident_mb() -> float:
    """Resident memory of this process (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc/self/status: this benchmark needs Linux")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="mavos")
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--size", type=int, nargs=2, default=(97, 129), metavar=("H", "W"))
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device = pick_device(args.device)
    torch.manual_seed(0)
    model = ObjectGroups(build_model(configs.load(args.model).model).eval().to(device))
    marks = {100, 200, 500, *range(1000, args.frames + 1, 1000), args.frames}
    with tempfile.TemporaryDirectory() as name:
        write_video(Path(name), args.frames, tuple(args.size))
        video = single_video(Path(name) / "frames", Path(name) / "mask.png")
        reader = VideoReader(video, InputSize(model.align_corners))
        started, last = time.perf_counter(), 0
        tracked = segment_video(model, reader, device)
        for count, _ in enumerate(tracked, start=1):
            if count in marks:
                seconds = time.perf_counter() - started
                row = {
                    "frame": count,
                    "resident_mb": round(resident_mb(), 1),
                    "ms_per_frame": round(1e3 * seconds / (count - last), 2),
                }
                if device.type == "cuda":
                    row["device_mb"] = round(torch.cuda.memory_allocated(device) / 2**20, 1)
                print(json.dumps(row), flush=True)
                started, last = time.perf_counter(), count


if __name__ == "__main__":
    main()
