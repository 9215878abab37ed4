"""Calls that a device replays instead of launching anew: CUDA graphs, elsewhere torch.compile.

The inference form of a network makes its calls through ``run(function, *args)``; a ``Runner`` is
such a ``run``. On a fast GPU launching the work takes longer than the work.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from types import FunctionType
from typing import Any, Protocol

import torch
from torch import Tensor

from mavos.utils.errors import UserError

log = logging.getLogger(__name__)

MOST_CALLS = 32  # kept; at 480p each holds some 50 to 100 MB of a GPU
MOST_FAILURES = 3  # then nothing more is tried
_WARM_UP_RUNS = 3  # before a capture: libraries choose their kernels, Triton compiles its own


class Capture(Protocol):
    """A way to make a function fast for arguments like these."""

    def build(self, function: Callable, args: tuple) -> Callable:
        """What to call instead of ``function``, with arguments that differ from ``args`` in the
        content of their tensors only. Its results are the caller's to keep."""


class Runner:
    """``run(function, *args)``, through what a ``Capture`` built for such arguments.

    function: pure, and the same object, bound method or ``partial`` of it every time. args:
    tensors, None, numbers, strings and dtypes, in tuples (also named ones) and lists. What is met
    for the first time runs as it is, since much comes once in a video. A function that cannot be
    captured is warned about and runs as it is; so does everything after ``most_failures`` of them.

    Tensors that a function has from elsewhere, such as weights, must stay where they are.
    """

    def __init__(
        self,
        capture: Capture,
        most_calls: int = MOST_CALLS,
        most_failures: int = MOST_FAILURES,
    ):
        self._capture, self._most_calls, self._most_failures = capture, most_calls, most_failures
        self._calls: OrderedDict[Hashable, Callable | None] = OrderedDict()  # None: met once
        self._failures = 0

    @torch.inference_mode()
    def __call__(self, function: Callable, *args: Any) -> Any:
        if self._failures == self._most_failures:
            return function(*args)
        key = (_identity(function), kind(args))
        if key not in self._calls:
            self._calls[key] = None
            if len(self._calls) > self._most_calls:
                self._calls.popitem(last=False)
            return function(*args)
        self._calls.move_to_end(key)
        call = self._calls[key]
        if call is None:
            call = self._calls[key] = self._build(function, args)
        return call(*args)

    def _build(self, function: Callable, args: tuple) -> Callable:
        """The captured call, or ``function`` itself."""
        try:
            call = self._capture.build(function, args)
        except (RuntimeError, ImportError, OSError, UserError) as error:  # OSError: no compiler
            self._failures += 1
            log.warning(
                "%s runs without a graph: %s",
                "everything" if self._failures == self._most_failures else _name(function),
                (str(error).strip() or type(error).__name__).splitlines()[0],
            )
            if self._failures == self._most_failures or isinstance(error, torch.OutOfMemoryError):
                self._calls.clear()  # and with them their memory
            return function
        return call


class CudaGraphs:
    """Captures on one GPU; all graphs share the memory of their intermediate results."""

    def __init__(self, device: torch.device):
        self._device = torch.empty(0, device=device).device  # with its number
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream(device)

    def build(self, function: Callable, args: tuple) -> Callable:
        """Raises RuntimeError if something in ``function`` cannot be repeated, such as a wait."""
        if any(tensor.device != self._device for tensor in tensors(args)):
            raise RuntimeError(f"{_name(function)} was given tensors that are not on the GPU")
        torch.cuda.synchronize(self._device)  # graphs that are dropped now are no longer at work
        held = copies(args)
        current = torch.cuda.current_stream(self._device)
        # the outer stream comes back even where a failed capture leaves its own behind
        with torch.cuda.device(self._device), torch.cuda.stream(current):
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UP_RUNS):
                    function(*held)
            current.wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # thread_local: others may pin memory or ask for events meanwhile
            with torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                result = function(*held)
        return Repeated(graph.replay, held, result)


class Repeated:
    """A repetition that reads and writes tensors at fixed places, as a function of any tensors."""

    def __init__(self, repeat: Callable[[], None], args: Any, result: Any):
        """repeat: reads the tensors of ``args``, writes those of ``result``."""
        self._repeat, self._result = repeat, result
        self._inputs = list(tensors(args))

    def __call__(self, *args: Any) -> Any:
        if self._inputs:
            torch._foreach_copy_(self._inputs, list(tensors(args)))
        self._repeat()
        return copies(self._result)  # a memory may hold them when this is repeated


class Compiled:
    """Compiles with ``torch.compile``, for fixed shapes; where there are no CUDA graphs."""

    def build(self, function: Callable, args: tuple) -> Callable:
        def call(*args: Any) -> Any:
            return function(*args)

        # PyTorch keeps what it compiled with the code object, a few variants at most: with one of
        # its own each call has its variant, which goes when the call goes
        own = FunctionType(call.__code__.replace(), globals(), closure=call.__closure__)
        compiled = torch.compile(own, dynamic=False, fullgraph=True)
        compiled(*args)  # this compiles
        return compiled


def build_runner(device: torch.device) -> Runner:
    """The runner that suits a device."""
    if device.type != "cuda":
        return Runner(Compiled())
    # older PyTorch does not recover from a recording that failed: its allocator keeps recording
    return Runner(CudaGraphs(device), most_failures=1)


# Not torch.utils._pytree: that takes three times as long, and this is done for every call.


def kind(value: Any) -> Hashable:
    """All that decides what a function does with ``value``, but for the content of tensors."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, tuple | list):
        return type(value), *map(kind, value)
    if value is None or isinstance(value, bool | int | float | str | torch.dtype):
        return type(value), value
    raise TypeError(f"a captured function cannot take a {type(value).__name__}")


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples and lists, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors(item)


def copies(value: Any) -> Any:
    """The same with new tensors in memory of their own, strides as they are where that is dense."""
    old = list(tensors(value))
    new = [torch.empty_like(tensor) for tensor in old]
    _copy_into(new, old)
    return _with_tensors(value, iter(new))


def _copy_into(new: list[Tensor], old: list[Tensor]) -> None:
    # in one launch on a GPU; PyTorch does not document it, and a version may come without
    together = getattr(torch, "_foreach_copy_", None)
    if new and together is not None:
        together(new, old)
        return
    for target, source in zip(new, old, strict=True):
        target.copy_(source)


def _with_tensors(value: Any, new: Iterator[Tensor]) -> Any:
    if isinstance(value, Tensor):
        return next(new)
    if not isinstance(value, tuple | list):
        return value
    items = [_with_tensors(item, new) for item in value]
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _identity(function: Callable) -> Hashable:
    """The same for partials that are made anew for every call."""
    if not isinstance(function, partial):
        return function
    fixed = function.args, tuple(function.keywords.items())
    if next(tensors(fixed), None) is not None:
        raise TypeError("a captured function cannot have tensors among its fixed arguments")
    return _identity(function.func), kind(fixed)


def _name(function: Callable) -> str:
    function = function.func if isinstance(function, partial) else function
    return getattr(function, "__qualname__", type(function).__name__)
