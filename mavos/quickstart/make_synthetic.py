"""The command behind ``tools/make_synthetic.py``."""

import argparse
from pathlib import Path

from mavos.dataloaders.synthetic.dataset import EXTRA_VAL, write_dataset
from mavos.run.numbers import whole
from mavos.run.progress import ticking
from mavos.utils.paths import DATASETS


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    what = (args.seed, args.train_videos, args.val_videos, args.length, tuple(args.size))
    with ticking("synthetic videos") as tick:
        root = write_dataset(args.output, *what, tick=tick)
    print(root)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavos make_synthetic",
        description="Write a small dataset of synthetic videos, for demos and tests; nothing is "
        "downloaded.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    extra = ", ".join(name for name, _, _ in EXTRA_VAL)
    add = parser.add_argument
    add("--output", type=Path, default=DATASETS / "synthetic", help="folder to make or replace")
    add("--seed", type=whole, default=0, help="another seed gives other videos")
    add("--train_videos", type=whole, default=120, help="number of videos in the train list")
    add("--val_videos", type=whole, default=16, help=f"usual ones in the val list, besides {extra}")
    add("--length", type=whole, default=24, help="frames of a training video")
    add("--size", type=whole, nargs=2, default=(256, 256), metavar=("H", "W"), help="of frames")
    return parser
