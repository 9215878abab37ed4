"""Write a small benchmark of made-up videos, for demos and tests; nothing is downloaded.

    python tools/make_synthetic.py
    python tools/make_synthetic.py --output videos --seed 1 --train_videos 40 --size 128 192

Standard output is the path of the folder, in the layout of DAVIS-2017; everything else goes to
standard error. The same benchmark is not made twice.
"""

import argparse
import sys
from pathlib import Path

try:
    from dataloaders.synthetic import EXTRA_VAL, write_benchmark
    from tools.cli import run
    from utils.paths import DATASETS
except ModuleNotFoundError as error:
    root = __file__.rsplit("tools", 1)[0]
    print(f"no module {error.name!r}: run `pip install -e {root}` once", file=sys.stderr)
    raise SystemExit(2) from None


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    root = write_benchmark(
        args.output, args.seed, args.train_videos, args.val_videos, args.length, tuple(args.size)
    )
    print(root)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/make_synthetic.py",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    extra = ", ".join(name for name, _, _ in EXTRA_VAL)
    add = parser.add_argument
    add("--output", type=Path, default=DATASETS / "synthetic", help="folder to make or replace")
    add("--seed", type=int, default=0, help="another seed gives other videos")
    add("--train_videos", type=int, default=120, help="number of videos in the train list")
    add("--val_videos", type=int, default=16, help=f"usual ones in the val list, besides {extra}")
    add("--length", type=int, default=24, help="frames of a training video")
    add("--size", type=int, nargs=2, default=(256, 256), metavar=("H", "W"), help="of frames")
    return parser


if __name__ == "__main__":
    run(main)
