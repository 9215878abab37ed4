"""The command behind ``tools/score.py``."""

import argparse
import logging
from pathlib import Path

from mavos.dataloaders.listings.listing import read_list
from mavos.run.numbers import whole
from mavos.run.options import add_pixel_limit
from mavos.scoring import report
from mavos.scoring.folders import score
from mavos.scoring.plans import Options
from mavos.scoring.protocols import LVOS, MOSE, PROTOCOLS, Protocol, find_protocol
from mavos.utils.errors import UserError
from mavos.utils.logging import setup_logging
from mavos.utils.pixel_limit import DEFAULT, set_most_pixels

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    setup_logging()
    set_most_pixels(args.max_pixels)
    protocol = find_protocol(args.protocol)
    _check(args, protocol)
    scores = score(
        args.pred,
        args.gt,
        protocol.name,
        split=args.split,
        videos=_names(args.videos),
        meta=args.meta,
        unseen=args.unseen,
        options=Options(args.all_frames, args.like_toolkit),
        processes=args.processes,
        bar=True,
    )
    print(report.table(scores, protocol))
    if args.output is not None:
        for path in report.write(scores, protocol, args.split, args.output):
            log.info("wrote %s", path)
    return 0


def _check(args: argparse.Namespace, protocol: Protocol) -> None:
    """Raises UserError for an option that the protocol has no use for, and for missing files."""
    useful = {
        "meta": bool(protocol.meta_names),
        "unseen": bool(protocol.unseen_name),
        "all_frames": protocol.name == MOSE.name,
        "like_toolkit": protocol.name == LVOS.name or "J-Decay" in protocol.measures,
    }
    for option, is_useful in useful.items():
        if getattr(args, option) and not is_useful:
            raise UserError(f"--{option} means nothing to protocol {protocol.name}; leave it out")
    for option in ("meta", "unseen"):
        path = getattr(args, option)
        if path is not None and not path.is_file():
            raise UserError(f"--{option} {path}: no such file; check the path")
    if args.processes is not None and args.processes < 1:
        raise UserError(f"--processes must be at least 1, got {args.processes}")


def _names(videos: list[str]) -> list[str]:
    """Names as given, or from a list file."""
    if len(videos) == 1 and videos[0].endswith(".txt"):
        return list(read_list([Path(videos[0])]))
    return videos


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavos score",
        description="Score predicted masks by the protocol of a benchmark. The scores go to "
        "standard output, everything else to standard error.",
    )
    add = parser.add_argument
    add("--protocol", required=True, help=", ".join(PROTOCOLS))
    add(
        "--gt",
        type=Path,
        required=True,
        help="ground truth: a folder with a folder of masks for each video, or the dataset's root",
    )
    add(
        "--pred",
        type=Path,
        required=True,
        help="predictions: a folder with a folder of masks for each video, or a zip of that",
    )
    add("--output", type=Path, help="folder for scores.json and the CSV files")
    add("--split", default="val", help="of the dataset (default: val)")
    add(
        "--videos",
        nargs="+",
        default=[],
        help="names, or one .txt with a name per line (default: the split's list, else all)",
    )
    add("--meta", type=Path, help="lvos, ytvos: meta file (default: the one beside the masks)")
    add(
        "--unseen",
        type=Path,
        help="lvos: list of unseen videos; ytvos: of unseen categories (default: the file "
        "unseen_videos.txt, unseen_categories.json beside the masks)",
    )
    add("--all_frames", action="store_true", help="mose: score the first and last frames too")
    add(
        "--like_toolkit",
        action="store_true",
        help="repeat known faults: decay of the DAVIS toolkit from 256 frames on, missing frames "
        "of an LVOS range as 0",
    )
    add("--processes", type=whole, help="videos scored at a time (default: by cores and work)")
    add_pixel_limit(parser, DEFAULT)
    return parser
