"""The command line of ``tools/tables.py``."""

import argparse
import json
import logging
from collections.abc import Iterable
from pathlib import Path

from mavos.paper.data_at_hand import Data
from mavos.paper.jobs import Setup
from mavos.paper.kinds import make_jobs
from mavos.paper.lines import make_lines
from mavos.paper.listing import as_json, as_text
from mavos.paper.running import Ran, run_table
from mavos.paper.schema import Table
from mavos.paper.tables import TABLES
from mavos.run import options
from mavos.run.entry import USER_ERROR
from mavos.run.numbers import whole
from mavos.run.signals import sigterm_as_ctrl_c
from mavos.utils.errors import UserError, unknown_name
from mavos.utils.logging import setup_logging
from mavos.utils.paths import PRETRAINED, RESULTS, data_root

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    args, setup = parse(argv)
    data = Data(setup.data_root)
    if args.run is None:
        listed = [(t, make_lines(t, make_jobs(t, setup, data))) for t in choose(args.list)]
        print(json.dumps(as_json(listed), indent=2) if args.json else as_text(listed))
        return 0
    setup_logging()
    with sigterm_as_ctrl_c():
        ran = [_run(table, setup, data) for table in choose(args.run)]
    failed = sum(len(one.failures) for one in ran)
    if failed:
        log.error("%d failed; what was measured is kept, the same command resumes", failed)
    elif all(one.all_missing for one in ran):
        log.error("nothing could run: files of every row are missing; --list shows them")
    else:
        return 0
    return USER_ERROR


def _run(table: Table, setup: Setup, data: Data) -> Ran:
    ran = run_table(table, setup, data)
    for path in ran.files:
        print(path, flush=True)
    return ran


def choose(names: Iterable[str]) -> list[Table]:
    """Tables by name, "all" or none for all of them."""
    wanted = list(dict.fromkeys(name.lower() for name in names)) or ["all"]
    for name in wanted:
        if name not in (*TABLES, "all"):
            raise unknown_name("table", name, (*TABLES, "all"))
    return list(TABLES.values()) if "all" in wanted else [TABLES[name] for name in wanted]


def parse(argv: list[str]) -> tuple[argparse.Namespace, Setup]:
    """Command line -> what to do, and with what; options after -- are those of the tools."""
    own, of_tools = argv, []
    if "--" in argv:
        own, of_tools = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    parser = argparse.ArgumentParser(
        prog="mavos tables",
        description="Evaluate the tables of the MAVOS paper: ours, the paper's, the difference.",
        epilog="Everything after -- goes to the tool that measures a row, tools/eval.py or "
        "tools/benchmark.py: --run table4 -- --max_resolution 480 --threads 8.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    names = f"{', '.join(TABLES)} or all"
    what.add_argument(
        "--list", nargs="*", metavar="NAME", help=f"show what can run and what is missing: {names}"
    )
    what.add_argument(
        "--run", nargs="+", metavar="NAME", help=f"measure what is not measured yet: {names}"
    )
    add = parser.add_argument
    add("--json", action="store_true", help="with --list: as JSON, with the command of every row")
    options.add_data_root(parser)
    add("--pretrained", type=Path, default=PRETRAINED, help="of weights (pretrain_models)")
    add("--output", type=Path, default=RESULTS / "tables", help="folder (results/tables)")
    options.add_processes(parser)
    options.add_device(parser)
    options.add_half_precision(parser)
    add(
        "--videos",
        type=whole,
        default=0,
        metavar="K",
        help="only the first K videos of each test set, for a look; written to files of their own",
    )
    add(
        "--overwrite",
        action="store_true",
        help="replace results made with other settings; measure the rows of length again",
    )
    args = parser.parse_args(own)
    if args.videos < 0:
        raise UserError(f"--videos must not be negative, got {args.videos}")
    if args.json and args.run is not None:
        raise UserError("--json goes with --list; --run writes CSV")
    setup = Setup(
        data_root=data_root(args.data_root or "").resolve(),
        pretrained=args.pretrained.resolve(),
        output=args.output.resolve(),
        options=tuple([*(["--amp"] if args.amp else []), *of_tools]),
        device=args.device or "",
        gpu_num=args.gpu_num,
        videos=args.videos,
        overwrite=args.overwrite,
    )
    return args, setup
