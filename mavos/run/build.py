"""From a config and a checkpoint to a network that segments."""

from dataclasses import replace
from pathlib import Path

import torch

from mavos.configs.schema import Config
from mavos.dataloaders.inputs import InputRule, long_edge_of
from mavos.networks import build_model
from mavos.networks.graphs import build_runner
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import VideoSegmenter, call
from mavos.networks.weights import load_weights
from mavos.networks.wrappers import ObjectGroups, TestTimeAugmentation
from mavos.run.devices import weight_dtype


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
