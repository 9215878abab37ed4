"""Time of a training clip: by stage in this process, and clips per second of data workers.

    python benchmarks/data_loading.py --data_root datasets --dataset davis2017 --json

Stages are CPU time, which other work on the machine does not change much. Rates are wall time.
"""

import argparse
import functools
import platform
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import harness

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.clips import augment, clip_making, clip_sampling, static_motion, train_clips
from mavos.dataloaders.clips.clip_workers import tune_process
from mavos.dataloaders.listings.train_datasets import clip_sources
from mavos.utils.paths import DATASETS

# stage -> functions whose time it is, less that of other stages inside them
STAGES = {
    "read pictures": [(clip_sampling, "read_image")],
    "read masks": [(clip_sampling, "read_mask")],
    "choose frames": [(clip_making, "sample_frames")],
    "crop": [(augment.Crop, "image"), (augment.Crop, "labels"), (static_motion, "_warp")],
    "colour": [(augment, "apply_look"), (static_motion, "apply_look")],
    "blur": [(augment.apply_look.__globals__, "blur")],
    "merge": [(clip_making, "merge")],
    "to tensors": [(train_clips.ClipDataset, "__getitem__")],  # and whatever is not above
}


class Stopwatches:
    """CPU seconds by stage; a stage inside another stops the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def wrap(self, stage: str, function: Callable) -> Callable:
        @functools.wraps(function)
        def timed(*args, **kwargs):
            self._inner.append(0.0)
            started = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.process_time() - started
                self.seconds[stage] += spent - self._inner.pop()
                self._inner[-1] += spent

        return timed

    def install(self) -> None:
        for stage, places in STAGES.items():
            for owner, name in places:
                names = owner if isinstance(owner, dict) else vars(owner)
                timed = self.wrap(stage, names[name])
                if isinstance(owner, dict):
                    owner[name] = timed
                else:
                    setattr(owner, name, timed)


def measure_rate(train: TrainConfig, sources: list, workers: int, steps: int) -> float:
    """Clips per second that arrive, from the second batch on."""
    train = TrainConfig(**{**vars(train), "workers": workers, "steps": steps + 1})
    clips = train_clips.load_clips(train, sources, train.crop, 10, first_step=0)
    next(clips)
    started = time.perf_counter()
    count = sum(len(part.images) for batch in clips for part in batch)
    return count / (time.perf_counter() - started)


def measure_stages(train: TrainConfig, sources: list, count: int) -> dict[str, float]:
    """CPU milliseconds per clip of each stage, and in all."""
    dataset = train_clips.ClipDataset(train, sources, train.crop, 10)
    tune_process()  # as in a worker
    dataset[0, 0]
    watches = Stopwatches()
    watches.install()
    started = time.process_time()
    for step in range(count):
        dataset[1 + step, 0]
    total = time.process_time() - started
    stages = {stage: 1e3 * watches.seconds[stage] / count for stage in STAGES}
    return stages | {"total": 1e3 * total / count}


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    harness.check_counts(args, "side", "frames", "clips")
    harness.check_counts(args, "workers", least=0)
    train = TrainConfig(
        datasets=(args.dataset,),
        crop=args.side,
        clip_length=args.frames,
        augmentation=args.augmentation,
        batch_size=8,
        clips_per_device=4,
    )
    sources = clip_sources(train, args.data_root)
    steps = max(1, args.clips // train.batch_size)
    result = {
        "dataset": args.dataset,
        "augmentation": args.augmentation,
        "side": args.side,
        "frames": args.frames,
        "machine": platform.machine(),
        "clips_per_second": {n: measure_rate(train, sources, n, steps) for n in args.workers},
        "cpu_ms_per_clip": measure_stages(train, sources, args.clips),
    }
    harness.show(result, args.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__, of_network=False)
    add = parser.add_argument
    add("--data_root", type=Path, default=DATASETS)
    add("--dataset", default="davis2017", help="name, name*repeats, or a folder")
    add("--augmentation", choices=["v1", "v2"], default="v2")
    add("--side", type=int, default=465, help="of a clip, in pixels")
    add("--frames", type=int, default=8, help="of a clip")
    add("--clips", type=int, default=40, help="that the stages are measured on")
    add("--workers", type=int, nargs="*", default=[1, 2], help="to measure with")
    return parser


if __name__ == "__main__":
    harness.run(main)
