"""Memory that does not suffice is one clear error, whose memory it may be."""

import pytest
import torch

from mavos.run.memory import OutOfMemory, out_of_memory_reported


@pytest.mark.parametrize(
    "error, what",
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "GPU memory"),
        (MemoryError(), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ..."), "memory"),
    ],
)
def test_lack_of_memory_says_what_to_change(error, what):
    with (
        pytest.raises(OutOfMemory, match=f"^out of {what}; use less$"),
        out_of_memory_reported("use less"),
    ):
        raise error


def test_a_cpu_without_memory_is_recognised():
    with pytest.raises(OutOfMemory, match=r"^out of memory; "), out_of_memory_reported("use less"):
        torch.empty(2**60)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="a bug"), out_of_memory_reported("use less"):
        raise RuntimeError("a bug")
