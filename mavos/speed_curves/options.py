"""The command line of ``tools/benchmark.py``."""

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path

from mavos.configs.models import MODELS
from mavos.configs.schema.long_short_term import POLICIES
from mavos.dataloaders.listings.eval_videos import single_video
from mavos.run import options
from mavos.run.numbers import whole
from mavos.speed_curves.discs import discs
from mavos.speed_curves.pictures import CLOCKS
from mavos.speed_curves.runs import Run, as_it_is, choose_models, curve_marks, update_marks
from mavos.utils.errors import UserError
from mavos.utils.paths import RESULTS

FIELDS = options.COMPUTING_FIELDS | {"ckpt_path": "eval.checkpoint"}
SIZE = (480, 854)  # (H, W) of frames
MOST_OBJECTS = 254  # that a mask file can name


@dataclass(frozen=True)
class Plan:
    """What one command asks for."""

    length: list[Run]  # one for each curve against the length of the video
    objects: list[Run]  # one for each curve and number of objects
    output: Path
    overwrite: bool
    clock: str  # of ``CLOCKS``, for the pictures


def parse(argv: list[str]) -> Plan:
    """Raises UserError for whatever can be known to be wrong before anything is measured."""
    # taken out first: an option with several values would take what follows it
    overrides = [one for one in argv if re.fullmatch(r"\w+\.\w+=.*", one)]
    args = _parser().parse_args([one for one in argv if one not in overrides])
    options.check_precision(args)
    if args.frames < 2:
        raise UserError(f"--frames must be at least 2, got {args.frames}")
    if args.ckpt_path is not None and not args.ckpt_path.is_file():
        raise UserError(f"--ckpt_path {args.ckpt_path}: no such file; check the path")
    given = options.assignments(args, FIELDS)
    of_method = {"lt_gap": args.lt_gap}  # each method knows the field
    models = choose_models(args.model, args.policy, [*given, *overrides], of_method)
    if any(run.config().eval.multiscale for run in models):
        raise UserError("eval.multiscale: only one scale can be measured; leave it out")
    real = args.input is not None or args.mask is not None
    length, objects = (_real(models, args), []) if real else _synthetic(models, args)
    length, objects = map(_with_files, (length, objects))
    return Plan(length, objects, args.output, args.overwrite, args.clock)


def _with_files(runs: list[Run]) -> list[Run]:
    """The runs, each with its files as they are now; missing ones are reported later."""
    found = []
    for run in runs:
        paths = map(Path, filter(None, (run.config().eval.checkpoint, run.input, run.mask)))
        files = tuple(as_it_is(path) for path in paths if path.exists())
        found.append(replace(run, files=files))
    return found


def _synthetic(models: list[Run], args: argparse.Namespace) -> tuple[list[Run], list[Run]]:
    """The runs over synthetic videos, against the length and against the number of objects."""
    size, numbers = tuple(args.size or SIZE), list(dict.fromkeys(args.objects or [1]))
    for number in numbers:
        if not 1 <= number <= MOST_OBJECTS:
            raise UserError(f"--objects must be 1 to {MOST_OBJECTS}, got {number}")
        discs(size, number)  # raises if they do not fit
    models = [replace(run, size=size, objects=numbers[0]) for run in models]
    length = [replace(r, frames=args.frames, marks=curve_marks(args.frames)) for r in models]
    if len(numbers) == 1:
        return length, []
    models = [replace(r, frames=(marks := update_marks(r))[-1], marks=marks) for r in models]
    return length, [replace(run, objects=number) for run in models for number in numbers]


def _real(models: list[Run], args: argparse.Namespace) -> list[Run]:
    """The runs over a video on disk."""
    if args.input is None or args.mask is None:
        raise UserError("--input and --mask go together: a video and the mask of its first frame")
    if args.size or args.objects:
        raise UserError("--size and --objects are of synthetic frames; leave them out with --input")
    single_video(args.input, args.mask)  # raises what is wrong with them
    source = {"input": str(args.input.resolve()), "mask": str(args.mask.resolve())}
    marks = curve_marks(args.frames)
    return [replace(run, frames=args.frames, marks=marks, **source) for run in models]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavos benchmark",
        description="Speed and peak memory of models against the length of the video, and against "
        "the number of objects, as numbers and as pictures. Each curve is measured in a process "
        "of its own; those that --output has already, of this very code and these files, are not "
        "measured again.",
        epilog="Any config field can be set too: section.field=value, e.g. model.memory_frames=3 "
        "for the policy last. Fields: configs/schema/.",
    )
    what = parser.add_argument_group("what to measure")
    add = what.add_argument
    add("--model", nargs="+", default=["mavos"], help=f"{', '.join(MODELS)} (default: mavos)")
    add(
        "--policy",
        nargs="+",
        default=["default"],
        help=f"what the memory keeps: {', '.join(POLICIES)}, or default, which is the model's own "
        "(default)",
    )
    add("--frames", type=whole, default=2000, help="length of the longest video (default: 2000)")
    add(
        "--objects",
        type=whole,
        nargs="+",
        metavar="N",
        help="in synthetic frames (default: 1); several: a second picture, and the first number is "
        "that of the curves against the length",
    )
    add("--size", type=whole, nargs=2, metavar=("H", "W"), help="of synthetic frames (480 854)")
    add(
        "--input",
        type=Path,
        help="a real video instead: a file, or a folder of frames; one "
        "shorter than --frames is played again from its start",
    )
    add("--mask", type=Path, help="its mask: a file for one frame, or a folder of them")
    how = options.add_computing_options(parser)
    options.add_memory_gap(how)
    add = how.add_argument
    add("--ckpt_path", type=Path, help="checkpoint (default: random weights, which are as fast)")
    add(
        "--output",
        type=Path,
        default=RESULTS / "benchmark",
        help="folder for benchmark.json and the pictures (default: results/benchmark)",
    )
    add(
        "--clock",
        choices=list(CLOCKS),
        default="wall",
        help="of the pictures: cpu is for a CPU that others use at the same time (default: wall)",
    )
    add("--overwrite", action="store_true", help="measure again what is there")
    return parser
