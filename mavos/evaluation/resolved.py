"""What an evaluation run does, with nothing left open: made once, before anything is segmented."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from mavos.configs.schema import Config
from mavos.dataloaders.listings.eval_datasets import Split, find_split
from mavos.run.devices import precision_of, weight_dtype
from mavos.run.find_checkpoint import find_checkpoint
from mavos.utils.paths import RESULTS, data_root

_ELSEWHERE = (
    *("dataset", "split", "videos", "output", "overwrite"),
    *("checkpoint", "checkpoint_step", "ema"),
)
_ONLY_SPEED = ("device", "threads", "compile")


@dataclass(frozen=True)
class Evaluation:
    """One model on one split of a dataset."""

    cfg: Config
    data: Split
    checkpoint: Path
    precision: str

    @property
    def folder(self) -> Path:
        """Where the results go: the folder asked for, else one named after the run."""
        if self.cfg.eval.output:
            return Path(self.cfg.eval.output)
        cfg, checkpoint = self.cfg, self.checkpoint.stem
        parts = [cfg.exp_name, cfg.model.title, cfg.stage, checkpoint]
        parts += ["flip"] if cfg.eval.flip else []
        parts += ["ms"] if cfg.eval.multiscale else []
        return RESULTS / self.where / "_".join(parts)

    @property
    def where(self) -> str:
        """The dataset, and the split if it is not the usual one."""
        data = self.data
        return data.dataset if data.is_usual else f"{data.dataset}_{data.split}"

    def settings(self) -> dict:
        """What decides the masks, as JSON has it; a run is resumed only with the same."""
        settings = dataclasses.asdict(self.cfg)
        del settings["train"]
        for name in (*_ELSEWHERE, *_ONLY_SPEED):
            del settings["eval"][name]
        for name in self.cfg.model.speed_only:
            del settings["model"][name]
        del settings["eval"]["amp"]  # another name for one of the precisions
        settings["eval"]["dtype"] = self.precision
        # names have aliases and defaults, folders may be relative
        settings["data"] = {
            "dataset": self.data.dataset,
            "split": self.data.split,
            "root": str(self.data.data_root.resolve()),
        }
        size = self.checkpoint.stat().st_size
        settings["checkpoint"] = {"path": str(self.checkpoint), "bytes": size}
        return json.loads(json.dumps(settings))

    def default_settings(self) -> dict:
        """Defaults of what ``settings`` has: results of an earlier version may not have it yet."""
        sections = {"model": self.cfg.model, "data": self.cfg.data, "eval": self.cfg.eval}
        return {
            name: {
                field.name: field.default
                for field in dataclasses.fields(section)
                if field.default is not dataclasses.MISSING
            }
            for name, section in sections.items()
        }


def resolve(cfg: Config, device: torch.device) -> Evaluation:
    """Find the data and the weights; raises UserError for whatever is not there or does not fit."""
    data = find_split(cfg.eval.dataset, cfg.eval.split, data_root(cfg.data.root))
    data = dataclasses.replace(data, videos=data.videos[: cfg.eval.videos or None])
    checkpoint = find_checkpoint(cfg)
    weight_dtype(cfg.eval, device)
    return Evaluation(cfg, data, checkpoint, precision_of(cfg.eval, device))
