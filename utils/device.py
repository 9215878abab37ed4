"""Which device a run uses, in which precision, and with how many threads."""

import ctypes
import logging
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from mavos.utils.cores import cores
from mavos.utils.errors import UserError
from mavos.utils.process_memory import peak_resident_memory_bytes

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


def machine(device: torch.device) -> dict[str, Any]:
    """What figures are measured on."""
    return {
        "device": device_name(device),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def half_precision(device: torch.device) -> torch.dtype:
    """The half-precision type that suits the device: bfloat16 where it has units for it."""
    has_bfloat16 = device.type == "cpu" or (device.type == "cuda" and _gpu_has_bfloat16(device))
    return torch.bfloat16 if has_bfloat16 else torch.float16


def precisions(device: torch.device) -> dict[str, torch.dtype]:
    """The precisions a network can run in there: name -> type of its weights.

    tf32 is fp32 whose products and convolutions round their factors to 10 bits.
    """
    found = {"fp32": torch.float32}
    if device.type == "cpu":
        return found | {"bf16": torch.bfloat16}
    if device.type == "mps":
        has_bfloat16 = torch.backends.mps.is_macos_or_newer(14, 0)
        return found | {"fp16": torch.float16} | ({"bf16": torch.bfloat16} if has_bfloat16 else {})
    if torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0):
        found["tf32"] = torch.float32
    if _gpu_has_bfloat16(device):
        found["bf16"] = torch.bfloat16
    return found | {"fp16": torch.float16}


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Type of the weights in the precision ``name``; raises UserError if it is not there."""
    found = precisions(device)
    if name not in found:
        reason = {
            "tf32": "only NVIDIA GPUs from Ampere (2020) on have it",
            "fp16": "a CPU has no units for it, bf16 takes as little memory",
            "bf16": "this device has no units for it",
        }[name]
        raise UserError(
            f"precision {name} is not available on {device_name(device)}: {reason}; "
            f"choose from {', '.join(found)}"
        )
    return found[name]


def has_half_precision_units(device: torch.device) -> bool:
    """Whether ``half_precision`` is computed there as it is, and not slowly by other means."""
    return device.type != "cpu" or _cpu_has_bfloat16()


def warn_of_emulation(dtype: torch.dtype, device: torch.device) -> None:
    """Say so where a precision works, but without units for it."""
    if dtype == torch.bfloat16 and not has_half_precision_units(device):
        log.warning("this CPU has no bf16 units: bf16 works, but fp32 is probably faster")


def allow_tf32(allowed: bool) -> None:
    """Let CUDA round the factors of fp32 products and convolutions, or keep both exact.

    Of the whole process. PyTorch keeps products exact by default, but not convolutions.
    """
    # These names, not ``fp32_precision`` of PyTorch 2.9: who reads them after that was set gets an
    # exception, PyTorch's own compiler among them; set by these, both can be read.
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def use_threads(count: int) -> None:
    """Compute with so many CPU threads; 0: as many as PyTorch thinks right.

    That is all cores, or ``OMP_NUM_THREADS``, which launchers set so that their processes share.
    """
    if not count:
        return
    torch.set_num_threads(count)
    if count > cores():
        log.warning("%d threads for %d cores: this is slower than fewer", count, cores())


def background_threads(device: torch.device) -> int:
    """Threads for reading frames, and as many for writing masks, beside a network on ``device``.

    A 480p frame takes a thread 4 ms to read and 1 to 3 ms to write: two are plenty for a CPU, a GPU
    may want 400 frames a second.
    """
    return max(2, min(8, cores() // 2)) if device.type == "cuda" else 2


def _gpu_has_bfloat16(device: torch.device) -> bool:
    # not torch.cuda.is_bf16_supported: that asks the current device, and makes it hold memory
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)


def _cpu_has_bfloat16() -> bool:
    """Of PyTorch's own checks, which it does not document; without them units are expected."""
    try:
        if platform.machine().lower() in ("x86_64", "amd64"):
            return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        mkldnn = torch.backends.mkldnn.is_available()
        return mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    except AttributeError:
        return True


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory held so far: by tensors on a GPU, else by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident_memory_bytes()


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
        if not mallopt(_M_MMAP_THRESHOLD, 2**30):
            mallopt(_M_MMAP_THRESHOLD, 2**25)  # the greatest before glibc 2.35
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
