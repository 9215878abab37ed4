"""The back ends of local attention: the same numbers up to rounding, each with its own speed.

``configs`` names one, or "auto": plain PyTorch on a CPU and on MPS, on CUDA the fastest of those
that agree with plain PyTorch, found by trying them on the first inputs of a kind.
"""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mavos.networks.attention import sampler, tiles, triton_window
from mavos.utils.errors import UserError, unknown_name

log = logging.getLogger(__name__)

Attend = Callable[..., Tensor]  # (query, key, value, bias, size, window), as in local_attention
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]  # query, key, value, bias


class Backend(NamedTuple):
    attend: Attend  # without gradients; a RuntimeError means that it does not work here
    missing: Callable[[torch.device, torch.dtype], str | None]  # why it cannot be used there


BACKENDS = {
    "tiles": Backend(tiles.attend, lambda device, dtype: None),
    "sampler": Backend(sampler.attend, sampler.missing),
    "triton": Backend(triton_window.attend, triton_window.missing),
}
PLAIN = "tiles"  # works everywhere, and decides what is right

# Largest difference to plain PyTorch in float32, as a share of the largest output. The weights are
# rounded in half precision, the scores in TF32; a cell too far to the side would be off by about 1.
TOLERANCE, TOLERANCE_COARSE = 1e-3, 2e-2
REPEATS = 10
CLEARLY = 0.8  # of the time of plain PyTorch

# What was found by trying belongs to the process and its devices, not to a network.
_fastest: dict[tuple, str] = {}  # by kind of inputs
_refused: set[tuple] = set()  # (name, device, dtype)
_told: set[tuple] = set()  # (device, dtype)


def named(name: str, device: torch.device, dtype: torch.dtype) -> Backend:
    """The back end ``name``, or a UserError that says why not and what can be used there."""
    if name not in BACKENDS:
        raise unknown_name("local attention", name, ("auto", *BACKENDS))
    reason = BACKENDS[name].missing(device, dtype)
    if reason is None:
        return BACKENDS[name]
    usable = [other for other, backend in BACKENDS.items() if not backend.missing(device, dtype)]
    raise UserError(
        f"model.local_attention={name} cannot be used on {device} in {dtype}: {reason}; "
        f"choose from auto, {', '.join(usable)}"
    )


def choose(name: str, inputs: Inputs, size: tuple[int, int], window: int) -> Attend:
    """The function that computes local attention of ``inputs``; name: as in the config."""
    query, _, value, _ = inputs
    device, dtype = query.device, query.dtype
    if name == "auto" and (device.type != "cuda" or torch.compiler.is_compiling()):
        name = PLAIN
    if name != "auto":
        backend = named(name, device, dtype)
        _log_choice(device, dtype, name)
        return backend.attend
    # what works, and what is tried, depends on the stream: CUDA graphs record on one of their own
    stream = sampler.on_default_stream(device)
    kind = (device, dtype, stream, query.shape, value.shape[-1], size, window)
    if kind not in _fastest and not torch.cuda.is_current_stream_capturing():
        try:
            _fastest[kind] = fastest(inputs, size, window)
        except torch.OutOfMemoryError:  # trying takes more than doing
            _fastest[kind] = PLAIN
    return BACKENDS[_fastest.get(kind, PLAIN)].attend


@torch.no_grad()
def fastest(inputs: Inputs, size: tuple[int, int], window: int) -> str:
    """The name of the back end that takes the least time for ``inputs`` among those that agree.

    Plain PyTorch wins by default: masks should not depend on which was a hair faster today.
    """
    device, dtype = place = (inputs[0].device, inputs[0].dtype)
    with torch.autocast(device.type, enabled=False):
        exact = BACKENDS[PLAIN].attend(*(x.float() for x in inputs), size, window)
        taken = {PLAIN: _milliseconds(BACKENDS[PLAIN].attend, inputs, size, window)}
        for name, backend in BACKENDS.items():
            candidate = (name, *place)
            if name == PLAIN or candidate in _refused or backend.missing(device, dtype):
                continue
            try:
                _check(backend.attend(*inputs, size, window), exact, dtype)
                taken[name] = _milliseconds(backend.attend, inputs, size, window)
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, ImportError, OSError) as error:
                _refused.add(candidate)
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                log.warning("local attention on %s in %s without %s: %s", *place, name, reason)
    best = min(taken, key=taken.get)
    if taken[best] > CLEARLY * taken[PLAIN]:
        best = PLAIN
    times = ", ".join(f"{name} {spent:.3f} ms" for name, spent in taken.items())
    _log_choice(*place, f"{best} ({times})")
    return best


def _log_choice(device: torch.device, dtype: torch.dtype, choice: str) -> None:
    """Log a choice, once for each device and type."""
    if not torch.compiler.is_compiling() and (device, dtype) not in _told:
        _told.add((device, dtype))
        log.info("local attention on %s in %s: %s", device, dtype, choice)


def _check(out: Tensor, exact: Tensor, dtype: torch.dtype) -> None:
    """Raise RuntimeError if ``out`` is not ``exact`` up to rounding."""
    coarse = dtype != torch.float32 or triton_window.wants_tf32()
    off = ((out.float() - exact).abs().max() / exact.abs().max().clamp(min=1e-6)).item()
    if not off <= (TOLERANCE_COARSE if coarse else TOLERANCE):  # nor nan
        raise RuntimeError(f"its results are off by {off:.2g} of the largest")


def _milliseconds(attend: Attend, inputs: Inputs, size: tuple[int, int], window: int) -> float:
    """Of one call, after one that does not count."""
    attend(*inputs, size, window)
    _wait(inputs[0].device)
    started = time.perf_counter()
    for _ in range(REPEATS):
        attend(*inputs, size, window)
    _wait(inputs[0].device)
    return (time.perf_counter() - started) * 1000 / REPEATS


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
