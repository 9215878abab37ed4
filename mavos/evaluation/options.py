"""The command line of ``tools/eval.py``."""

import argparse
from collections.abc import Sequence

from mavos.configs.schema import Config
from mavos.dataloaders.listings.eval_datasets import EVAL_DATASETS, find_dataset
from mavos.run import options
from mavos.run.numbers import whole
from mavos.utils import ranks
from mavos.utils.errors import UserError

# Options that only this command has, and the config fields they set.
FIELDS = options.FIELDS | {
    "dataset": "eval.dataset",
    "split": "eval.split",
    "videos": "eval.videos",
    "data_root": "data.root",
    "flip": "eval.flip",
    "ms": "eval.multiscale",
    "output": "eval.output",
    "overwrite": "eval.overwrite",
}


def _is_own_video(argv: Sequence[str]) -> bool:
    """Whether a video of one's own is asked for.

    Raises UserError for --input without --mask, with a dataset, or in several processes.
    """
    parser = argparse.ArgumentParser(add_help=False)
    for name in ("--input", "--mask", "--dataset", "--split"):
        parser.add_argument(name)
    given = parser.parse_known_args(list(argv))[0]
    if (given.input is None) != (given.mask is None):
        raise UserError("--input and --mask go together: a video and the mask of its first frame")
    if given.input is None:
        return False
    if given.dataset or given.split:
        raise UserError("--input is a video of its own; leave --dataset and --split out")
    if ranks.world_size() > 1:
        raise UserError("--input is one video, which one process segments; start it without others")
    return True


def parse(argv: Sequence[str]) -> tuple[Config, argparse.Namespace] | None:
    """Command line -> resolved config, and what belongs to this start of it alone.

    None for a video of one's own, which ``mavos demo`` segments, by its own options.
    """
    if _is_own_video(argv):
        return None
    parser = argparse.ArgumentParser(
        prog="mavos eval",
        description="Segment every video of a dataset, and pack the masks for a server. The last "
        "line on standard output is the path of the zip.",
        epilog="Any config field can be set too: section.field=value, e.g. model.memory=reference, "
        "data.threads=4. Fields: configs/schema/.",
    )
    what = parser.add_argument_group("what to segment")
    what.add_argument("--dataset", help=f"{', '.join(EVAL_DATASETS)} (default: davis2017)")
    what.add_argument("--split", help="part of the dataset (default: the one usually evaluated)")
    what.add_argument("--videos", type=whole, metavar="K", help="only the first K, for a look")
    options.add_data_root(what)
    what.add_argument(
        "--input", help="your own video instead: this is `mavos demo`, and takes its options"
    )
    what.add_argument("--mask", help="its mask")
    options.add_model_options(parser)
    how = options.add_computing_options(parser)
    how.add_argument(
        "--flip", action="store_true", default=None, help="average with mirrored frames"
    )
    how.add_argument("--ms", action="store_true", default=None, help="average over several scales")
    options.add_first_gpu(how)
    options.add_processes(how)
    how.add_argument("--output", help="result folder (default: results/<dataset>/<run>)")
    how.add_argument(
        "--overwrite", action="store_true", default=None, help="do finished videos again"
    )
    how.add_argument(
        "--score",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="score the masks where the ground truth is there (default: yes)",
    )
    options.add_overrides(parser)
    args = parser.parse_intermixed_args(list(argv))
    options.check_gpus(args)
    name, dataset = find_dataset(args.dataset or "davis2017")
    return options.load_config(args, dataset.stage, FIELDS, dataset=name), args
