"""Frames per second of the whole of tools/eval.py against those of its model, and the rest.

    python benchmarks/end_to_end.py --model mavos --videos 1 --frames 60
    python benchmarks/end_to_end.py --dataset davis2016 --data_root datasets

Runs tools/eval.py with random weights, on synthetic videos of 480p JPEGs unless a dataset is named,
and reads its speed.json. Then each of the other steps alone, in one thread: milliseconds a frame.
tools/eval.py does most of them beside the model, so they need not add up to what is lost.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import harness
import numpy as np
import torch

from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.listings.eval_datasets import find_dataset, list_videos
from mavos.dataloaders.media.images import read_image
from mavos.dataloaders.media.mask_writing import MaskWriter, zip_results
from mavos.dataloaders.types import Video
from mavos.networks import build_model
from mavos.networks.segmenter import hard_labels
from mavos.networks.transfers import transfers_for
from mavos.run.build import one_scale
from mavos.utils.checkpoint import save_weights
from mavos.utils.device import machine, pick_device
from mavos.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
MOST_FRAMES = 40  # of the first video, for the steps by themselves


def write_dataset(root: Path, videos: int, frames: int, size: tuple[int, int]) -> None:
    """Two discs that wander over noise, in the folders of a "generic" dataset."""
    background = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    for video in map(str, range(videos)):
        pictures, masks = root / "JPEGImages" / video, root / "Annotations" / video
        pictures.mkdir(parents=True)
        masks.mkdir(parents=True)
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
            cv2.imwrite(str(pictures / f"{t:06d}.jpg"), image)
            if t == 0:
                cv2.imwrite(str(masks / "000000.png"), mask)


def run_tool(args: argparse.Namespace, dataset: str, data_root: Path, folder: Path) -> dict:
    """What tools/eval.py reports of itself, and how long the whole command took."""
    options = ["--model", args.model, "--dataset", dataset, "--data_root", data_root, "--dtype"]
    options += [args.dtype, "--ckpt_path", folder / "weights.pth", "--output", folder / "out"]
    options += ["--device", args.device]
    options += ["--threads", args.threads] if args.threads else []
    options += ["--compile"] if args.compile else []
    started = time.perf_counter()
    harness.output_of(ROOT / "tools" / "eval.py", options)
    seconds = time.perf_counter() - started
    total = json.loads((folder / "out" / "speed.json").read_text(encoding="utf-8"))["total"]
    return {
        "videos": total["videos"],
        "frames": total["frames"],
        "model_fps": total["all_frame_fps"],
        "end_to_end_fps": total["end_to_end_fps"],
        "lost_ms_per_frame": 1e3 / total["end_to_end_fps"] - 1e3 / total["all_frame_fps"],
        "command_seconds": seconds,
        "peak_memory_mb": total["peak_memory_bytes"] / harness.MB,
    }


def steps(
    video: Video, rule: InputRule, objects: int, device: torch.device, folder: Path
) -> list[dict]:
    """Each step of a frame but the model's, alone and in one thread."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    paths = video.frames[:MOST_FRAMES]
    images = [read_image(path) for path in paths]
    size = images[0].shape[:2]
    (network,) = rule.sizes(size)
    pictures = [rule.prepare(image, network) for image in images]
    if device.type == "cuda":
        pictures = [picture.pin_memory() for picture in pictures]
    logits = torch.randn(1, objects + 1, 30, 54, device=device)
    logits = torch.nn.functional.interpolate(logits, size=size, mode="bilinear")
    labels = hard_labels(logits)[0].to(torch.uint8).cpu().numpy()
    transfers, masks = transfers_for(device), folder / "masks"

    def write(writer: MaskWriter, number: int) -> None:
        writer.write(masks / f"{number:06d}.png", labels)
        writer.flush()

    with MaskWriter(threads=1) as writer:
        rows = [
            _step("decode", device, read_image, paths),
            _step("resize and normalise", device, lambda i: rule.prepare(i, network), images),
            _step("upload", device, transfers.upload, pictures),
            _step(
                "labels and download",
                device,
                lambda _: transfers.download(hard_labels(logits)[0]).wait(),
                paths,
            ),
            _step("write PNG", device, lambda i: write(writer, i), range(len(paths))),
        ]
    zipped = harness.timed(device, lambda: zip_results(masks, folder / "masks.zip"))
    return [*rows, _row("zip", [(zipped[0] / len(paths), zipped[1] / len(paths))])]


def _step(name: str, device: torch.device, work: Callable, items: Iterable) -> dict:
    return _row(name, [harness.timed(device, lambda item=item: work(item)) for item in items])


def _row(name: str, times: list[tuple[float, float]]) -> dict:
    wall, cpu = np.mean(times, axis=0)
    return {"step": name, "wall_ms": float(wall), "cpu_ms": float(cpu)}


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    harness.check_counts(args, "videos", "threads")
    harness.check_counts(args, "frames", least=2)  # the first has nothing to predict
    cfg = harness.load_all([args.model])[args.model]
    size = harness.frame_size(args.resolution, args.size)
    device = pick_device(args.device)
    harness.use_dtype(args.dtype, device)
    if args.dataset is None and args.data_root is not None:
        raise UserError("--data_root needs --dataset; without a dataset videos are synthetic")
    if args.dataset is not None:
        find_dataset(args.dataset)
    with tempfile.TemporaryDirectory() as name:
        folder, dataset, data_root = Path(name), args.dataset, args.data_root or ROOT / "datasets"
        if dataset is None:
            dataset, data_root = "generic", folder / "generic"
            write_dataset(data_root, args.videos, args.frames, size)
        dataset, known = find_dataset(dataset)
        videos = list_videos(dataset, known.splits[0], data_root)
        torch.manual_seed(0)
        network = build_model(cfg.model)
        save_weights(network, folder / "weights.pth")
        result = {"model": args.model, "dtype": args.dtype, "compiled": args.compile}
        result |= run_tool(args, dataset, data_root, folder)
        device = harness.set_up(args.device, args.threads)
        measured_on = machine(device)
        size = read_image(videos[0].frames[0]).shape[:2]
        rows = steps(videos[0], one_scale(cfg, network), 2, device, folder)
    harness.show({**measured_on, **result, "frame_size": size, "steps": rows}, args.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__)
    add = parser.add_argument
    add("--model", default="mavos", help="a name of configs/models.py")
    add("--dtype", default="fp32", help=", ".join(harness.DTYPES))
    add("--compile", action="store_true", help="as in tools/eval.py")
    add("--dataset", help="a dataset of tools/eval.py (default: synthetic videos)")
    add("--data_root", type=Path, help="where it lies (default: datasets)")
    harness.add_size(parser)
    add("--videos", type=int, default=1, help="synthetic videos (default: 1)")
    add("--frames", type=int, default=60, help="frames of each (default: 60)")
    return parser


if __name__ == "__main__":
    harness.run(main)
