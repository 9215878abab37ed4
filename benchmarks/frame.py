"""Time and memory of one frame: encode, segment, label and memorize, on synthetic 480p frames.

    python benchmarks/frame.py --model mavos --objects 1 --dtype fp32 --frames 22 --json
    python benchmarks/frame.py --model mavos r50_mavos --objects 1 10 --dtype fp32 bf16

Several values of an option give one row for each combination, each in a process of its own, so that
peak memory is its own. Frames with a memory update are in the mean. On a CPU compare CPU time, and
set OMP_WAIT_POLICY=passive: wall time on a shared machine says little.
"""

import argparse
import gc
import itertools
from collections.abc import Iterator

import harness
import torch

from mavos.networks import build_model
from mavos.networks.graphs import build_runner
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import call
from mavos.networks.wrappers import ObjectGroups
from mavos.speed_curves.recorder import state_bytes
from mavos.utils.device import machine, peak_memory_bytes, pick_device, reset_peak_memory
from mavos.utils.errors import UserError

COMBINED = ("model", "objects", "dtype", "resolution")  # options that may have several values


@torch.inference_mode()
def measure(args: argparse.Namespace, device: torch.device) -> dict:
    """The figures of one combination; ``args`` has one value of each option."""
    gc.collect()  # a network that is run through graphs is a cycle
    reset_peak_memory(device)
    cfg = harness.load_all([args.model])[args.model]
    dtype = harness.use_dtype(args.dtype, device)
    size = harness.frame_size(args.resolution, args.size)
    torch.manual_seed(0)
    run = build_runner(device) if args.compile else call
    model = ObjectGroups(for_inference(build_model(cfg.model).to(device), dtype, run))
    network = harness.network_size(cfg, model, size)
    video = harness.synthetic_video(size, network, args.objects, device)
    tracking = harness.Tracking(model, video, cfg.model.test_memory_gap)
    for _ in range(args.warmup):
        tracking.step()
    times, fused = [], []
    for _ in range(args.frames):
        times.append(harness.timed(device, tracking.step))
        fused.append(tracking.fused)
    wall, cpu = ([time[i] for time in times] for i in (0, 1))
    walls, cpus = harness.spread(wall), harness.spread(cpu)
    return {
        "model": args.model,
        "objects": args.objects,
        "dtype": args.dtype,
        "frame_size": size,
        "network_size": network,
        "compiled": args.compile,
        "routing": not args.no_routing,
        "frames": args.frames,
        "fps": 1e3 / walls["mean"],
        "cpu_ms_per_frame": cpus["mean"],
        "cpu_ms_median": cpus["median"],
        "wall_ms_per_frame": walls["mean"],
        "wall_ms_median": walls["median"],
        "wall_ms_p95": walls["p95"],
        "plain_wall_ms": harness.mean_or_none(w for w, f in zip(wall, fused, strict=True) if not f),
        "update_wall_ms": harness.mean_or_none(w for w, f in zip(wall, fused, strict=True) if f),
        "memory_state_mb": state_bytes(tracking.memory) / harness.MB,
        "peak_rss_mb": peak_memory_bytes(torch.device("cpu")) / harness.MB,
        "peak_device_mb": peak_memory_bytes(device) / harness.MB if device.type == "cuda" else None,
    }


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    _check(args)
    chosen = list(_combinations(args))
    if len(chosen) > 1 and not args.same_process:
        rows = [_in_own_process(one) for one in chosen]
        shared = machine(harness.set_up(args.device, args.threads))
        harness.show({**shared, "rows": rows}, args.json)
        return 0
    device = harness.set_up(args.device, args.threads, not args.no_routing)
    if not args.same_process:
        harness.show({**machine(device), **measure(chosen[0], device)}, args.json)
        return 0
    rows = [_row_or_error(one, device) for one in chosen]
    harness.show({**machine(device), "rows": rows}, args.json)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises UserError for a bad value of any option, before anything is measured."""
    harness.check_counts(args, "objects", "frames", "threads")
    harness.check_counts(args, "warmup", least=0)
    for resolution in args.resolution:
        harness.frame_size(resolution, args.size)
    harness.load_all(args.model)
    device = pick_device(args.device)
    for name in args.dtype:
        harness.use_dtype(name, device)


def _combinations(args: argparse.Namespace) -> Iterator[argparse.Namespace]:
    for values in itertools.product(*(getattr(args, name) for name in COMBINED)):
        yield argparse.Namespace(**{**vars(args), **dict(zip(COMBINED, values, strict=True))})


def _in_own_process(args: argparse.Namespace) -> dict:
    options = [f"--{name}={getattr(args, name)}" for name in (*COMBINED, "frames", "warmup")]
    options += [f"--device={args.device}"]
    options += [f"--threads={args.threads}"] if args.threads else []
    options += ["--size", *args.size] if args.size else []
    options += [f"--{flag}" for flag in ("compile", "no_routing") if getattr(args, flag)]
    harness.note(" ".join(map(str, options)))
    row = harness.in_own_process(__file__, options)
    return {key: row[key] for key in row if key not in harness.MACHINE}


def _row_or_error(args: argparse.Namespace, device: torch.device) -> dict:
    """A row; what went wrong instead, for a combination that does not run on this device."""
    try:
        return measure(args, device)
    except (RuntimeError, UserError) as error:
        named = {name: getattr(args, name) for name in COMBINED}
        return {**named, "error": (str(error).strip() or type(error).__name__).splitlines()[0]}


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__)
    add = parser.add_argument
    add("--model", nargs="+", default=["mavos"], help="names of configs/models.py")
    add("--objects", type=int, nargs="+", default=[1])
    add("--dtype", nargs="+", default=["fp32"], help="fp32, tf32, bf16 or fp16")
    harness.add_size(parser, several=True)
    add("--frames", type=int, default=22, help="frames that are measured (default: 22)")
    add("--warmup", type=int, default=2, help="frames before them (default: 2)")
    add(
        "--compile",
        action="store_true",
        help="CUDA graphs on a GPU, torch.compile elsewhere; each call is built when it first "
        "comes again, that of the fusion at the third update: --warmup 32",
    )
    add("--no_routing", action="store_true", help="fp32 products stay where PyTorch sends them")
    add(
        "--same_process",
        action="store_true",
        help="rows of all combinations from one process: quicker, but peak resident memory is not "
        "their own; one that fails on the way becomes a row with its error",
    )
    return parser


if __name__ == "__main__":
    harness.run(main)
