"""Which device a run uses, and its half precision."""

import ctypes
import logging
import resource
import sys

import torch

from utils.errors import UserError

log = logging.getLogger(__name__)

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


def device_name(device: torch.device) -> str:
    """The model of a GPU, or "cpu" or "mps"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


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


def tune_cpu() -> None:
    """What makes a network faster on a CPU without changing what it computes; once per process."""
    keep_freed_memory()
    if route_products_to_onednn():
        log.debug("fp32 products go through oneDNN, which is exact here")


def route_products_to_onednn(tolerance: float = 1e-5) -> bool:
    """Let oneDNN do fp32 matrix products if that is exact on this processor; returns whether.

    The switch is PyTorch's permission to compute in bfloat16. Without matrix units for it (AMX)
    oneDNN computes in fp32 all the same, and on AMD up to twice as fast as MKL. So it is tried out:
    a relative error above ``tolerance`` takes the permission back.
    """
    settings = getattr(torch.backends.mkldnn, "matmul", None)  # PyTorch 2.9 and later
    if settings is None or not torch.backends.mkldnn.is_available():
        return False
    before = settings.fp32_precision
    settings.fp32_precision = "bf16"
    generator = torch.Generator().manual_seed(0)
    for shape in ((64, 128, 64), (512, 128, 1024), (256, 2048, 512)):
        rows, inner, columns = shape
        a = torch.randn(2, rows, inner, generator=generator)
        b = torch.randn(2, inner, columns, generator=generator)
        exact = a.double() @ b.double()
        for product in (a @ b, torch.stack([a[0] @ b[0], a[1] @ b[1]])):
            if (product - exact).abs().max() > tolerance * exact.abs().max():
                settings.fp32_precision = before
                return False
    return True


def keep_freed_memory() -> None:
    """On Linux, let malloc keep the memory of freed tensors for the next ones.

    By default large blocks go back to the system and every frame faults its pages in anew: about a
    sixth of a frame's CPU time. Does nothing where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        if not mallopt(_M_MMAP_THRESHOLD, 2**30):
            mallopt(_M_MMAP_THRESHOLD, 2**25)  # the greatest before glibc 2.35
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
