"""Memory and time per frame along a long video, from files to labels, for any memory policy.

    python benchmarks/long_video.py --model mavos --frames 2000 --size 97 129
    python benchmarks/long_video.py --model mavos --policy mca all --frames 1000

Writes a made-up video of JPEGs to a temporary folder and tracks two objects in it with random
weights: what is measured is whether anything grows. A row tells of the frames since the row before.
state_mb is what the tensors of the model's memory of the video hold. Each policy runs in a process
of its own.
"""

import argparse
import tempfile
import time
from pathlib import Path

import harness
import torch
from torch import nn

from dataloaders.eval_videos import single_video
from dataloaders.resize import long_edge_of
from dataloaders.video_reader import InputSize
from networks import build_model
from networks.graphs import build_runner
from networks.inference import for_inference
from networks.segmenter import Segmented, VideoSegmenter, call
from networks.tracking import segment_video
from networks.wrappers import ObjectGroups
from tools.video_worker import reader_for
from utils.device import peak_memory_bytes, pick_device, reset_peak_memory
from utils.errors import UserError


class Watched(nn.Module):
    """A method whose newest memory can be looked at."""

    def __init__(self, model: VideoSegmenter):
        super().__init__()
        self.model, self.memory = model, None
        self.max_objects, self.align_corners = model.max_objects, model.align_corners
        self.encode, self.segment = model.encode, model.segment

    def start(self, feats, mask: torch.Tensor):
        self.memory = self.model.start(feats, mask)
        return self.memory

    def memorize(self, out: Segmented, mask: torch.Tensor, memory, new_objects: bool = False):
        self.memory = self.model.memorize(out, mask, memory, new_objects)
        return self.memory


def resident_mb() -> float:
    """Resident memory of this process (Linux)."""
    status = Path("/proc/self/status")
    if not status.is_file():
        raise UserError("no /proc/self/status: this benchmark needs Linux")
    for line in status.read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise UserError("no VmRSS in /proc/self/status: this benchmark needs Linux")


def measure(args: argparse.Namespace, policy: str, device: torch.device) -> list[dict]:
    """A row at each of the marked frames."""
    cfg = harness.load_all([args.model], [f"model.memory={policy}"])[args.model]
    dtype = harness.use_dtype(args.dtype, device)
    torch.manual_seed(0)
    network = build_model(cfg.model).to(device)
    run = build_runner(device) if args.compile else call
    model = Watched(ObjectGroups(for_inference(network, dtype, run)))
    marks = {100, 200, 500, *range(1000, args.frames + 1, 1000), args.frames}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        harness.write_video(Path(name), args.frames, harness.frame_size(480, args.size))
        video = single_video(Path(name) / "frames", Path(name) / "mask.png")
        reset_peak_memory(device)
        last, times = 0, [time.perf_counter(), time.process_time()]
        input_size = InputSize(
            model.align_corners, max_long_edge=long_edge_of(cfg.model.test_resolution)
        )
        reader = reader_for(video, input_size, device, cfg.data)
        tracked = segment_video(model, reader, device)
        for count, _ in enumerate(tracked, start=1):
            if count not in marks:
                continue
            now = [time.perf_counter(), time.process_time()]
            wall, cpu = (1e3 * (b - a) / (count - last) for a, b in zip(times, now, strict=True))
            row = {"policy": policy, "frame": count, "resident_mb": resident_mb()}
            row |= {"state_mb": harness.state_bytes(model.memory) / harness.MB}
            if device.type == "cuda":
                row["device_mb"] = torch.cuda.memory_allocated(device) / harness.MB
                row["peak_device_mb"] = peak_memory_bytes(device) / harness.MB
            row |= {"ms_per_frame": wall, "cpu_ms_per_frame": cpu}
            harness.note(", ".join(f"{key} {value}" for key, value in row.items()))
            rows.append(row)
            last, times = count, [time.perf_counter(), time.process_time()]
    return rows


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    harness.check_counts(args, "frames", "threads")
    harness.frame_size(480, args.size)
    for policy in args.policy:
        harness.load_all([args.model], [f"model.memory={policy}"])
    harness.use_dtype(args.dtype, pick_device(args.device))
    resident_mb()
    device = harness.set_up(args.device, args.threads)
    if len(args.policy) == 1:
        rows = measure(args, args.policy[0], device)
    else:
        rows = [row for policy in args.policy for row in _in_own_process(args, policy)]
    result = harness.machine(device) | {"model": args.model, "dtype": args.dtype}
    harness.show({**result, "frame_size": args.size, "rows": rows}, args.json)
    return 0


def _in_own_process(args: argparse.Namespace, policy: str) -> list[dict]:
    options = [f"--{name}={getattr(args, name)}" for name in ("model", "frames", "dtype", "device")]
    options += [f"--policy={policy}", "--size", *args.size]
    options += [f"--threads={args.threads}"] if args.threads else []
    options += ["--compile"] if args.compile else []
    harness.note(f"{args.model} {policy}")
    return harness.in_own_process(__file__, options)["rows"]


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__)
    add = parser.add_argument
    add("--model", default="mavos", help="a name of configs/models.py")
    add("--policy", nargs="+", default=["mca"], help="model.memory: mca, all, reference, …")
    add("--frames", type=int, default=2000)
    add("--dtype", default="fp32", help=", ".join(harness.DTYPES))
    add("--compile", action="store_true", help="CUDA graphs on a GPU, torch.compile elsewhere")
    add("--size", type=int, nargs=2, default=[97, 129], metavar=("H", "W"), help="of the frames")
    return parser


if __name__ == "__main__":
    harness.run(main)
