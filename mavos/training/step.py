"""One optimizer step: losses and gradients of its clips, over all processes, and the update."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mavos.configs.schema import Config
from mavos.dataloaders.types import Clips
from mavos.networks.losses import aux_weight, hard_pixel_share
from mavos.networks.segmenter import TrainableSegmenter
from mavos.networks.unroll import ClipUnroll, LossConfig, StepSettings, Unrolled, clip_ious
from mavos.training.optim import WeightAverage, build_optimizer, learning_rate, set_learning_rate
from mavos.utils import distributed, ranks
from mavos.utils.device import half_precision
from mavos.utils.errors import UserError

# A loss scale that has been halved down to this will not find finite gradients any more.
SMALLEST_SCALE = 1e-3


class StepReport(NamedTuple):
    """Figures of one step, the means over all processes."""

    loss: float
    lr: float
    grad_norm: float
    frame_losses: list[float]  # of the frames after the annotated ones
    aux_losses: list[float]  # of the annotated frames; empty while their weight is 0
    ious: list[float]  # of the frames after the annotated ones, 0 to 1
    stop: bool  # some process was asked to stop
    last: tuple[Clips, Unrolled]  # this process's last clips and what came of them


class NotFiniteError(UserError):
    """The loss or the gradients are no numbers any more; nothing was updated."""


class Trainer:
    """The network in training: everything that a step changes, and that a checkpoint holds."""

    def __init__(self, model: TrainableSegmenter, cfg: Config, device: torch.device):
        self.cfg, self.device = cfg.train, device
        self.lr_min = min(cfg.model.train_lr_min, cfg.train.lr)
        self.model = model.to(device).train()
        if cfg.starts_from_weights:  # random ones would stay random
            self.model.encoder.freeze(cfg.train.encoder_freeze_at)
        references = 2 if cfg.train.second_reference else 1
        self.unreached = self.model.unreached(cfg.train.clip_length, references)
        freeze(self.model, self.unreached)
        self.optimizer = build_optimizer(self.model, cfg.train.weight_decay)
        self.average = WeightAverage(self.model, max(1.0, cfg.train.ema_ratio * cfg.train.steps))
        self.autocast = half_precision(device) if cfg.train.amp else None
        if device.type == "mps" and cfg.train.amp:
            raise UserError("--amp trains on CUDA GPUs and CPUs; leave it out on mps")
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast == torch.float16)
        if cfg.train.compile:
            for part in self.model.children():
                part.compile()
        self.lap: Callable[[str], object] = lambda part: None  # called after each part of a step
        self._unroll: nn.Module | None = None
        self._teacher_forcing: bool | None = None

    def step(self, step: int, batches: list[Clips], stop: bool = False) -> StepReport:
        """Train on this process's share of the step's clips, given in one or more batches.

        stop: this process was asked to end; all learn of it through the report. Raises
        NotFiniteError, before anything changed.
        """
        lr = self._set_rates(step)
        unroll, settings = self._unroll_at(step), self._settings(step)
        self.optimizer.zero_grad(set_to_none=True)
        total, clips = sum(len(b.images) for b in batches), 0
        figures = []
        for batch in batches:
            clips += len(batch.images)
            on_device = batch.to(self.device)
            if isinstance(unroll, DistributedDataParallel):  # exchange gradients once
                unroll.require_backward_grad_sync = clips == total
            share = len(batch.images) / total
            with torch.autocast(self.device.type, self.autocast, enabled=bool(self.autocast)):
                result: Unrolled = unroll(
                    on_device.images,
                    on_device.labels,
                    on_device.num_objects,
                    on_device.permutations,
                    settings,
                    batch.most_objects,
                )
            self.lap("forward")
            self.scaler.scale(result.loss * share).backward()
            self.lap("backward")
            figures.append(_figures(result, on_device, batch.most_objects) * share)
        own_loss, summed = self._exchange(torch.stack(figures).sum(dim=0), stop)
        grad_norm = self._update(step, own_loss, summed, batches)
        predicted = len(result.frame_losses)
        loss, stopped, *rest = summed.tolist()
        return StepReport(
            loss,
            lr,
            grad_norm,
            rest[:predicted],
            rest[2 * predicted :],
            rest[predicted : 2 * predicted],
            stopped > 0,
            (batches[-1], result),
        )

    def _exchange(self, figures: Tensor, stop: bool) -> tuple[float, Tensor]:
        """This process's loss, and [loss, stop, the other figures] averaged over all."""
        figures = figures.cpu().double()  # waits for the device; mps has no float64
        own_loss = figures[0].item()
        return own_loss, distributed.average(
            torch.cat([figures[:1], figures.new_tensor([float(stop)]), figures[1:]])
        )

    def _update(self, step: int, own_loss: float, summed: Tensor, batches: list[Clips]) -> float:
        self.scaler.unscale_(self.optimizer)
        learning = [p for p in self.model.parameters() if p.grad is not None]
        grad_norm = nn.utils.clip_grad_norm_(learning, self.cfg.clip_norm).item()
        scaled = self.scaler.is_enabled()  # then the scaler leaves out steps that overflow
        if not math.isfinite(summed[0]) or not (scaled or math.isfinite(grad_norm)):
            with distributed.together():  # reported once, by a process that has clips to blame
                if not math.isfinite(own_loss) or math.isfinite(summed[0]):
                    raise NotFiniteError(_not_finite(step, own_loss, grad_norm, batches))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if math.isfinite(grad_norm):
            self.average.update()
        elif self.scaler.get_scale() < SMALLEST_SCALE:
            with distributed.together():  # gradients are shared, so all come here
                raise NotFiniteError(_not_finite(step, own_loss, grad_norm, batches))
        self.lap("update")
        return grad_norm

    def _set_rates(self, step: int) -> float:
        cfg = self.cfg
        lr = learning_rate(
            step,
            cfg.steps,
            lr=cfg.lr,
            lr_min=self.lr_min,
            power=cfg.lr_power,
            warm_up=cfg.lr_warm_up,
            cosine=cfg.lr_cosine,
            restarts=cfg.lr_restarts,
        )
        set_learning_rate(self.optimizer, lr, self.lr_min, cfg.lr_encoder_ratio)
        return lr

    def _settings(self, step: int) -> StepSettings:
        cfg = self.cfg
        return StepSettings(
            hard_pixel_share(step, cfg.hard_pixel_ramp * cfg.steps, cfg.hard_pixel_final),
            aux_weight(step, cfg.aux_ratio * cfg.steps, cfg.aux_weight),
            self._forces(step),
        )

    def _forces(self, step: int) -> bool:
        return step < int(self.cfg.teacher_forcing * self.cfg.steps)

    def _unroll_at(self, step: int) -> nn.Module:
        """The clip loss for this half of training, with what does not learn in it frozen.

        DDP wants to know beforehand which parameters get gradients: it is wrapped anew when own
        predictions take the place of labels and the ID bank stops learning.
        """
        forces = self._forces(step)
        if forces != self._teacher_forcing:
            if not forces:
                freeze(self.model, self.cfg.frozen_with_predictions)
            cfg = self.cfg
            self._unroll = ClipUnroll(
                self.model,
                LossConfig(
                    cfg.cross_entropy_weight,
                    cfg.jaccard_weight,
                    cfg.feed_back,
                    cfg.second_reference,
                    cfg.checkpoint_activations,
                ),
            )
            if ranks.world_size() > 1:
                self._unroll = DistributedDataParallel(
                    self._unroll,
                    device_ids=[self.device] if self.device.type == "cuda" else None,
                    gradient_as_bucket_view=True,
                )
            self._teacher_forcing = forces
        return self._unroll


