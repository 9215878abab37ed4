"""AOT, wired from its config."""

from functools import partial

from mavos.configs.schema import AotConfig
from mavos.networks.aot.lstt import LSTT
from mavos.networks.lstt import assemble
from mavos.networks.lstt.model import LongShortTermSegmenter


def build_aot(cfg: AotConfig) -> LongShortTermSegmenter:
    build_lstt = partial(
        LSTT,
        cfg.dim,
        cfg.depth,
        cfg.heads,
        cfg.short_term_window,
        cfg.drop_path,
        cfg.local_attention,
    )
    return assemble(
        cfg,
        build_lstt,
        fuse_blocks=lambda model: None,  # it has no other form for inference
        decoder_dim=(cfg.depth + 1) * cfg.dim,
        normalise_ids=False,
        unused_keys=("LSTT.mask_token",),  # in the released files; their code never uses it
    )
