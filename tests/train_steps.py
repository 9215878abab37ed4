"""A few steps of a tiny network in float64, recorded; as a program, in one of several processes."""

import sys
from itertools import pairwise

import torch
from torch import nn

from mavos import configs
from mavos.dataloaders.types import Clips
from mavos.networks import build_model
from mavos.training.step import Trainer
from mavos.utils import distributed, ranks

LENGTH, SIDE, STEPS = 5, 33, 4
TINY = [
    *("model.dim=16", "model.depth=2", "model.mca_heads=1", "model.max_objects=3"),
    *("model.short_term_window=3", "model.train_memory_gap=1", "model.frozen_bn=true"),
    *("model.drop_path=0", "model.mca_drop_path=0", f"train.clip_length={LENGTH}"),
    *(f"train.steps={STEPS}", "train.batch_size=4", "train.lr=1e-3", "train.encoder_freeze_at=0"),
]


def make_trainer(*overrides: str, dtype: torch.dtype = torch.float64) -> Trainer:
    """The same random weights every time, nothing dropped, labels for half of the steps."""
    cfg = configs.load("mavos_nano", overrides=[*TINY, *overrides])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(cfg.model).to(dtype)
    for module in model.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    return Trainer(model, cfg, torch.device("cpu"))


def make_clips(count: int, step: int = 0, length: int = LENGTH, side: int = SIDE) -> list[Clips]:
    """A batch of bright squares on noise, 2 or 1 in a clip; the same for every process."""
    rng = torch.Generator().manual_seed(step)
    images = torch.randint(0, 60, (count, length, 3, side, side), generator=rng, dtype=torch.uint8)
    labels = torch.zeros((count, length, side, side), dtype=torch.uint8)
    for clip in range(count):
        for t in range(length):
            for k in range(2 - clip % 2):
                where = (clip, t, slice(6, 18), slice(2 + 15 * k + t, 13 + 15 * k + t))
                labels[where] = k + 1
                images[(clip, t, k, *where[2:])] = 250
    permutations = torch.stack([torch.randperm(3, generator=rng) + 1 for _ in range(count)])
    return [
        Clips(
            images,
            labels,
            torch.tensor([2 - clip % 2 for clip in range(count)]),
            torch.cat([torch.zeros((count, 1), dtype=torch.int64), permutations], dim=1),
            (("file",),) * count,
        )
    ]


def in_float64(clips: Clips, slots: range) -> Clips:
    """Some clips of a batch, normalised."""
    chosen = slice(slots.start, slots.stop)
    images = (clips.images[chosen].double() - 128) / 64
    rest = (clips.labels, clips.num_objects, clips.permutations)
    return Clips(images, *(t[chosen] for t in rest), clips.sources[chosen])


def record(clips_per_device: int, checkpoint_activations: bool = False) -> list[dict]:
    """Loss, gradients and weights after each step of this process's share of four clips."""
    trainer = make_trainer(f"train.checkpoint_activations={checkpoint_activations}")
    share = 4 // ranks.world_size()
    first = share * ranks.rank()
    bounds = [*range(first, first + share, clips_per_device), first + share]
    steps = []
    for step in range(STEPS):
        (clips,) = make_clips(4, step)
        batches = [in_float64(clips, range(a, b)) for a, b in pairwise(bounds)]
        report = trainer.step(step, batches)
        found = {"loss": torch.tensor(report.loss), "norm": torch.tensor(report.grad_norm)}
        for name, parameter in trainer.model.named_parameters():
            found[f"weight {name}"] = parameter.detach().clone()
            if parameter.grad is not None:
                found[f"gradient {name}"] = parameter.grad.clone()
        steps.append(found)
    return steps


def main(path: str) -> None:
    torch.set_num_threads(1)
    distributed.init_distributed(torch.device("cpu"))
    runs = [record(clips_per_device=2), record(clips_per_device=1)]
    torch.save(runs, path.format(rank=ranks.rank()))
    distributed.barrier()
    distributed.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
