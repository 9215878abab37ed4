"""Seconds and memory of a training step, split into its parts.

    python benchmarks/train_step.py --model r50_mavos --clips 4 --amp          # on a GPU
    python benchmarks/train_step.py --model mavos --clips 1 --steps 3          # on a CPU

Clips are random pictures, so that the step alone is measured; benchmarks/data_loading.py measures
the data. ``--json`` prints one object on standard output.
"""

import argparse
import statistics
import time

import harness
import torch

from mavos import configs
from mavos.dataloaders.types import Clips
from mavos.networks import build_model
from mavos.training.command import clip_side
from mavos.training.step import Trainer
from mavos.utils.device import machine, peak_memory_bytes, reset_peak_memory

PARTS = ("forward", "backward", "update")  # the upload of the clips is in the first


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    harness.check_counts(args, "clips", "objects", "steps", "threads")
    device = harness.set_up(args.device, args.threads)
    flags = {"amp": args.amp, "compile": args.compile}
    flags["checkpoint_activations"] = args.checkpoint_activations
    overrides = [f"train.{name}={value}" for name, value in flags.items()]
    cfg = configs.load(args.model, args.stage, overrides + args.overrides)
    model = build_model(cfg.model)
    trainer = Trainer(model, cfg, device)
    side = clip_side(cfg.train.crop, model)
    clips = random_clips(args.clips, cfg.train.clip_length, side, args.objects, model.max_objects)
    step = int(args.at * cfg.train.steps)
    parts, rows = Parts(device), []
    trainer.lap = parts.lap
    warm_up = 3 if device.type == "cuda" else 1
    for number in range(warm_up + args.steps):
        if number == warm_up:
            reset_peak_memory(device)
        parts.start()
        trainer.step(step, [clips])
        rows.append(parts.seconds)
    rows = rows[warm_up:]
    seconds = {part: statistics.median(row[part] for row in rows) for part in PARTS}
    total = statistics.median(sum(row.values()) for row in rows)
    result = {
        **machine(device),
        "model": args.model,
        "clips": args.clips,
        "frames": cfg.train.clip_length,
        "side": side,
        **flags,
        "seconds": {part: round(value, 4) for part, value in seconds.items()},
        "seconds_per_step": round(total, 4),
        "clips_per_second": round(args.clips / total, 3),
        "peak_memory_gib": round(peak_memory_bytes(device) / 2**30, 2),
    }
    harness.show(result, args.json)
    return 0


class Parts:
    """Seconds of the parts of a step, which ``Trainer`` reports one after the other."""

    def __init__(self, device: torch.device):
        self.device = device

    def start(self) -> None:
        self.seconds, self._last = dict.fromkeys(PARTS, 0.0), self._now()

    def lap(self, part: str) -> None:
        now = self._now()
        self.seconds[part] += now - self._last
        self._last = now

    def _now(self) -> float:
        harness.synchronize(self.device)
        return time.perf_counter()


def random_clips(count: int, length: int, side: int, objects: int, max_objects: int) -> Clips:
    """Noise with blocks of labels, always the same."""
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, objects + 1, (count, length, 8, 8), generator=generator)
    labels = blocks.repeat_interleave(-(-side // 8), 2).repeat_interleave(-(-side // 8), 3)
    images = torch.randint(0, 256, (count, length, 3, side, side), generator=generator)
    slots = torch.stack([torch.randperm(max_objects, generator=generator) for _ in range(count)])
    return Clips(
        images.to(torch.uint8),
        labels[..., :side, :side].to(torch.uint8),
        torch.full((count,), objects),
        torch.cat([torch.zeros(count, 1, dtype=torch.int64), slots + 1], dim=1),
        (),
    )


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__)
    add = parser.add_argument
    add("--model", default="r50_mavos")
    add("--stage", default="pre_ytb_dav")
    add("--clips", type=int, default=4, help="clips of 8 frames at once (default: 4)")
    add("--objects", type=int, default=3, help="objects of a clip (default: 3)")
    add("--steps", type=int, default=5, help="steps to measure, after a warm-up (default: 5)")
    add("--at", type=float, default=0.25, help="share of training done (default: 0.25)")
    add("--amp", action="store_true")
    add("--compile", action="store_true")
    add("--checkpoint_activations", action="store_true")
    add("overrides", nargs="*", metavar="section.field=value")
    return parser


if __name__ == "__main__":
    harness.run(main)
