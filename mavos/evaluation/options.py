"""The command line of ``tools/eval.py``."""

import argparse
from pathlib import Path

from mavos import configs
from mavos.configs.models import MODELS
from mavos.configs.schema import Config
from mavos.configs.stages import OWN_VIDEO_STAGE, STAGES
from mavos.dataloaders.listings.eval_datasets import EVAL_DATASETS, find_dataset
from mavos.utils.errors import UserError

# Options of the released code and the config fields they set.
OPTIONS = {
    "exp_name": "exp_name",
    "dataset": "eval.dataset",
    "split": "eval.split",
    "data_root": "data.root",
    "ckpt_path": "eval.checkpoint",
    "ckpt_step": "eval.checkpoint_step",
    "ema": "eval.ema",
    "flip": "eval.flip",
    "ms": "eval.multiscale",
    "max_resolution": "eval.max_resolution",
    "dtype": "eval.dtype",
    "amp": "eval.amp",
    "device": "eval.device",
    "threads": "eval.threads",
    "compile": "eval.compile",
    "output": "eval.output",
    "overwrite": "eval.overwrite",
}
MODEL_OPTIONS = ("lt_gap", "st_skip", "max_id_num")  # each method knows the field


def parse(argv: list[str]) -> tuple[Config, argparse.Namespace]:
    """Command line -> resolved config, and what belongs to this start of it alone."""
    parser = argparse.ArgumentParser(
        prog="mavos eval",
        description="Segment every video of a dataset, or one video, and pack the masks for a "
        "server. The last line on standard output is the path of the zip.",
        epilog="Any config field can be set too: section.field=value, e.g. model.memory=reference, "
        "data.threads=4. Fields: configs/schema/.",
    )
    what = parser.add_argument_group("what to segment")
    what.add_argument("--dataset", help=f"{', '.join(EVAL_DATASETS)} (default: davis2017)")
    what.add_argument("--split", help="part of the dataset (default: the one usually evaluated)")
    what.add_argument(
        "--data_root", help="folder of the datasets, or of this one (default: datasets)"
    )
    what.add_argument("--input", type=Path, help="your own video: a file, or a folder of frames")
    what.add_argument(
        "--mask", type=Path, help="its mask: a file for one frame, or a folder of them"
    )
    add_model_options(parser)
    how = add_computing_options(parser)
    how.add_argument(
        "--flip", action="store_true", default=None, help="average with mirrored frames"
    )
    how.add_argument("--ms", action="store_true", default=None, help="average over several scales")
    how.add_argument("--gpu_id", type=int, default=0, help="first GPU to use (default: 0)")
    how.add_argument("--gpu_num", type=int, default=1, help="processes to start (default: 1)")
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
    parser.add_argument("overrides", nargs="*", metavar="section.field=value")
    args = parser.parse_intermixed_args(argv)
    if (args.input is None) != (args.mask is None):
        raise UserError("--input and --mask go together: a video and the mask of its first frame")
    if args.input is not None and (args.dataset or args.split):
        raise UserError("--input is a video of its own; leave --dataset and --split out")
    if args.gpu_num < 1:
        raise UserError(f"--gpu_num must be at least 1, got {args.gpu_num}")
    if args.gpu_id < 0:
        raise UserError(f"--gpu_id must be 0 or more, got {args.gpu_id}")

    if args.input is not None:
        return load_config(args, OWN_VIDEO_STAGE), args
    name, dataset = find_dataset(args.dataset or "davis2017")
    return load_config(args, dataset.stage, dataset=name), args


def load_config(
    args: argparse.Namespace, stage: str, *, dataset: str = "", interactive: bool = False
) -> Config:
    """The config that the options ask for; ``stage`` is that of the weights if none is named.

    dataset, interactive: see ``configs.load``.
    """
    if args.amp and args.dtype:
        raise UserError("--amp chooses a half precision by itself; leave it or --dtype out")
    given = {option: getattr(args, option, None) for option in OPTIONS}
    overrides = [f"{OPTIONS[o]}={value}" for o, value in given.items() if value is not None]
    return configs.load(
        args.model,
        args.stage or stage,
        [*overrides, *args.overrides],
        options={option: getattr(args, option, None) for option in MODEL_OPTIONS},
        dataset=dataset,
        interactive=interactive,
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which network with which weights, and what it remembers."""
    model = parser.add_argument_group("with which model")
    model.add_argument(
        "--model", default="mavos", help=f"{', '.join(MODELS)} (default: %(default)s)"
    )
    model.add_argument(
        "--stage",
        help=f"{', '.join(STAGES)} (default: the dataset's; {OWN_VIDEO_STAGE} for your own video)",
    )
    model.add_argument("--exp_name", help="experiment that trained it (default: default)")
    model.add_argument("--ckpt_path", help="checkpoint file (default: looked for, see README)")
    model.add_argument(
        "--ckpt_step", type=int, help="training step of the checkpoint (default: last)"
    )
    model.add_argument(
        "--ema",
        action=argparse.BooleanOptionalAction,
        help="averaged weights or not (default: where there are any)",
    )
    model.add_argument(
        "--lt_gap",
        type=int,
        help="frames between memory updates (default: the model's, 10 for MAVOS)",
    )
    model.add_argument(
        "--st_skip", type=int, help="age of the short-term memory, in frames (default: 1)"
    )
    model.add_argument(
        "--max_id_num",
        type=int,
        help="identities per object group (default: the network's, 10 as published)",
    )


def add_computing_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Size of the input, precision, device; returns the group, for more of the kind."""
    how = parser.add_argument_group("how")
    how.add_argument(
        "--max_resolution",
        type=float,
        help="long edge at most 5/3 of it (default: 624, mavos_nano 240)",
    )
    how.add_argument("--dtype", help="precision: fp32, tf32, bf16, fp16 (default: fp32)")
    how.add_argument(
        "--amp",
        action="store_true",
        default=None,
        help="the half precision that suits the device",
    )
    how.add_argument(
        "--compile",
        action="store_true",
        default=None,
        help="CUDA graphs, with more memory; without CUDA torch.compile, which takes minutes first",
    )
    how.add_argument("--device", help="auto, cpu, mps, cuda, cuda:N (default: auto)")
    how.add_argument(
        "--threads",
        type=int,
        help="CPU threads of the network in each process (default: PyTorch's choice)",
    )
    return how
