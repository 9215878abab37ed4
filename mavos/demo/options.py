"""The command line of ``tools/demo.py``."""

import argparse

from mavos.configs.schema import Config
from mavos.run import options
from mavos.run.numbers import real, whole
from mavos.run.shipped import DEFAULT_MODEL
from mavos.utils.errors import UserError

_EPILOG = """
masks: palette or greyscale PNGs whose values are object ids (0 background, 255 ignore), at the size
of the frames. `--mask first.png` belongs to the frame of that name if there is one, else to the
first frame; `--mask 120:second.png` to frame 120 of the input (its number, or its file's name); a
folder gives every mask in it to the frame of its name. Repeat --mask as often as you like: a later
mask adds objects, or corrects those it holds.

output: Annotations/<video>/<frame>.png, <video>.zip, overlay.mp4, contact_sheet.png, summary.json.
A run replaces what an earlier run on the same input left in the folder, and nothing else; a mask
that you mended there must be moved out first.

A damaged frame is warned about and gets the mask of the frame before. Ctrl-C ends the run early:
what is done is kept, packed and playable.
"""


def parse(argv: list[str]) -> tuple[Config, argparse.Namespace]:
    """Command line -> resolved config, and what is about this video alone."""
    parser = argparse.ArgumentParser(
        prog="mavos demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Segment a video, a camera or a stream from masks, and show it.",
        epilog=_EPILOG + "\nAny config field can be set too: section.field=value, e.g. "
        "model.memory=reference.",
    )
    what = parser.add_argument_group("what to segment")
    what.add_argument(
        "--input",
        required=True,
        help="a video file, a folder of frames, a pattern such as 'frames/*.jpg', a camera (0), "
        "or a URL (rtsp, http)",
    )
    what.add_argument(
        "--mask",
        required=True,
        action="append",
        metavar="[FRAME:]FILE",
        help="objects to follow; see below. May be repeated",
    )
    what.add_argument("--start", type=whole, default=0, help="first frame (default: 0)")
    what.add_argument("--end", type=whole, help="frame to stop before (default: the end)")
    what.add_argument(
        "--every", type=whole, default=1, help="take every n-th frame only (default: 1)"
    )
    options.add_model_options(parser, DEFAULT_MODEL)
    how = options.add_computing_options(parser)
    options.add_first_gpu(how)
    how.add_argument("--output", help="result folder (default: results/demo_<video>)")
    how.add_argument(
        "--fps",
        type=real,
        help="frame rate of overlay.mp4 (default: the input's; 24 for pictures)",
    )
    how.add_argument(
        "--preview", action="store_true", help="show it in a window meanwhile; q ends the run"
    )
    options.add_overrides(parser)
    args = parser.parse_intermixed_args(argv)
    for option, least in {"start": 0, "end": 1, "every": 1}.items():
        value = getattr(args, option)
        if value is not None and value < least:
            raise UserError(f"--{option} must be {least} or more, got {value}")
    if args.fps is not None and not 0.01 <= args.fps <= 1000:
        raise UserError(f"--fps must be 0.01 to 1000, got {args.fps}")
    if args.end is not None and args.end <= args.start:
        raise UserError(f"--end ({args.end}) must be above --start ({args.start})")
    options.check_gpus(args)
    cfg = options.load_config(args, interactive=True)
    if cfg.eval.flip or cfg.eval.multiscale:
        raise UserError("eval.flip and eval.multiscale are for tools/eval.py; leave them out")
    return cfg, args