def freeze(model: nn.Module, prefixes: tuple[str, ...]) -> None:
    """Stop the parameters whose names begin with one of ``prefixes`` from learning."""
    for name, parameter in model.named_parameters():
        if name.startswith(prefixes):
            parameter.requires_grad_(False)


def _figures(result: Unrolled, clips: Clips, most_objects: int) -> Tensor:
    """[loss, frame losses, frame IoUs, losses of annotated frames] of one batch."""
    predicted = len(result.frame_losses)
    ious = clip_ious(result.labels[-predicted:], clips.labels[:, -predicted:], most_objects)
    return torch.cat(
        [
            result.loss.detach()[None].float(),
            result.frame_losses.mean(dim=1).float(),
            ious.float(),
            result.aux_losses.mean(dim=1).float(),
        ]
    )


def _not_finite(step: int, loss: float, grad_norm: float, batches: list[Clips]) -> str:
    files = "\n".join(f"  {', '.join(clip)}" for b in batches for clip in b.sources)
    return (
        f"step {step}: the loss is {loss}, the norm of the gradients {grad_norm}; training cannot "
        f"go on. The last checkpoint is kept. Clips of this step:\n{files}\n"
        "Look at their pictures and masks; else lower --lr or train.clip_norm, or train without "
        "--amp"
    )
