"""Optimizer groups, the learning rate over a run, and the average of the weights."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

# Never decayed: vectors (norms, biases), and the tables and output layer named here.
NOT_DECAYED = (
    "absolute_pos_embed",
    "relative_position_bias_table",
    "relative_emb_v",
    "conv_out",
)
ENCODER = "encoder."  # parameters with their own learning rate; not the projector


def weight_decay_of(name: str, parameter: Tensor, weight_decay: float) -> float:
    """The weight decay of one parameter."""
    exempt = parameter.ndim == 1 or any(part in name for part in NOT_DECAYED)
    return 0.0 if exempt else weight_decay


def build_optimizer(model: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over all parameters that learn now; ``set_learning_rate`` gives it its rates."""
    groups: dict[tuple[bool, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = weight_decay_of(name, parameter, weight_decay)
            groups.setdefault((name.startswith(ENCODER), decay), []).append(parameter)
    on_gpu = next(model.parameters()).is_cuda
    return torch.optim.AdamW(
        [
            {"params": params, "weight_decay": decay, "is_encoder": is_encoder}
            for (is_encoder, decay), params in groups.items()
        ],
        lr=0.0,
        fused=on_gpu or None,
    )


def learning_rate(
    step: int,
    steps: int,
    *,
    lr: float,
    lr_min: float,
    power: float = 0.9,
    warm_up: float = 0.05,
    cosine: bool = False,
    restarts: int = 1,
) -> float:
    """The learning rate at ``step``: a linear rise from ``lr_min``, then a fall back to it.

    warm_up: share of the steps that rise. The fall is polynomial of ``power``, or a cosine.
    restarts: how many such cycles the run has.
    """
    rise = warm_up * steps
    if restarts > 1:
        steps = math.ceil(steps / restarts)
        step, rise = step % steps, rise / restarts
    if step < rise:
        return lr_min + (lr - lr_min) * step / rise
    done = (step - rise) / (steps - rise + 1)
    fall = (math.cos(math.pi * done) + 1) / 2 if cosine else (1 - done) ** power
    return lr_min + (lr - lr_min) * fall


def set_learning_rate(
    optimizer: torch.optim.Optimizer, lr: float, lr_min: float, encoder_ratio: float
) -> None:
    """Give every group its rate; the encoder's lies ``encoder_ratio`` of the way up from
    ``lr_min``."""
    for group in optimizer.param_groups:
        group["lr"] = encoder_rate(lr, lr_min, encoder_ratio) if group["is_encoder"] else lr


def encoder_rate(lr: float, lr_min: float, ratio: float) -> float:
    """The encoder's learning rate where that of the rest is ``lr``."""
    return (lr - lr_min) * ratio + lr_min


class WeightAverage:
    """Exponential moving average of what learns, and of batch norm's running statistics.

    It looks back over a growing number of updates, at most ``window``.
    """

    def __init__(self, model: nn.Module, window: float):
        self.window, self.updates = window, 0
        self._sources = dict(_averaged(model))
        self.shadow = {name: value.detach().clone() for name, value in self._sources.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model's weights after one more step."""
        self.updates += 1
        keep = ema_decay(self.updates, self.window)
        sources = [value.detach() for value in self._sources.values()]
        get_ema_multi_avg_fn(keep)(list(self.shadow.values()), sources, self.updates)

    def state_dict(self) -> dict:
        return {"updates": self.updates, "shadow": self.shadow}

    def load_state_dict(self, state: Mapping) -> None:
        self.updates = state["updates"]
        for name, value in self.shadow.items():
            value.copy_(state["shadow"][name])

    def apply(self, model: nn.Module) -> None:
        """Write the averages into a model of the same kind."""
        model.load_state_dict(self.shadow, strict=False)


def ema_decay(updates: int, window: float) -> float:
    """Share of the average that stays at update number ``updates`` (from 1)."""
    return min(1 - 1 / window, (1 + updates) / (10 + updates))


def _averaged(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name, parameter
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            yield name, buffer
