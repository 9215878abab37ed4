"""Memory that does not suffice, on a GPU or a CPU, as an error that says what to change."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mavos.utils.errors import UserError


class OutOfMemory(UserError):
    """The memory of the device does not suffice; a smaller job may fit."""


@contextmanager
def out_of_memory_reported(remedy: str) -> Iterator[None]:
    """A block whose lack of memory becomes an OutOfMemory with the ``remedy``."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        exhausted = _exhausted(error)
        if not exhausted:
            raise
        raise OutOfMemory(f"out of {exhausted}; {remedy}") from error


def _exhausted(error: RuntimeError | MemoryError) -> str:
    """Which memory an error says is used up; "" for another error."""
    if isinstance(error, torch.OutOfMemoryError):
        return "GPU memory"
    # PyTorch has no class of its own for the memory of a CPU
    on_cpu = isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)
    return "memory" if on_cpu else ""
