"""Rows that ``tools/eval.py`` measures: scores on a dataset, speed, memory."""

import json
import shlex
from pathlib import Path

from mavos import configs
from mavos.configs.schema import Config
from mavos.configs.stages import STAGES
from mavos.dataloaders.listings.eval_datasets import Split, find_dataset, find_split
from mavos.evaluation.options import parse
from mavos.evaluation.scores import without_truth
from mavos.paper.jobs import Job, Measured, Missing, Setup, shown
from mavos.paper.schema import Row, Table
from mavos.run.find_checkpoint import run_folder, saved_steps
from mavos.scoring.protocols import find_protocol
from mavos.utils.errors import UserError
from mavos.utils.paths import PRETRAINED

_SCORES = {"J&F": "J&F-Mean", "J": "J-Mean", "F": "F-Mean", "V": "V-Mean"}
_NO_GROUPS = (
    "There was no unseen_videos.txt beside the masks: means are over all objects, not over those "
    "of seen and of unseen ones, as LVOS reports them (docs/scoring.md)."
)
_TOLD_FAULTS = 3
_DATA_REMEDY = ("datasets/README.md says where to get it and how it must lie",)


class Data:
    """The datasets of a data root; each is listed once."""

    def __init__(self, root: Path):
        self.root = root
        self._known: dict[tuple[str, str], tuple[int, str]] = {}

    def look(self, dataset: str, split: str) -> tuple[int, str]:
        """Number of videos, and why they cannot be evaluated and scored; "" if they can."""
        key = dataset, split
        if key not in self._known:
            try:
                found = find_split(dataset, split, self.root)
                self._known[key] = len(found.videos), _fault(found)
            except UserError as error:
                self._known[key] = 0, str(error)
        return self._known[key]


def make_job(table: Table, row: Row, setup: Setup, data: Data) -> Job:
    """Raises UserError if ``setup.options`` change what the row decides."""
    split = row.split or table.split
    stage = find_dataset(table.dataset)[1].stage
    more = [f"exp_name={row.experiment}"] if row.experiment else []
    cfg = configs.load(row.model, stage, [*row.overrides, *more])
    checkpoint, missing = _checkpoint(row, cfg, setup)
    weights = [row.experiment, row.model] if row.experiment else [Path(row.checkpoint).stem]
    folder = setup.run_folder(f"{table.dataset}_{split}", [*weights, *row.overrides])
    decided = [
        *("--dataset", table.dataset, "--split", split, "--data_root", str(setup.data_root)),
        *("--model", row.model, "--ckpt_path", str(checkpoint), "--output", str(folder)),
        *row.overrides,
    ]
    machine = ["--gpu_num", str(setup.gpu_num)] if setup.gpu_num > 1 else []
    machine += ["--device", setup.device] if setup.device else []
    _check_options(decided, setup.options, machine)
    videos, fault = data.look(table.dataset, split)
    if fault:
        missing.append(Missing("data", f"{table.dataset}, split {split}", _DATA_REMEDY, fault))
    return Job(
        row,
        policy=cfg.model.setting("policy") or "",
        tool="eval",
        results=("scores.json", "speed.json"),
        arguments=(*decided, *setup.options),
        machine=tuple(machine),
        folder=folder,
        checkpoint=checkpoint,
        weights=_in_words(row, cfg, checkpoint),
        videos=videos,
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
    values = {
        name: 100 * scores[key] for name, key in _SCORES.items() if scores.get(key) is not None
    }
    values["FPS"] = total["all_frame_fps"]
    values["memory"] = total["peak_memory_bytes"] / 2**30
    lacks_groups = find_protocol(scores["protocol"]).unseen_name and "J-seen-Mean" not in scores
    caveat = _NO_GROUPS if lacks_groups else ""
    return Measured(values, speed["device"], total["videos"], caveat)


def train_commands(row: Row, stage: str) -> list[str]:
    """What makes the weights of a row that was not released: from stage ``pre`` on, in order."""
    commands: list[str] = []
    while stage in STAGES and stage != "pre":
        options = ["--model", row.model, "--stage", stage, "--exp_name", row.experiment]
        commands.insert(0, " ".join(["bash train.sh", *options, *row.overrides]))
        stage = STAGES[stage].train.start
    return commands


def _fault(data: Split) -> str:
    faults = [f"{video.name}: {video.error}" for video in data.videos if video.error]
    if faults:
        more = len(faults) - _TOLD_FAULTS
        return "\n".join(faults[:_TOLD_FAULTS] + ([f"and {more} more"] if more > 0 else []))
    unscored = without_truth(data)
    if unscored is not None:
        return f"no ground truth of {unscored} beside the masks given, so nothing can be scored"
    return ""


def _checkpoint(row: Row, cfg: Config, setup: Setup) -> tuple[Path, list[Missing]]:
    """The file of a row's weights, and what is to be done if it is not there."""
    if not row.experiment:
        path = setup.pretrained / row.checkpoint
        elsewhere = [] if setup.pretrained == PRETRAINED else ["--output", str(setup.pretrained)]
        remedies = (shlex.join(["python", "tools/download.py", path.stem, *elsewhere]),)
        return path, [] if path.is_file() else [Missing("weights", shown(path), remedies)]
    folder = run_folder(cfg, setup.trained) / "ema_ckpt"
    steps = saved_steps(folder)
    final = folder / f"save_step_{cfg.train.steps}.pth"
    if steps:
        return steps[max(steps)], []
    return final, [Missing("weights", shown(final), tuple(train_commands(row, cfg.stage)))]


def _in_words(row: Row, cfg: Config, checkpoint: Path) -> str:
    if not row.experiment:
        return checkpoint.name
    step = checkpoint.stem.rpartition("_")[2]
    return f"{row.experiment}, step {step} of {cfg.train.steps}"


def _check_options(decided: list[str], options: tuple[str, ...], machine: list[str]) -> None:
    """Refuse options that a row sets itself: the same must hold whether they come first or last."""
    cfg, args = parse([*decided, *options, *machine])
    first = parse([*options, *decided, *machine])[0]
    if not args.score or cfg.eval.overwrite or first != cfg:
        raise UserError(
            f"options after --, {' '.join(options)}: dataset, split, data root, model, weights, "
            "output and memory belong to the rows, and scores are needed; leave them out"
        )
