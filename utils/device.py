"""Which device a run uses, and its half precision."""

import ctypes
import resource
import sys

import torch

from utils.errors import UserError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt


def pick_device(name: str = "auto", index: int = 0) -> torch.device:
    """``name`` is auto, cpu, mps, cuda or cuda:N; auto takes the fastest there is.

    index: which GPU, where the name does not say. Raises UserError if the device is not there.
    """
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    kind, _, number = (there[0] if name == "auto" else name).partition(":")
    if kind not in there or (number and not number.isdigit()):
        raise UserError(
            f"device {name!r} is not available here; choose from auto, {', '.join(there)}"
        )
    if kind != "cuda":
        return torch.device(kind)
    wanted = int(number) if number else index
    if wanted >= torch.cuda.device_count():
        raise UserError(
            f"GPU {wanted} asked for, but there are {torch.cuda.device_count()}; "
            "check --gpu_id and --gpu_num"
        )
    return torch.device("cuda", wanted)


def half_precision(device: torch.device) -> torch.dtype:
    """The half-precision type to autocast to: bfloat16 where the device has it."""
    has_bfloat16 = device.type == "cpu" or (
        device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    return torch.bfloat16 if has_bfloat16 else torch.float16


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory held so far: by tensors on a GPU, else by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory(device: torch.device) -> None:
    """Start ``peak_memory_bytes`` anew; a process's own peak, without a GPU, only grows."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def keep_freed_memory() -> None:
    """On Linux, let malloc keep the memory of freed tensors for the next ones.

    By default large blocks go back to the system and every frame faults its pages in anew: about a
    sixth of a frame's CPU time. Does nothing where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
