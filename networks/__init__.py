"""Segmentation networks behind one contract, ``mavos.networks.segmenter.VideoSegmenter``."""

from mavos.old_names import moved

if __name__ == "networks":
    raise moved(__name__)

import torch

from mavos.configs.schema import ModelConfig
from mavos.networks.aot import build_aot
from mavos.networks.attention import backends
from mavos.networks.mavos import build_mavos
from mavos.networks.segmenter import VideoSegmenter

METHODS = {"mavos": build_mavos, "aot": build_aot}


def build_model(cfg: ModelConfig) -> VideoSegmenter:
    """The network of ``cfg``, with random weights."""
    return METHODS[cfg.method](cfg)


def check_device(cfg: ModelConfig, device: torch.device, dtype: torch.dtype) -> None:
    """Raises UserError if the network of ``cfg`` asks for something that is not there."""
    if cfg.local_attention != "auto":
        backends.named(cfg.local_attention, device, dtype)
