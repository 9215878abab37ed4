"""One training run on disk: checkpoints, and how to resume from them bit for bit.

result/<exp>_<MODEL>/<STAGE>/ckpt/save_step_<N>.pth      weights and all that training needs
                             ema_ckpt/save_step_<N>.pth  averaged weights, the ones to evaluate
                             best.pth, best.json         the averages that validated best
                             config.json                 the resolved config
                             metrics.jsonl, train.log, tensorboard/
"""

import dataclasses
import json
import logging
import random
from pathlib import Path

import numpy as np
import torch

from mavos.configs.schema import Config
from mavos.run.find_checkpoint import saved_steps
from mavos.training.step import Trainer
from mavos.utils import distributed, ranks
from mavos.utils.checkpoint import file_content, official_state_dict
from mavos.utils.errors import OutputError, UserError
from mavos.utils.files import atomic_path, write_json
from mavos.utils.intact import check_tensors, read_tensors
from mavos.utils.reading import parse_json

log = logging.getLogger(__name__)

# What may differ between a run and its continuation without being worth a word.
_ELSEWHERE = ("eval.", "train.device", "train.workers", "train.output", "data.", "model.test_")


class RunFolder:
    """Paths of a run, its checkpoints and its config."""

    def __init__(self, folder: Path, cfg: Config):
        self.folder, self.cfg = folder, cfg
        self.checkpoints, self.averages = folder / "ckpt", folder / "ema_ckpt"

    def sweep(self) -> None:
        """Remove what a kill in the middle of saving has left."""
        for kind in (self.checkpoints, self.averages):
            for partial in kind.glob(".save_step_*.tmp"):
                partial.unlink(missing_ok=True)

    def newest(self) -> tuple[int, Path] | None:
        """Step and file of the newest checkpoint."""
        steps = saved_steps(self.checkpoints)
        return max(steps.items()) if steps else None

    def _newest_intact(self) -> tuple[int, Path, dict] | None:
        """Step, file and content of the newest checkpoint that is intact; None if there is none.

        Raises UserError if all that there are are damaged.
        """
        newest_first = sorted(saved_steps(self.checkpoints).items(), reverse=True)
        for place, (step, path) in enumerate(newest_first):
            try:
                return step, path, _read(path)
            except UserError as error:
                if place == len(newest_first) - 1:
                    raise UserError(
                        f"{error}. No checkpoint in {self.checkpoints} can be resumed from; choose "
                        "another --exp_name or --output to start anew"
                    ) from error
                log.warning("%s. Resuming from the checkpoint before it", error)
        return None

    def save(self, trainer: Trainer, step: int, log_state: dict, *, may_fail: bool) -> None:
        """Write both checkpoints after ``step`` steps; every process must call it.

        Where the disk is full the checkpoints that are there are kept. may_fail: training continues
        then, with a warning; else OutputError.
        """
        states = distributed.gather_objects(random_states(trainer.device))
        if states is None:
            return
        name = f"save_step_{step}.pth"
        try:
            # the averages first: where there is a checkpoint, there is its average
            _save(averaged_weights(trainer), self.averages / name)
            content = self._content(trainer, step, states) | {"log": log_state}
            _save(content, self.checkpoints / name)
        except OutputError as error:
            if not may_fail:
                raise
            log.warning("step %d was not saved: %s. Training continues", step, error)
            return
        for folder in (self.checkpoints, self.averages):
            kept = list(saved_steps(folder).values())
            for old in kept[: -self.cfg.train.keep_last]:
                old.unlink(missing_ok=True)

    def resume(self, trainer: Trainer) -> tuple[int, dict]:
        """Bring ``trainer`` to the newest checkpoint; returns the number of steps done and the
        state of the log, 0 and nothing if there is none."""
        found = self._newest_intact()
        if found is None:
            return 0, {}
        step, path, content = found
        self._compare(content["config"], path)
        names = trainer.model.key_names
        state = {names.to_code(k): v for k, v in content["state_dict"].items()}
        ours = trainer.model.state_dict()
        try:
            trainer.model.load_state_dict({k: v.view(ours[k].shape) for k, v in state.items()})
            _load_optimizer(trainer.optimizer, content["optimizer"])
            trainer.average.load_state_dict(content["ema"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise UserError(
                f"checkpoint {path} does not fit this model or optimizer ({error}); it belongs to "
                "other settings: choose another --exp_name or --output to start anew"
            ) from error
        if content["scaler"]:  # empty where none was needed
            trainer.scaler.load_state_dict(content["scaler"])
        states = content["random_states"]
        if len(states) == ranks.world_size():
            set_random_states(states[ranks.rank()], trainer.device)
        else:
            log.warning(
                "saved by %d processes, now %d: dropout draws other numbers than it would have",
                len(states),
                ranks.world_size(),
            )
            distributed.seed_rank(self.cfg.train.seed + step)
        log.info("resuming from step %d, %s", step, path)
        return step, content["log"]

    @property
    def best_path(self) -> Path:
        """The averages that validated best."""
        return self.folder / "best.pth"

    def keep_best(self, trainer: Trainer, step: int, score: float) -> int:
        """Keep the averages as ``best.pth`` if none scored more; returns how many validations have
        passed since the best one."""
        best = self.best()
        if best is None or score > best["score"]:
            _save(averaged_weights(trainer), self.best_path)
            best = {"step": step, "score": score, "since": 0}
        elif step > best["step"]:  # a resumed run may validate a step once more
            best["since"] += 1
        write_json(self.folder / "best.json", best)
        return best["since"]

    def best(self) -> dict | None:
        """Step and score of ``best.pth``, and the validations since."""
        path = self.folder / "best.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def write_config(self) -> None:
        """Leave the resolved config beside the checkpoints."""
        write_json(self.folder / "config.json", dataclasses.asdict(self.cfg))

    def _content(self, trainer: Trainer, step: int, states: list[dict]) -> dict:
        return {
            "state_dict": official_state_dict(trainer.model),
            "ema": trainer.average.state_dict(),
            "optimizer": trainer.optimizer.state_dict(),
            "scaler": trainer.scaler.state_dict(),
            "step": step,
            # clips depend on these two alone, whatever the number of processes and workers
            "sampler": {"seed": self.cfg.train.seed, "position": step * self.cfg.train.batch_size},
            "random_states": states,
            "config": json.dumps(dataclasses.asdict(self.cfg)),
        }

    def _compare(self, old: dict, path: Path) -> None:
        """Refuse another network; say what else was changed since the checkpoint."""
        before = _flat(old)
        now = _flat(json.loads(json.dumps(dataclasses.asdict(self.cfg))))
        changed = [
            f"{key} ({before[key]} then, {now[key]} now)"
            for key in now  # a field that is newer than the checkpoint cannot be compared
            if key in before and before[key] != now[key] and not key.startswith(_ELSEWHERE)
        ]
        harmless = tuple(f"model.{name}" for name in self.cfg.model.beside_weights)
        network = [
            line for line in changed if line.startswith("model.") and not line.startswith(harmless)
        ]
        if network:
            raise UserError(
                f"{path} was trained with another network: {', '.join(network)}; choose another "
                "--exp_name or --output to start anew"
            )
        if changed:
            log.warning("resuming with changed settings: %s", ", ".join(changed))


def averaged_weights(trainer: Trainer) -> dict:
    """Content of a file, as the release has it: averaged weights, and all that is not averaged."""
    return file_content(trainer.model, trainer.model.state_dict() | trainer.average.shadow)


def random_states(device: torch.device) -> dict:
    """The state of every random generator of this process, as tensors and plain values."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "mps": torch.mps.get_rng_state() if device.type == "mps" else None,
    }


def set_random_states(states: dict, device: torch.device) -> None:
    """Undo everything drawn since ``random_states``."""
    random.setstate(states["python"])
    kind, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps" and states["mps"] is not None:
        torch.mps.set_rng_state(states["mps"])


def _load_optimizer(optimizer: torch.optim.Optimizer, state: dict) -> None:
    """Take over the moments, but keep what the config and the device say of each group."""
    own = [{k: g.get(k) for k in ("weight_decay", "fused")} for g in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, kept in zip(optimizer.param_groups, own, strict=True):
        group.update(kept)


def _save(content: dict, path: Path) -> None:
    with atomic_path(path) as partial:
        try:
            with open(partial, "wb") as file:
                torch.save(content, file)
        except RuntimeError as error:  # what torch.save makes of a failed write
            cause = error.__context__
            raise cause if isinstance(cause, OSError) else OSError(str(error)) from error


def _read(path: Path) -> dict:
    """Content of a checkpoint, its config parsed. Raises UserError if it is not intact."""
    remedy = "remove it, or choose another --exp_name or --output"
    content = read_tensors(path)
    complete = {"state_dict", "ema", "optimizer", "scaler", "random_states", "config", "log"}
    if not isinstance(content, dict) or not complete <= content.keys():
        raise UserError(
            f"checkpoint {path} cannot be resumed from, it holds weights only; {remedy}"
        )
    check_tensors(content["state_dict"], path)
    config = parse_json(content["config"], f"the config in {path}", remedy)
    return content | {"config": config}


def _flat(content: dict, path: str = "") -> dict:
    """Nested dictionaries as one, with keys such as "train.lr"."""
    flat = {}
    for key, value in content.items():
        flat |= _flat(value, f"{path}{key}.") if isinstance(value, dict) else {path + key: value}
    return flat
