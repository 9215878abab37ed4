"""The parts of an encoder that do not learn, in training: their inference form, no gradients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from mavos.networks.inference import part_for_inference

# What does something else in training than in evaluation.
_RANDOM = (nn.Dropout, nn.Dropout2d, StochasticDepth)


class FrozenParts:
    """Inference forms of all that is frozen in ``encoder``; they follow no later change of it."""

    def __init__(self, encoder: nn.Module, dtype: torch.dtype):
        """encoder: what is frozen in it comes before what learns. dtype: of the forms."""
        self._forms = [
            (part, partial(_run, part_for_inference(part, dtype), dtype))
            for part in _frozen(encoder)
        ]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within it the encoder runs these forms; its weights and names stay as they are."""
        for part, form in self._forms:
            part.forward = form
        try:
            yield
        finally:
            for part, _ in self._forms:
                del part.forward


@torch.no_grad()
def _run(form: Callable, dtype: torch.dtype, x: Tensor) -> Tensor | list[Tensor]:
    with torch.autocast(x.device.type, enabled=False):
        return form(x.to(dtype))


def _frozen(module: nn.Module) -> Iterator[nn.Module]:
    """The largest modules that hold weights none of which learns, and that training does not
    change."""
    if not any(True for _ in module.parameters()):
        return
    learns = any(parameter.requires_grad for parameter in module.parameters())
    if not learns and not any(_differs_in_training(part) for part in module.modules()):
        yield module
        return
    for child in module.children():
        yield from _frozen(child)


def _differs_in_training(part: nn.Module) -> bool:
    return isinstance(part, nn.BatchNorm2d) or (isinstance(part, _RANDOM) and part.p > 0)
