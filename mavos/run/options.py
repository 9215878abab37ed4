"""Options that several commands share: a name, a meaning and a help text once. No PyTorch here."""

import argparse
from collections.abc import Mapping

from mavos import configs
from mavos.configs.models import MODELS
from mavos.configs.schema import Config
from mavos.configs.stages import OWN_VIDEO_STAGE, STAGES
from mavos.run.numbers import real, whole
from mavos.utils import pixel_limit
from mavos.utils.errors import UserError

# Options of the released code and the config fields they set.
MODEL_FIELDS = {
    "exp_name": "exp_name",
    "ckpt_path": "eval.checkpoint",
    "ckpt_step": "eval.checkpoint_step",
    "ema": "eval.ema",
}
COMPUTING_FIELDS = {
    "max_resolution": "eval.max_resolution",
    "dtype": "eval.dtype",
    "amp": "eval.amp",
    "device": "eval.device",
    "threads": "eval.threads",
    "max_pixels": "eval.max_pixels",
    "compile": "eval.compile",
}
FIELDS = MODEL_FIELDS | COMPUTING_FIELDS
OF_METHOD = ("lt_gap", "st_skip", "max_id_num")  # each method knows the field

Options = argparse.ArgumentParser | argparse._ArgumentGroup


def add_model_options(parser: argparse.ArgumentParser, default: str = "mavos") -> None:
    """Which network, ``default`` if none is named, with which weights, and what it remembers."""
    model = parser.add_argument_group("with which model")
    add_model(model, default)
    model.add_argument(
        "--stage",
        help=f"{', '.join(STAGES)} (default: the dataset's; {OWN_VIDEO_STAGE} for your own video)",
    )
    add_experiment(model)
    model.add_argument(
        "--ckpt_path", help="checkpoint file (default: looked for, see docs/evaluation.md)"
    )
    model.add_argument(
        "--ckpt_step", type=whole, help="training step of the checkpoint (default: last)"
    )
    model.add_argument(
        "--ema",
        action=argparse.BooleanOptionalAction,
        help="averaged weights or not (default: where there are any)",
    )
    add_memory_gap(model)
    model.add_argument(
        "--st_skip", type=whole, help="age of the short-term memory, in frames (default: 1)"
    )
    add_identities(model)


def add_computing_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Size of the input, precision, device; returns the group, for more of the kind."""
    how = parser.add_argument_group("how")
    how.add_argument(
        "--max_resolution",
        type=real,
        help="long edge at most 5/3 of it (default: 624, mavos_nano 240)",
    )
    add_pixel_limit(how, None)
    how.add_argument("--dtype", help="precision: fp32, tf32, bf16, fp16 (default: fp32)")
    add_half_precision(how)
    how.add_argument(
        "--compile",
        action="store_true",
        default=None,
        help="CUDA graphs, with more memory; without CUDA torch.compile, which takes minutes first",
    )
    add_device(how)
    how.add_argument(
        "--threads",
        type=whole,
        help="CPU threads of the network in each process (default: PyTorch's choice)",
    )
    return how


def add_model(group: Options, default: str) -> None:
    group.add_argument("--model", default=default, help=f"{', '.join(MODELS)} (default: {default})")


def add_pixel_limit(group: Options, default: int | None) -> None:
    group.add_argument(
        "--max_pixels",
        type=whole,
        default=default,
        help="larger frames and masks are refused before they are decoded (default: "
        f"{pixel_limit.DEFAULT})",
    )


def add_experiment(group: Options) -> None:
    group.add_argument(
        "--exp_name", help="name of the experiment that trains it (default: default)"
    )


def add_identities(group: Options) -> None:
    group.add_argument(
        "--max_id_num",
        type=whole,
        help="identities per object group (default: the network's, 10 as published)",
    )


def add_memory_gap(group: Options) -> None:
    group.add_argument(
        "--lt_gap",
        type=whole,
        help="frames between memory updates (default: the model's, 10 for MAVOS)",
    )


def add_half_precision(group: Options) -> None:
    group.add_argument(
        "--amp",
        action="store_true",
        default=None,
        help="half precision: bfloat16 where the device has it, else float16",
    )


def add_device(group: Options) -> None:
    group.add_argument("--device", help="auto, cpu, mps, cuda, cuda:N (default: auto)")


def add_first_gpu(group: Options) -> None:
    group.add_argument(
        "--gpu_id",
        "--start_gpu",
        type=whole,
        default=0,
        metavar="N",
        help="the GPU to use, or the first of several (default: 0)",
    )


def add_processes(group: Options) -> None:
    group.add_argument(
        "--gpu_num", type=whole, default=1, help="processes, each on a GPU of its own (default: 1)"
    )


def add_data_root(group: Options) -> None:
    group.add_argument(
        "--data_root", help="folder of the datasets, or of the one in use (default: datasets)"
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("overrides", nargs="*", metavar="section.field=value")


def check_gpus(args: argparse.Namespace) -> None:
    """Raises UserError for a number of GPUs, or a first one, that cannot be."""
    if getattr(args, "gpu_num", 1) < 1:
        raise UserError(f"--gpu_num must be at least 1, got {args.gpu_num}")
    if args.gpu_id < 0:
        raise UserError(f"--gpu_id must be 0 or more, got {args.gpu_id}")


def assignments(args: argparse.Namespace, fields: Mapping[str, str]) -> list[str]:
    """``section.field=value`` of each option that was given; ``fields``: option -> its field."""
    given = {field: getattr(args, option) for option, field in fields.items()}
    return [f"{field}={value}" for field, value in given.items() if value is not None]


def named(args: argparse.Namespace, fields: Mapping[str, str]) -> dict[str, str]:
    """Field -> the option that was given for it; ``fields`` as in ``assignments``."""
    return {f: f"--{option}" for option, f in fields.items() if getattr(args, option) is not None}


def check_precision(args: argparse.Namespace) -> None:
    """Raises UserError if two precisions are asked for."""
    if args.amp and args.dtype:
        raise UserError("--amp already chooses a half precision; leave out it or --dtype")


def load_config(
    args: argparse.Namespace,
    stage: str = OWN_VIDEO_STAGE,
    fields: Mapping[str, str] = FIELDS,
    *,
    dataset: str = "",
    interactive: bool = False,
) -> Config:
    """The config that the options ask for; ``stage`` is that of the weights if none is named.

    fields: as in ``assignments``. dataset, interactive: see ``configs.load``.
    """
    check_precision(args)
    return configs.load(
        args.model,
        args.stage or stage,
        [*assignments(args, fields), *args.overrides],
        options={option: getattr(args, option) for option in OF_METHOD},
        dataset=dataset,
        interactive=interactive,
        named=named(args, fields),
    )
