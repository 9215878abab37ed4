"""Whether a CPU makes products through oneDNN, and how: all that is decided about it is here.

PyTorch sends fp32 convolutions to oneDNN, but fp32 products to MKL, which on AMD takes up to twice
the time. There are two ways around that, each tried out once per process:

- Inference forms call oneDNN's operators, with the activation that follows (``suits``, ``adopt``,
  ``matmul``). They are those that ``torch.compile`` emits for a CPU; PyTorch does not document
  them, and without them its own products are made.
- PyTorch's own products, in training too, are routed to it (``route_products``, ``routed``).
"""

import logging
import threading
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
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}  # as a share of the largest result
_allowed = True


def allow(allowed: bool) -> None:
    """Whether products may go to oneDNN at all; of the whole process, for comparisons."""
    global _allowed
    _allowed = allowed


def suits(dtype: torch.dtype) -> bool:
    """Whether products of an inference form in ``dtype`` go to oneDNN."""
    return _allowed and is_exact(dtype)


def route_products() -> bool:
    """Let PyTorch's own fp32 products go to oneDNN where that is exact; returns whether they do.

    Of the whole process; changes no number by more than ``TOLERANCE``.
    """
    routes = _allowed and routing_is_exact()
    if routes:
        torch.backends.mkldnn.matmul.fp32_precision = _PERMISSION
        log.info("PyTorch's own fp32 products: through oneDNN, which is exact here")
    else:
        log.info("PyTorch's own fp32 products: the usual way; oneDNN is not there or not exact")
    return routes


class _Routing:
    """``route_products`` for a while only, for all threads together."""

    def __init__(self) -> None:
        self._lock, self._users, self._before = threading.Lock(), 0, None

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1 and _allowed and routing_is_exact():
                settings = torch.backends.mkldnn.matmul
                self._before, settings.fp32_precision = settings.fp32_precision, _PERMISSION

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._before is not None:
                torch.backends.mkldnn.matmul.fp32_precision, self._before = self._before, None


routed = _Routing()  # a library leaves its user's settings as they were

# PyTorch's permission to compute fp32 products in bfloat16. Without matrix units for it (AMX)
# oneDNN computes in fp32 all the same; that is what is tried out.
_PERMISSION = "bf16"


@cache
def routing_is_exact() -> bool:
    """Whether PyTorch's own fp32 products can be routed to oneDNN and stay exact."""
    settings = getattr(torch.backends.mkldnn, "matmul", None)  # PyTorch 2.9 and later
    if settings is None or not torch.backends.mkldnn.is_available():
        return False
    before = settings.fp32_precision
    settings.fp32_precision = _PERMISSION
    generator = torch.Generator().manual_seed(0)
    try:
        for rows, inner, columns in ((64, 128, 64), (512, 128, 1024), (256, 2048, 512)):
            a = torch.randn(2, rows, inner, generator=generator)
            b = torch.randn(2, inner, columns, generator=generator)
            right = a.double() @ b.double()
            products = a @ b, torch.stack([a[0] @ b[0], a[1] @ b[1]])
            if not all(_agree(product, right, torch.float32) for product in products):
                return False
        return True
    finally:
        settings.fp32_precision = before


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
            exact = all(_agree(ours, right, dtype) for ours, right in pairs)
        except (RuntimeError, AttributeError) as error:
            log.debug("oneDNN's operators cannot be used: %s", error)
            exact = False
    log.info("inference products in %s: %s", dtype, "oneDNN" if exact else "PyTorch's own")
    return exact


def _agree(ours: Tensor, right: Tensor, dtype: torch.dtype) -> bool:
    return bool((ours - right).abs().max() <= TOLERANCE[dtype] * right.abs().max())


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


class Packer(nn.Module):
    """Packs matrices that products read again and again; to be used once ``adopt`` turned it on."""

    on = False

    def forward(self, matrix: Tensor) -> Packed:
        return Packed.of(matrix)


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
    an activation follows, and turn every ``Packer`` on; in place."""
    for parent in list(module.modules()):
        if isinstance(parent, Packer):
            parent.on = True
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
