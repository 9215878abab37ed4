"""A process made ready to compute on a device: every command and the tracker begin here."""

import torch

from mavos.configs.schema import EvalConfig
from mavos.networks import onednn
from mavos.utils.device import (
    allow_tf32,
    half_precision,
    keep_freed_memory,
    pick_device,
    pick_dtype,
    use_threads,
    warn_of_emulation,
)
from mavos.utils.pixel_limit import set_most_pixels


def prepare(
    name: str = "auto", gpu: int = 0, threads: int = 0, whole_process: bool = True
) -> torch.device:
    """The device of a run, with the process set up for it.

    name: auto, cpu, mps, cuda or cuda:N; gpu: which, where that does not say. threads: of the CPU,
    0: PyTorch's choice. whole_process: False in a library, whose caller's settings of PyTorch stay
    as they are. Raises UserError if the device is not there.
    """
    device = pick_device(name, gpu)
    use_threads(threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    elif device.type == "cpu":
        keep_freed_memory()
        if whole_process:
            onednn.route_products()
    return device


def prepare_to_segment(cfg: EvalConfig, gpu: int = 0) -> torch.device:
    """``prepare`` for a run whose ``cfg`` has everything, the precision too."""
    set_most_pixels(cfg.max_pixels)
    device = prepare(cfg.device, gpu, cfg.threads)
    warn_of_emulation(weight_dtype(cfg, device), device)
    if device.type == "cuda":
        allow_tf32(cfg.dtype == "tf32")
    return device


def precision_of(cfg: EvalConfig, device: torch.device) -> str:
    """Name of the precision to compute in."""
    if cfg.amp:
        return "bf16" if half_precision(device) == torch.bfloat16 else "fp16"
    return cfg.dtype


def weight_dtype(cfg: EvalConfig, device: torch.device) -> torch.dtype:
    """Type of the network's weights; raises UserError if the device cannot compute with it."""
    return pick_dtype(precision_of(cfg, device), device)
