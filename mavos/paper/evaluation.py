"""Rows that ``tools/eval.py`` measures: scores on a dataset, speed, memory."""

import json
import shlex
from pathlib import Path

from mavos import configs
from mavos.configs.schema import Config
from mavos.configs.stages import STAGES
from mavos.dataloaders.listings.eval_datasets import find_dataset
from mavos.evaluation.options import parse
from mavos.paper.data_at_hand import Data
from mavos.paper.jobs import Job, Measured, Missing, Setup, shown
from mavos.paper.schema import Network, Row, Table
from mavos.paper.testsets import TEST_SETS
from mavos.run.find_checkpoint import run_folder, saved_steps
from mavos.scoring.protocols import find_protocol
from mavos.utils.errors import UserError
from mavos.utils.paths import PRETRAINED

_SCORES = {"J&F": "J&F-Mean", "J": "J-Mean", "F": "F-Mean"}
_NO_GROUPS = (
    "There was no unseen_videos.txt beside the masks: means are over all objects, not over those "
    "of seen and of unseen ones, as LVOS reports them (docs/scoring.md)."
)
_DATA_REMEDY = ("datasets/README.md says where to get it and how it must lie",)


def make_jobs(table: Table, row: Row, setup: Setup, data: Data) -> dict[str, Job]:
    """One for each test set that the table has columns of.

    Raises UserError if ``setup.options`` change what the row decides.
    """
    sets = dict.fromkeys(column.on for column in table.columns)
    return {on: _make_job(row, row.network, on, setup, data) for on in sets}


def _make_job(row: Row, network: Network, on: str, setup: Setup, data: Data) -> Job:
    test_set = TEST_SETS[on]
    name, dataset = find_dataset(test_set.dataset)
    more = [f"exp_name={network.experiment}"] if network.experiment else []
    cfg = configs.load(network.model, dataset.stage, [*network.overrides, *more], dataset=name)
    checkpoint, missing = _checkpoint(network, on, cfg, setup)
    released = network.is_released_for(on)
    named = [checkpoint.stem] if released else [network.experiment, network.model]
    folder = setup.run_folder(f"{test_set.dataset}_{test_set.split}", [*named, *network.overrides])
    decided = [
        *("--dataset", test_set.dataset, "--split", test_set.split),
        *("--data_root", str(setup.data_root), "--model", network.model),
        *("--ckpt_path", str(checkpoint), "--output", str(folder)),
        *(["--videos", str(setup.videos)] if setup.videos else []),
        *network.overrides,
    ]
    machine = ["--gpu_num", str(setup.gpu_num)] if setup.gpu_num > 1 else []
    machine += ["--device", setup.device] if setup.device else []
    _check_options(decided, setup.options, machine)
    videos, fault = data.look(test_set.dataset, test_set.split)
    if fault:
        what = f"{test_set.dataset}, split {test_set.split}"
        missing.append(Missing("data", what, _DATA_REMEDY, fault))
    return Job(
        row,
        on,
        tool="eval",
        results=("scores.json", "speed.json"),
        arguments=(*test_set.options, *decided, *setup.options),
        folder=folder,
        machine=tuple(machine),
        policy=cfg.model.setting("policy") or "",
        gap=cfg.model.setting("lt_gap") or 0,
        where=f"{test_set.dataset} {test_set.split}",
        checkpoint=checkpoint,
        weights=checkpoint.name if released else _trained_in_words(network, cfg, checkpoint),
        videos=min(videos, setup.videos or videos),
        full=test_set.videos,
        missing=tuple(missing),
    )


def measured(job: Job) -> Measured | None:
    """What the files in the job's folder say; None if they are not of all videos."""
    try:
        scores = json.loads((job.folder / "scores.json").read_text(encoding="utf-8"))
        speed = json.loads((job.folder / "speed.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    total = speed["total"]
    if job.videos not in (0, total["videos"]):
        return None
    values: dict[str, float | str] = {
        name: 100 * scores[key] for name, key in _SCORES.items() if scores.get(key) is not None
    }
    values["FPS"] = total["all_frame_fps"]
    values["memory"] = total["peak_memory_bytes"] / 2**30
    without_groups = find_protocol(scores["protocol"]).unseen_name and "J-seen-Mean" not in scores
    caveat = _NO_GROUPS if without_groups else ""
    return Measured(values, speed["device"], total["videos"], caveat)


def train_commands(network: Network, stage: str) -> list[str]:
    """What makes the weights of a row that was not released: from stage ``pre`` on, in order."""
    commands: list[str] = []
    while stage in STAGES and stage != "pre":
        options = ["--model", network.model, "--stage", stage, "--exp_name", network.experiment]
        commands.insert(0, " ".join(["bash train.sh", *options, *network.overrides]))
        stage = STAGES[stage].train.start
    return commands


def _checkpoint(network: Network, on: str, cfg: Config, setup: Setup) -> tuple[Path, list[Missing]]:
    """The file of a row's weights, and what is to be done if it is not there."""
    if network.is_released_for(on):
        path = setup.pretrained / network.weights[on]
        elsewhere = [] if setup.pretrained == PRETRAINED else ["--output", str(setup.pretrained)]
        remedies = (shlex.join(["python", "tools/download.py", path.stem, *elsewhere]),)
        return path, [] if path.is_file() else [Missing("weights", shown(path), remedies)]
    folder = run_folder(cfg, setup.trained) / "ema_ckpt"
    steps = saved_steps(folder)
    final = folder / f"save_step_{cfg.train.steps}.pth"
    if steps:
        return steps[max(steps)], []
    commands = tuple(train_commands(network, cfg.stage))
    return final, [Missing("weights", shown(final), commands)]


def _trained_in_words(network: Network, cfg: Config, checkpoint: Path) -> str:
    step = checkpoint.stem.rpartition("_")[2]
    return f"{network.experiment} {cfg.stage}, step {step} of {cfg.train.steps}"


def _check_options(decided: list[str], options: tuple[str, ...], machine: list[str]) -> None:
    """Refuse options that a row sets itself: the same must hold whether they come first or last."""
    cfg, args = parse([*decided, *options, *machine])
    first = parse([*options, *decided, *machine])[0]
    videos = parse(decided)[0].eval.videos
    if not args.score or cfg.eval.overwrite or first != cfg or cfg.eval.videos != videos:
        raise UserError(
            f"options after --, {' '.join(options)}: dataset, split, videos, data root, model, "
            "weights, output and memory belong to the rows, and scores are needed; leave them out"
        )
