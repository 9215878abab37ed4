"""Segmentation networks behind one contract, ``networks.segmenter.VideoSegmenter``."""

from configs.schema import ModelConfig
from networks.mavos import build_mavos
from networks.segmenter import VideoSegmenter

METHODS = {"mavos": build_mavos}


def build_model(cfg: ModelConfig) -> VideoSegmenter:
    """The network of ``cfg``, with random weights."""
    return METHODS[cfg.method](cfg)
