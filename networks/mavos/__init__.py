"""MAVOS, wired from its config: the whole network on one screen.

DeAOT is the same network with a memory policy other than "mca".
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from mavos.configs.schema import MavosConfig
from mavos.networks.lstt import assemble
from mavos.networks.lstt.key_names import MCA
from mavos.networks.lstt.model import LongShortTermSegmenter
from mavos.networks.mavos.elstt import ELSTT
from mavos.networks.mavos.fused import fuse_blocks
from mavos.networks.mavos.fusion import CrossAttention, FocalModulation, GlobalContextAttention
from mavos.networks.mavos.mca import EntryFusion, ModulatedAttention


def build_mavos(cfg: MavosConfig) -> LongShortTermSegmenter:
    fusion = partial(EntryFusion, operator=build_operator(cfg), drop_path=cfg.mca_drop_path)
    build_elstt = partial(
        ELSTT,
        cfg.dim,
        cfg.depth,
        cfg.short_term_window,
        cfg.drop_path,
        fusion=fusion if cfg.memory == "mca" else None,
        heads=cfg.heads,
        local_attention=cfg.local_attention,
    )
    return assemble(
        cfg,
        build_elstt,
        fuse_blocks,
        decoder_dim=2 * cfg.dim,
        normalise_ids=True,
        unused_keys=() if cfg.memory == "mca" else (MCA,),
    )


def build_operator(cfg: MavosConfig) -> Callable[[int], nn.Module]:
    """What makes the operator of a fusion for tokens of a given width."""
    focal = {"focal_levels": cfg.focal_levels, "focal_window": cfg.focal_window}
    return {
        "mca": partial(ModulatedAttention, heads=cfg.mca_heads, **focal),
        "cross_attention": partial(CrossAttention, heads=cfg.mca_heads),
        "focal_modulation": partial(FocalModulation, **focal),
        "global_context": partial(GlobalContextAttention, heads=cfg.mca_heads),
    }[cfg.fusion]
