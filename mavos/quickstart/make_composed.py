"""The command behind ``tools/make_composed.py``."""

import argparse
from pathlib import Path

from mavos.dataloaders.synthetic.composed.clips import write_clips
from mavos.dataloaders.synthetic.composed.material import find_material, held_out
from mavos.utils.paths import DATASETS


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    train = find_material(args.cutouts, args.photographs)
    if args.held_cutouts or args.held_photographs:
        held = find_material(args.held_cutouts, args.held_photographs)
    else:
        train, held = held_out(train)
    shape = {"side": args.side}
    parts = (
        ("train", train, args.seed, args.clips, args.length),
        ("held", held, args.seed + 1_000_000, args.held_clips, args.length * 3 // 2),
    )
    for name, material, seed, count, length in parts:
        folder = args.output / name
        write_clips(folder, material, seed, range(count), args.processes, length=length, **shape)
    print(args.output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavos make_composed",
        description="Compose training and validation clips with exact masks from your own "
        "pictures: cut-outs with alpha, and photographs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, folders = parser.add_argument, {"nargs": "+", "metavar": "FOLDER"}
    add("--cutouts", required=True, help="'FOLDER*4' counts four times", **folders)
    add("--photographs", required=True, help="what lies behind, and surfaces", **folders)
    add("--held_cutouts", default=[], help="for validation; else some are held out", **folders)
    add("--held_photographs", default=[], help="the same", **folders)
    add("--output", type=Path, default=DATASETS / "composed", help="folder to add clips to")
    add("--clips", type=int, default=1200, help="number of training clips")
    add("--held_clips", type=int, default=24, help="number of validation clips")
    add("--length", type=int, default=16, help="frames of a training clip")
    add("--side", type=int, default=240, help="shorter side of the pictures, in pixels")
    add("--seed", type=int, default=0, help="another seed gives other clips")
    add("--processes", type=int, default=1, help="that compose at a time")
    return parser
