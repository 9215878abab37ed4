"""Products and activations through oneDNN on a CPU, without gradients.

PyTorch sends fp32 convolutions to oneDNN, but fp32 products to MKL, which on AMD takes up to twice
the time. The operators used here are those that ``torch.compile`` emits for a CPU; PyTorch does not
document them, so they are tried out once.
"""

import logging
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

log = logging.getLogger(__name__)

# Modules that oneDNN computes together with the product before them: its name and numbers for each.
ACTIVATIONS = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.GELU: ("gelu", []),
}
NO_ACTIVATION = ("none", [])
_allowed = True
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}  # as a share of the largest result


@dataclass(frozen=True)
class Packed:
    """A matrix laid out as oneDNN reads it: where it is used again and again, products with it take
    7 to 10% less time. It takes nearly the same memory, and is never written."""

    laid_out: Tensor  # its transpose, opaque

    @classmethod
    def of(cls, matrix: Tensor) -> "Packed":
        """matrix (k, m) on a CPU, of a type that ``suits``."""
        return cls(torch.ops.mkldnn._reorder_linear_weight(matrix.t()))

    def plain(self) -> Tensor:
        """(k, m), every number as it was."""
        return self.laid_out.to_dense().t()

    def __deepcopy__(self, memo: dict) -> "Packed":
        return self

    def __reduce__(self) -> tuple:
        return Packed.of, (self.plain().contiguous(),)


def matmul(a: Tensor, b: Tensor | Packed) -> Tensor:
    """(n, k) @ (k, m)."""
    if isinstance(b, Packed):
        return _linear(_dense(a), b.laid_out, None)
    plain = a.device.type != "cpu" or torch.is_grad_enabled() or a.dtype != b.dtype
    plain = plain or torch.compiler.is_compiling()  # a compiler chooses for itself
    if plain or not suits(a.dtype):
        return a @ b
    # rows of an odd length in bfloat16 would take hundreds of times as long
    return _linear(_dense(a), _dense(b).t(), None)


class Linear(nn.Module):
    """``nn.Linear`` and the activation after it."""

    def __init__(self, linear: nn.Linear, activation: tuple[str, list] = NO_ACTIVATION):
        super().__init__()
        self.weight, self.bias, self.activation = linear.weight, linear.bias, activation

    def forward(self, x: Tensor) -> Tensor:
        return _linear(x, self.weight, self.bias, self.activation)


class Conv2d(nn.Module):
    """``nn.Conv2d`` and the activation after it."""

    def __init__(self, conv: nn.Conv2d, activation: tuple[str, list] = NO_ACTIVATION):
        super().__init__()
        self.weight, self.bias, self.activation = conv.weight, conv.bias, activation
        self.how = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups

    def forward(self, x: Tensor) -> Tensor:
        return _convolution(x, self.weight, self.bias, self.how, self.activation)


def adopt(module: nn.Module) -> None:
    """Let oneDNN compute linear layers, and convolutions that PyTorch does not give to it or that
    an activation follows, in place."""
    for parent in list(module.modules()):
        children = [(n, c) for n, c in parent.named_children() if not isinstance(c, nn.Identity)]
        for (name, child), (next_name, following) in pairwise([*children, (None, None)]):
            in_order = isinstance(parent, nn.Sequential)
            activation = _activation(following) if in_order else NO_ACTIVATION
            if type(child) is nn.Linear:
                setattr(parent, name, Linear(child, activation))
            elif type(child) is nn.Conv2d and (
                activation != NO_ACTIVATION or child.kernel_size == (1, 1)
            ):
                setattr(parent, name, Conv2d(child, activation))
            else:
                continue
            if activation != NO_ACTIVATION:
                setattr(parent, next_name, nn.Identity())


def allow(allowed: bool) -> None:
    """Whether products may go to oneDNN at all; of the whole process, for comparisons."""
    global _allowed
    _allowed = allowed


def suits(dtype: torch.dtype) -> bool:
    """Whether products in ``dtype`` go to oneDNN."""
    return _allowed and is_exact(dtype)


@cache
def is_exact(dtype: torch.dtype) -> bool:
    """Whether the operators are there for ``dtype`` and compute what they should."""
    if dtype not in TOLERANCE or not torch.backends.mkldnn.is_available():
        return False
    # a generator of its own: a training that is resumed must draw what it would have drawn
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator) for shape in ((96, 160), (160, 192)))
    image, kernel = (torch.randn(s, generator=generator) for s in ((1, 8, 9, 7), (8, 8, 3, 3)))
    how = [1, 1], [1, 1], [1, 1], 1  # padding, stride, dilation, groups
    with torch.inference_mode():
        try:
            low_a, low_b, *low = (x.to(dtype) for x in (a, b, image, kernel))
            right = F.relu6(F.conv2d(image, kernel, padding=1))
            pairs = [
                (_linear(low_a, low_b.t(), None), a @ b),
                (_linear(low_a, low_b.t(), None, ("gelu", [])), F.gelu(a @ b)),
                (matmul(low_a, Packed.of(low_b)), a @ b),
                (_convolution(*low, None, how, ("hardtanh", [0.0, 6.0])), right),
            ]
            exact = all(
                (ours - right).abs().max() <= TOLERANCE[dtype] * right.abs().max()
                for ours, right in pairs
            )
        except (RuntimeError, AttributeError) as error:
            log.debug("oneDNN's operators cannot be used: %s", error)
            exact = False
    log.info("inference products in %s: %s", dtype, "oneDNN" if exact else "PyTorch's own")
    return exact


def _linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: tuple[str, list] = NO_ACTIVATION
) -> Tensor:
    """x (…, k), weight (m, k)."""
    name, numbers = activation
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, name, numbers, "none")


def _convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, how: tuple, activation: tuple[str, list]
) -> Tensor:
    """x (B, C, H, W), weight (D, C / groups, h, w); how: padding, stride, dilation, groups."""
    name, numbers = activation
    convolve = torch.ops.mkldnn._convolution_pointwise
    return convolve(x, weight, bias, *how, name, numbers, "none")


def _dense(x: Tensor) -> Tensor:
    return x if x.is_contiguous() or x.t().is_contiguous() else x.contiguous()


def _activation(module: nn.Module | None) -> tuple[str, list]:
    if isinstance(module, nn.GELU) and module.approximate != "none":
        return NO_ACTIVATION
    return ACTIVATIONS.get(type(module), NO_ACTIVATION)
