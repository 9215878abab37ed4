"""Segmentation networks behind one contract, ``mavos.networks.segmenter.VideoSegmenter``."""

from mavos.old_names import moved

if __name__ == "networks":
    raise moved(__name__)

from collections.abc import Callable

from mavos.configs.schema import ModelConfig
from mavos.networks.aot import build_aot
from mavos.networks.mavos import build_mavos
from mavos.networks.segmenter import Network

METHODS: dict[str, Callable[[ModelConfig], Network]] = {"mavos": build_mavos, "aot": build_aot}


def build_model(cfg: ModelConfig) -> Network:
    """The network of ``cfg``, with random weights."""
    return METHODS[cfg.method](cfg)
