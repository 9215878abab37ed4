"""Where the time of a frame goes, and how much of the machine's matrix speed each part reaches.

    python benchmarks/components.py --model mavos --dtype fp32 bf16 --threads 1

Parts are found by name and class in the inference form of the network; one that is not there is not
reported. The long-term memory is full (the reference and the dynamic frame). An update of it is
spread over the frames from one update to the next. GFLOP counts products and convolutions alone,
two for each multiply-add. The peak is the best of several matrix products, measured in the same
run. Clocks stop the device at the border of every part, so the sum may exceed a frame's time.
On a machine that others use too, --clock cpu with one thread says more than wall time.
"""

import argparse
import math
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps

import harness
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mavos.networks import build_model, onednn
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import VideoSegmenter, hard_labels
from mavos.tracking import settling
from mavos.utils.device import machine
from mavos.utils.errors import UserError

CLOCKS = {"wall": 0, "cpu": 1}  # place in what ``harness.timed`` returns
GAP = 2  # frames between updates while measuring: every other frame shows one
UPDATE = "MCA update"  # parts within it are not separated
# (name of the module, its class, the part); the first that matches wins
MODULES = (
    (r"encoder|projector", nn.Module, "encoder and projector"),
    (r"elstt\.blocks\.\d+\.mca", nn.Module, UPDATE),
    (r"elstt\.blocks\.\d+\..*dw_conv", nn.Module, "depthwise convolutions"),
    (r"elstt\.embed", nn.Module, "entries"),
    (r"elstt\.blocks\.\d+\..*", nn.Linear | onednn.Linear, "other products"),
    (r"elstt", nn.Module, "norms, gates, sums"),
    (r"decoder", nn.Module, "decoder"),
    (r"id_bank", nn.Module, "ID bank"),
)
# what is left of a verb, or of a method of a module, when the parts within it are taken away
METHODS = (
    ("encode", "encoder and projector"),
    ("segment", "upsampling"),
    ("memorize", "entries"),
    ("elstt.entries", "entries"),
)


class Parts:
    """Sums of a clock over the parts of the frames, each without the parts within it."""

    def __init__(self, clock: Callable[[], float]):
        self.sums: dict[str, float] = defaultdict(float)
        self._clock, self._open = clock, []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        if UPDATE in self._open:
            yield
            return
        self._charge()
        self._open.append(name)
        yield
        self._charge()
        self._open.pop()

    def _charge(self) -> None:
        """What the clock has gained goes to the innermost part."""
        now = self._clock()
        if self._open:
            self.sums[self._open[-1]] += now - self._last
        self._last = now

    def wrap(self, function: Callable, name: Callable[..., str] | str) -> Callable:
        """``function`` as a part called ``name``, which may depend on the arguments."""

        @wraps(function)
        def timed(*args, **kwargs):
            with self.part(name if isinstance(name, str) else name(*args)):
                return function(*args, **kwargs)

        return timed


@contextmanager
def watched(model: VideoSegmenter, parts: Parts) -> Iterator[None]:
    """Within it ``parts`` sees all that is known of ``model``."""
    with ExitStack() as undo:

        def replace(owner: object, name: str, part: Callable[..., str] | str) -> None:
            had, old = name in vars(owner), getattr(owner, name)
            setattr(owner, name, parts.wrap(old, part))
            undo.callback(setattr, owner, name, old) if had else undo.callback(delattr, owner, name)

        for path, module in model.named_modules():
            for pattern, kind, part in MODULES:
                if re.fullmatch(pattern, path) and isinstance(module, kind):
                    replace(module, "forward", part)
                    break
        for path, part in METHODS:
            *owners, name = path.split(".")
            owner = model
            for step in owners:
                owner = getattr(owner, step, None)
            if hasattr(owner, name):
                replace(owner, name, part)
        for name, module in list(sys.modules.items()):
            # not inside the package, whose functions call each other
            if name.startswith("mavos.networks.") and not name.startswith(
                "mavos.networks.attention"
            ):
                if hasattr(module, "global_attention"):
                    replace(module, "global_attention", _which_attention)
                if hasattr(module, "local_attention"):
                    replace(module, "local_attention", "local attention")
        yield


def _which_attention(query: torch.Tensor, key: torch.Tensor, *_) -> str:
    """The long-term memory holds two frames, the frame itself is one."""
    return "long-term read" if key.shape[1] > query.shape[1] else "self attention"


