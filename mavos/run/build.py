"""From a config and a checkpoint to a device and a network that segments."""

from dataclasses import replace
from pathlib import Path

import torch

from mavos.configs.schema import Config, EvalConfig
from mavos.dataloaders.inputs import InputRule, long_edge_of
from mavos.networks import build_model, onednn
from mavos.networks.graphs import build_runner
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import VideoSegmenter, call
from mavos.networks.weights import load_weights
from mavos.networks.wrappers import ObjectGroups, TestTimeAugmentation
from mavos.utils.device import (
    allow_tf32,
    half_precision,
    keep_freed_memory,
    pick_device,
    pick_dtype,
    use_threads,
    warn_of_emulation,
)


def prepare(cfg: EvalConfig, gpu: int = 0) -> torch.device:
    """The device of a run, with the process set up for it; gpu: which, if the config is silent."""
    device = pick_device(cfg.device, gpu)
    warn_of_emulation(weight_dtype(cfg, device), device)
    use_threads(cfg.threads)
    if device.type == "cpu":
        keep_freed_memory()
        onednn.route_products()
    elif device.type == "cuda":
        torch.cuda.set_device(device)
        allow_tf32(cfg.dtype == "tf32")
    return device


def build(
    cfg: Config, checkpoint: Path | None, device: torch.device
) -> tuple[VideoSegmenter, InputRule]:
    """The network ready to segment, and how frames become its input.

    checkpoint: None leaves its weights random.
    """
    dtype = weight_dtype(cfg.eval, device)
    network = build_model(cfg.model)
    network.check_device(device, dtype)
    if checkpoint is not None:
        load_weights(network, checkpoint)
    run = build_runner(device) if cfg.eval.compile else call
    model = ObjectGroups(for_inference(network.to(device), dtype, run))
    rule = one_scale(cfg, model)
    if cfg.eval.multiscale:
        rule = replace(rule, scales=cfg.eval.scales, max_short_edge=_resolution(cfg))
    if cfg.eval.multiscale or cfg.eval.flip:
        model = TestTimeAugmentation(model, flip=cfg.eval.flip)
    return model, rule


def one_scale(cfg: Config, model: VideoSegmenter) -> InputRule:
    """How frames become the input of ``model`` where nothing is averaged over scales."""
    return InputRule(*model.size_rule, max_long_edge=long_edge_of(_resolution(cfg)))


def _resolution(cfg: Config) -> float:
    return cfg.eval.max_resolution or cfg.model.test_resolution


def precision_of(cfg: EvalConfig, device: torch.device) -> str:
    """Name of the precision to compute in."""
    if cfg.amp:
        return "bf16" if half_precision(device) == torch.bfloat16 else "fp16"
    return cfg.dtype


def weight_dtype(cfg: EvalConfig, device: torch.device) -> torch.dtype:
    """Type of the network's weights; raises UserError if the device cannot compute with it."""
    return pick_dtype(precision_of(cfg, device), device)
