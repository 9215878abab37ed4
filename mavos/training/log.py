"""What a person watches while a network trains: one progress line, figures, curves, pictures."""

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.types import Clips
from mavos.pictures.drawing import contact_sheet, overlay
from mavos.run.progress import progress_bar
from mavos.training.step import StepReport
from mavos.utils.device import peak_memory_bytes
from mavos.utils.files import atomic_path

log = logging.getLogger(__name__)


class TrainLog:
    """Progress of a run, on rank 0; elsewhere it does nothing.

    Figures are means over the steps since the last line. They go to ``metrics.jsonl``, one flat
    object a line, and to TensorBoard.
    """

    def __init__(
        self,
        folder: Path,
        cfg: TrainConfig,
        device: torch.device,
        active: bool,
    ):
        self.cfg, self.device, self.active, self.folder = cfg, device, active, folder
        self.steps_done = 0
        self._is_writing = True  # until the disk is full
        self._sums: dict[str, float] = {}
        self._count = 0

    def begin(self, step: int, state: Mapping) -> None:
        """Go on after ``step`` steps: what was noted of later ones is undone."""
        self._sums, self._count = dict(state.get("sums", {})), state.get("count", 0)
        self.steps_done = step
        if not self.active:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "metrics.jsonl"
        if path.is_file():
            with atomic_path(path) as partial:  # a kill here must not cost the figures so far
                partial.write_text("".join(_lines_until(path, step)), encoding="utf-8")
        self._metrics = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        self._board = SummaryWriter(self.folder / "tensorboard", purge_step=step + 1)
        # disable None: a log file gets the log's own lines instead
        self._bar = progress_bar(self.cfg.steps, unit="step", initial=step, disable=None)

    def state_dict(self) -> dict:
        """The unfinished line, for the checkpoint."""
        return {"sums": dict(self._sums), "count": self._count}

    def step(self, step: int, report: StepReport, data_seconds: float, step_seconds: float) -> None:
        """Note the figures of one step; ``step`` counts the steps done."""
        self.steps_done = step
        figures = _figures(report) | {"data_seconds": data_seconds, "step_seconds": step_seconds}
        for name, value in figures.items():
            if math.isfinite(value):  # a step that the loss scale left out has no norm
                self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        is_line = step % self.cfg.log_every == 0 or step == self.cfg.steps
        if self.active:
            self._bar.set_postfix_str(_progress(self._means(), report, self.device), refresh=False)
            self._bar.update()
            with self._going_on():
                if is_line:
                    self._write_line(step, report)
                if step % self.cfg.picture_every == 0 or step == 1:
                    self._board.add_image(
                        "clip: labels above, predictions below",
                        picture(*report.last),
                        step,
                        dataformats="HWC",
                    )
        if is_line:
            self._sums, self._count = {}, 0

    def validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Note the scores of a validation."""
        if not self.active:
            return
        with self._going_on():
            self._write({"step": step} | {f"validation_{k}": v for k, v in scores.items()})
            for name, value in scores.items():
                self._board.add_scalar(f"validation/{name}", value, step)
        shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
        log.info("step %d  validation: %s", step, shown)

    def __enter__(self) -> "TrainLog":
        return self

    def __exit__(self, *exc: object) -> None:
        if self.active:
            self._bar.close()
            for file in (self._board, self._metrics):
                with self._going_on():
                    file.close()

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Figures that cannot be written are reported once, and are no reason to end training."""
        try:
            yield
        except OSError as error:
            if self._is_writing:
                log.warning("cannot write to %s: %s. Training continues", self.folder, error)
            self._is_writing = False

    def _means(self) -> dict[str, float]:
        return {name: total / self._count for name, total in self._sums.items()}

    def _write_line(self, step: int, report: StepReport) -> None:
        means = self._means()
        if self._bar.disable:
            eta = (means["data_seconds"] + means["step_seconds"]) * (self.cfg.steps - step)
            log.info(
                "step %d of %d, %s to go  %s",
                step,
                self.cfg.steps,
                timedelta(seconds=round(eta)),
                _progress(means, report, self.device),
            )
        self._write({"step": step, "lr": report.lr} | means)
        for name, value in (means | {"lr": report.lr}).items():
            self._board.add_scalar(f"train/{name}", value, step)

    def _write(self, line: dict) -> None:
        self._metrics.write(json.dumps(line) + "\n")


def picture(clips: Clips, result) -> np.ndarray:
    """The batch's first clip, (H, W, 3) uint8 RGB: labels above, predictions below."""
    images = clips.images[0].permute(0, 2, 3, 1).cpu().numpy()
    labels, predicted = clips.labels[0].cpu().numpy(), result.labels[:, 0].cpu().numpy()
    return contact_sheet(
        [[overlay(*pair) for pair in zip(images, row, strict=True)] for row in (labels, predicted)]
    )


def _figures(report: StepReport) -> dict[str, float]:
    figures = {"loss": report.loss, "grad_norm": report.grad_norm}
    figures |= {f"aux_loss_{i}": value for i, value in enumerate(report.aux_losses)}
    clips, _ = report.last
    first = clips.labels.shape[1] - len(report.frame_losses)  # frame that is not annotated
    figures |= {f"loss_{first + i}": value for i, value in enumerate(report.frame_losses)}
    return figures | {f"iou_{first + i}": value for i, value in enumerate(report.ious)}


def _progress(means: dict[str, float], report: StepReport, device: torch.device) -> str:
    ious = " ".join(f"{100 * v:.0f}" for k, v in means.items() if k.startswith("iou_"))
    return (
        f"loss {means['loss']:.3f}  IoU {ious} %  lr {report.lr:.1e}  "
        f"data {means['data_seconds']:.2f} + step {means['step_seconds']:.2f} s  "
        f"{peak_memory_bytes(device) / 2**30:.1f} GiB"
    )


def _lines_until(path: Path, step: int) -> list[str]:
    """Complete lines about the first ``step`` steps."""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):  # cut by a kill
            continue
    return kept
