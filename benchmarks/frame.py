"""Time and memory of one frame: encode, segment, label and memorize, on synthetic 480p frames.

    python benchmarks/frame.py --model mavos --objects 1 --frames 22 --json

Frames with a memory update are in the mean. On a CPU compare CPU time, and set
OMP_WAIT_POLICY=passive: wall time on a shared machine says little.
"""

import argparse
import json
import platform
import statistics
import time

import torch

import configs
from configs.models import MODELS
from dataloaders.resize import long_edge_of, network_sizes
from networks import build_model
from networks.inference import for_inference
from networks.segmenter import hard_labels, one_hot
from networks.wrappers import ObjectGroups
from utils.device import half_precision, peak_memory_bytes, pick_device, tune_cpu

SIZE = (480, 854)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@torch.inference_mode()
def measure(args: argparse.Namespace) -> dict:
    """Milliseconds per frame and peak memory of one model."""
    device = pick_device(args.device)
    if device.type == "cpu":
        tune_cpu()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    cfg = configs.load(args.model).model
    model = ObjectGroups(for_inference(build_model(cfg).to(device)))
    limit = long_edge_of(cfg.test_resolution)
    (size,) = network_sizes(SIZE, model.align_corners, max_long_edge=limit)
    columns = torch.arange(SIZE[1], device=device) * (args.objects + 1) // SIZE[1]
    labels = columns.expand(1, *SIZE)
    images = torch.randn(4, 1, 3, *size, device=device)
    autocast = torch.autocast(
        device.type, half_precision(device), enabled=args.dtype != "fp32", cache_enabled=False
    )
    wall, cpu = [], []
    with autocast:
        memory = model.start(model.encode(images[0]), one_hot(labels, args.objects))
        for frame in range(args.warmup + args.frames):
            synchronize(device)
            started = time.perf_counter(), time.process_time()
            out = model.segment(model.encode(images[frame % len(images)]), memory, SIZE)
            mask = one_hot(hard_labels(out.logits), args.objects)
            memory = model.memorize(out, mask, memory)
            synchronize(device)
            wall.append(1e3 * (time.perf_counter() - started[0]))
            cpu.append(1e3 * (time.process_time() - started[1]))
    wall, cpu = wall[args.warmup :], cpu[args.warmup :]
    return {
        "model": args.model,
        "objects": args.objects,
        "dtype": args.dtype,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "frames": args.frames,
        "cpu_ms_per_frame": statistics.mean(cpu),
        "wall_ms_per_frame": statistics.mean(wall),
        "wall_ms_median": statistics.median(wall),
        "peak_rss_mb": peak_memory_bytes(torch.device("cpu")) / 2**20,
        "peak_device_mb": peak_memory_bytes(device) / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="mavos")
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--dtype", choices=["fp32", "half"], default="fp32")
    parser.add_argument("--frames", type=int, default=22, help="frames that are measured")
    parser.add_argument("--warmup", type=int, default=2, help="frames before them")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    args = parser.parse_args()
    result = measure(args)
    if args.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{key:18} {value}" for key, value in result.items()))


if __name__ == "__main__":
    main()
