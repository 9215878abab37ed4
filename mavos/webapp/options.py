"""The command line of ``tools/app.py``."""

import argparse

from mavos.configs.schema import Config
from mavos.run import options
from mavos.run.numbers import real, whole
from mavos.run.shipped import DEFAULT_MODEL
from mavos.utils.errors import UserError

_ABOVE_ZERO = ("max_upload_mb", "max_frames", "max_sessions", "keep_minutes")
_ABOVE_ZERO += ("snapshots", "snapshots_mb")


def parse(argv: list[str]) -> tuple[Config, argparse.Namespace]:
    """Command line -> resolved config of the model, and what belongs to the page."""
    parser = argparse.ArgumentParser(
        prog="mavos app",
        description="A page on this machine: draw masks in a video, track them, correct, download. "
        "Its address is printed on standard output.",
        epilog="Any config field can be set too: section.field=value. Fields: configs/schema/.",
    )
    options.add_model_options(parser, DEFAULT_MODEL)
    options.add_first_gpu(options.add_computing_options(parser))
    page = parser.add_argument_group("the page")
    add = page.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    add("--port", type=whole, default=7860, help="0: any free one (default: %(default)s)")
    add("--open", action="store_true", help="open the page in a browser")
    add("--max_upload_mb", type=whole, default=1000, help="of a video (default: %(default)s)")
    add("--max_frames", type=whole, default=20000, help="of a video (default: %(default)s)")
    add("--max_sessions", type=whole, default=8, help="pages open at a time (default: %(default)s)")
    add(
        "--keep_minutes",
        type=real,
        default=60.0,
        help="a page that is silent for so long is forgotten (default: %(default)s)",
    )
    add(
        "--snapshots",
        type=whole,
        default=24,
        help="states of a tracker kept to go back to, for each page (default: %(default)s)",
    )
    add(
        "--snapshots_mb",
        type=whole,
        default=1000,
        help="fewer states are kept where they would take more, on the device (default: "
        "%(default)s)",
    )
    options.add_overrides(parser)
    args = parser.parse_intermixed_args(argv)
    for name in _ABOVE_ZERO:
        if getattr(args, name) <= 0:
            raise UserError(f"--{name} must be above 0, got {getattr(args, name)}")
    if not 0 <= args.port < 2**16:
        raise UserError(f"--port must be 0 to 65535, got {args.port}")
    options.check_gpus(args)
    return options.load_config(args, interactive=True), args