@torch.inference_mode()
def measure(args: argparse.Namespace, dtype_name: str, device: torch.device) -> dict:
    """The parts of a frame in one precision, and the peak."""
    cfg = harness.load_all([args.model], [f"model.test_memory_gap={GAP}"])[args.model]
    gap = harness.load_all([args.model])[args.model].model.test_memory_gap
    dtype = harness.use_dtype(dtype_name, device)
    torch.manual_seed(0)
    model = for_inference(build_model(cfg.model).to(device), dtype)
    size = harness.frame_size(args.resolution, args.size)
    network = harness.network_size(cfg, model, size)
    video = harness.synthetic_video(size, network, args.objects, device)
    tracking = harness.Tracking(model, video, GAP)
    for _ in range(2 * GAP):  # the first update appends, the second is the first to fuse
        tracking.step()
    clock = CLOCKS[args.clock]
    tokens = model.encode(video.image(0))[-1][0, 0].numel()
    matrices = dtype, device, tokens, cfg.model.dim
    peak = matrix_peak(*matrices, clock)
    frames = [harness.timed(device, tracking.step)[clock] for _ in range(GAP)]
    wall = _sums(tracking, model, _seconds(device, clock), args.frames * GAP)
    flops = _flops(tracking, model)
    rows = []
    for part in sorted(wall, key=wall.get, reverse=True):
        # an update is there in one of GAP measured frames, and in one of ``gap`` real ones
        times = GAP if part == UPDATE else 1
        ms, gflop = 1e3 * wall[part] * times, 1e-9 * flops.get(part, 0) * times
        row = {"part": part, "ms": ms, "gflop": gflop}
        row["ms_per_frame"] = ms / gap if part == UPDATE else ms
        row["gflops"] = gflop / ms * 1e3
        rows.append(row)
    peak = max(peak, matrix_peak(*matrices, clock))  # others may have disturbed the first
    total = sum(row["ms_per_frame"] for row in rows)
    for row in rows:
        row["share"] = row["ms_per_frame"] / total
        row["share_of_peak"] = row["gflops"] / peak
    gflop = sum(r["gflop"] / (gap if r["part"] == UPDATE else 1) for r in rows)
    return {
        "dtype": dtype_name,
        "sum_ms_per_frame": total,
        "unwatched_ms": {"plain": frames[0], "update": frames[-1]},
        "gflop_per_frame": gflop,
        "peak_gflops": peak,
        "share_of_peak": gflop / total * 1e3 / peak,
        "parts": rows,
    }


def _sums(
    tracking: harness.Tracking, model: VideoSegmenter, clock: Callable[[], float], frames: int
) -> dict[str, float]:
    """What each part adds to ``clock`` in a frame."""
    parts = Parts(clock)
    with watched(model, parts), _labels_watched(parts):
        for _ in range(frames):
            tracking.step()
    return {part: value / frames for part, value in parts.sums.items()}


@contextmanager
def _labels_watched(parts: Parts) -> Iterator[None]:
    settling.hard_labels = parts.wrap(hard_labels, "labels")
    try:
        yield
    finally:
        settling.hard_labels = hard_labels


def _seconds(device: torch.device, clock: int) -> Callable[[], float]:
    read = (time.perf_counter, time.process_time)[clock]

    def now() -> float:
        harness.synchronize(device)
        return read()

    return now


def _flops(tracking: harness.Tracking, model: VideoSegmenter) -> dict[str, float]:
    with FlopCounterMode(display=False, custom_mapping=_ONEDNN) as counter:
        return _sums(tracking, model, counter.get_total_flops, GAP)


def _linear_flops(x: list[int], weight: list[int], *_, **__) -> int:
    return 2 * math.prod(x) * weight[0]


def _convolution_flops(x: list[int], weight: list[int], *_, out_shape: list[int], **__) -> int:
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


# what PyTorch's counter does not know, where it is there
_ONEDNN = {
    getattr(torch.ops.mkldnn, name): flops
    for name, flops in {
        "_linear_pointwise": _linear_flops,
        "_convolution_pointwise": _convolution_flops,
    }.items()
    if hasattr(torch.ops.mkldnn, name)
}


def matrix_peak(
    dtype: torch.dtype, device: torch.device, tokens: int, dim: int, clock: int = 0
) -> float:
    """GFLOP/s of the best matrix product, square or of a shape that a frame has."""
    sides = (512, 1024, 2048, 4096) if device.type == "cuda" else (512, 1024, 2048)
    shapes = [(side, side, side) for side in sides]
    shapes += [
        (tokens, dim // 2, 2 * tokens),
        (tokens, 2 * tokens, 4 * dim),
        (tokens, dim, 5 * dim),
    ]
    best = 0.0
    for rows, inner, columns in shapes:
        a = torch.randn(rows, inner, device=device, dtype=dtype)
        b = torch.randn(inner, columns, device=device, dtype=dtype)
        ms = min(harness.timed(device, lambda a=a, b=b: a @ b)[clock] for _ in range(6))
        best = max(best, 2e-6 * rows * inner * columns / ms)
    return best


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    harness.check_counts(args, "objects", "frames", "threads")
    most = harness.load_all([args.model])[args.model].model.max_objects
    if args.objects > most:
        raise UserError(f"--objects must be at most {most}, what {args.model} holds at once")
    harness.load_all([args.model])
    device = harness.set_up(args.device, args.threads, not args.no_routing)
    for name in args.dtype:
        harness.use_dtype(name, device)
    results = [measure(args, name, device) for name in args.dtype]
    result = machine(device) | {"model": args.model, "objects": args.objects}
    result |= {"routing": not args.no_routing, "clock": args.clock}
    if args.json:
        harness.show({**result, "dtypes": results}, as_json=True)
        return 0
    harness.show(result, as_json=False)
    for one in results:
        print()
        harness.show(one, as_json=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__)
    add = parser.add_argument
    add("--model", default="mavos", help="a name of configs/models.py")
    add("--objects", type=int, default=1, help="at most what one memory holds")
    add("--dtype", nargs="+", default=["fp32"], help=", ".join(harness.DTYPES))
    harness.add_size(parser)
    add("--frames", type=int, default=4, help="frames with and without an update (default: 4)")
    add("--clock", choices=CLOCKS, default="wall", help="(default: wall)")
    add("--no_routing", action="store_true", help="fp32 products stay where PyTorch sends them")
    return parser


if __name__ == "__main__":
    harness.run(main)
