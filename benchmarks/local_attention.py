"""The back ends of local attention against each other, at the sizes a network has.

    python benchmarks/local_attention.py --model mavos --dtype fp32 bf16 --resolution 480 720

Synthetic queries, keys, values and biases of one frame; milliseconds of one block's call. Rows of a
back end that cannot be used on the device say why. ``difference`` is the largest to plain PyTorch
in float32, as a share of the largest output.
"""

import argparse
import statistics

import harness
import torch

from mavos.networks import build_model
from mavos.networks.attention.backends import BACKENDS, PLAIN
from mavos.utils.device import machine, pick_device


@torch.inference_mode()
def measure(args: argparse.Namespace, dtype_name: str, resolution: int, device) -> list[dict]:
    """A row for each back end."""
    cfg = harness.load_all([args.model])[args.model]
    dtype = harness.use_dtype(dtype_name, device)
    frame = harness.frame_size(resolution, args.size)
    network = build_model(cfg.model)
    stride = network.encoder.strides[-1]
    grid = tuple(-(-side // stride) for side in harness.network_size(cfg, network, frame))
    dim, window = cfg.model.dim, cfg.model.short_term_window
    torch.manual_seed(0)
    widths = dim // 2, dim // 2, 4 * dim, window**2  # query, key, values, bias
    inputs = [torch.randn(1, grid[0] * grid[1], w, device=device, dtype=dtype) for w in widths]
    inputs[0] *= (dim // 2) ** -0.5
    exact = BACKENDS[PLAIN].attend(*(x.float() for x in inputs), grid, window)
    rows = []
    for name, backend in BACKENDS.items():
        row = {"backend": name, "dtype": dtype_name, "grid": grid}
        rows.append(row)
        reason = backend.missing(device, dtype)
        if reason is None:
            try:
                out = backend.attend(*inputs, grid, window).float()
            except RuntimeError as error:  # a kernel that does not build or does not fit
                reason = (str(error).strip() or "RuntimeError").splitlines()[0]
        if reason is not None:
            row["error"] = reason
            continue
        row["difference"] = float((out - exact).abs().max() / exact.abs().max())
        attend = backend.attend
        times = [
            harness.timed(device, lambda attend=attend: attend(*inputs, grid, window))
            for _ in range(args.calls)
        ]
        for clock, values in zip(("wall", "cpu"), zip(*times, strict=True), strict=True):
            row[f"{clock}_ms"] = statistics.median(values)
    return rows


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    harness.check_counts(args, "calls", "threads")
    harness.load_all([args.model])
    for resolution in args.resolution:
        harness.frame_size(resolution, args.size)
    for name in args.dtype:
        harness.use_dtype(name, pick_device(args.device))
    device = harness.set_up(args.device, args.threads)
    rows = [
        row
        for name in args.dtype
        for resolution in args.resolution
        for row in measure(args, name, resolution, device)
    ]
    harness.show({**machine(device), "model": args.model, "rows": rows}, args.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__)
    add = parser.add_argument
    add("--model", default="mavos", help="a name of configs/models.py")
    add("--dtype", nargs="+", default=["fp32"], help=", ".join(harness.DTYPES))
    harness.add_size(parser, several=True)
    add("--calls", type=int, default=20, help="of which the median is reported (default: 20)")
    return parser


if __name__ == "__main__":
    harness.run(main)
