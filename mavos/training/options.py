"""The command line of ``tools/train.py``."""

import argparse

from mavos import configs
from mavos.configs.schema import Config
from mavos.configs.stages import STAGES
from mavos.dataloaders.listings.datasets import TRAIN_DATASETS
from mavos.run import options
from mavos.run.numbers import real, whole

# Options of the released code and the config fields they set.
FIELDS = {
    "exp_name": "exp_name",
    "batch_size": "train.batch_size",
    "amp": "train.amp",
    "pretrained_path": "train.start_path",
    "datasets": "train.datasets",
    "lr": "train.lr",
    "total_step": "train.steps",
    "start_step": "train.first_step",
    "data_root": "data.root",
    "compile": "train.compile",
    "checkpoint_activations": "train.checkpoint_activations",
    "eval_every": "train.eval_every",
    "eval_dataset": "train.eval_dataset",
    "seed": "train.seed",
    "device": "train.device",
    "output": "train.output",
}


def parse(argv: list[str]) -> tuple[Config, argparse.Namespace]:
    """Command line -> resolved config, and what belongs to this start of it alone."""
    stages = "\n".join(f"  {name:22} {stage.description}" for name, stage in STAGES.items())
    parser = argparse.ArgumentParser(
        prog="mavos train",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train one stage. Checkpoints, pictures and figures go to "
        "result/<exp>_<MODEL>/<STAGE>;\nthe same command resumes after an interruption.",
        epilog=f"Stages (configs/stages.py has their settings):\n{stages}\n\n"
        "Any config field can be set too: section.field=value, e.g. train.clip_length=6,\n"
        "model.memory=reference. Fields: configs/schema/.",
    )
    what = parser.add_argument_group("what to train")
    options.add_model(what, "r50_mavos")
    what.add_argument("--stage", default="pre_ytb_dav", help="see below (default: %(default)s)")
    options.add_experiment(what)
    what.add_argument(
        "--pretrained_path", help="weights to start from, instead of the stage before (a file)"
    )
    options.add_identities(what)
    data = parser.add_argument_group("on which data")
    data.add_argument(
        "--datasets",
        nargs="+",
        help=f"{', '.join(TRAIN_DATASETS)} or your own folder; 'name*5' counts it five times "
        "(default: the stage's)",
    )
    options.add_data_root(data)
    how = parser.add_argument_group("how")
    how.add_argument(
        "--batch_size", type=whole, help="clips per step over all GPUs (default: the stage's, 16)"
    )
    how.add_argument("--lr", type=real, help="highest learning rate (default: the stage's)")
    how.add_argument("--total_step", type=whole, help="steps (default: the stage's)")
    how.add_argument(
        "--start_step", type=whole, help="count from here, with weights trained so far elsewhere"
    )
    how.add_argument("--seed", type=whole, help="of everything random (default: 0)")
    how.add_argument("--eval_every", type=whole, help="steps between validations (default: none)")
    how.add_argument("--eval_dataset", help="a dataset, or a folder (default: davis2017)")
    where = parser.add_argument_group("where")
    where.add_argument("--output", help="folder of the run (default: as above)")
    options.add_processes(where)
    options.add_first_gpu(where)
    where.add_argument(
        "--dist_url",
        help="tcp://HOST:PORT of the first process, for --gpu_num (default: a free port here)",
    )
    options.add_device(where)
    options.add_half_precision(where)
    for flag, text in {
        "--compile": "torch.compile: minutes at the start, faster steps",
        "--checkpoint_activations": "compute activations twice, keep less: for small GPUs",
    }.items():
        where.add_argument(flag, action="store_true", default=None, help=text)
    options.add_overrides(parser)
    args = parser.parse_intermixed_args(argv)
    if args.datasets:  # takes everything up to the next option, overrides too
        args.overrides += [d for d in args.datasets if "=" in d]
        args.datasets = ",".join(d for d in args.datasets if "=" not in d)
    options.check_gpus(args)
    overrides = options.assignments(args, FIELDS) + args.overrides
    of_method = {"max_id_num": args.max_id_num}  # each method knows the field
    named = options.named(args, FIELDS)
    return configs.load(args.model, args.stage, overrides, options=of_method, named=named), args
