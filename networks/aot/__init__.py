"""AOT, wired from its config: MAVOS around other blocks."""

from functools import partial

from configs.schema import ModelConfig
from networks.aot.lstt import LSTT
from networks.mavos import assemble
from networks.mavos.model import MAVOS


def build_aot(cfg: ModelConfig) -> MAVOS:
    build_lstt = partial(
        LSTT,
        cfg.dim,
        cfg.depth,
        cfg.heads,
        cfg.short_term_window,
        cfg.drop_path,
        cfg.local_attention,
    )
    return assemble(cfg, build_lstt, decoder_dim=(cfg.depth + 1) * cfg.dim, normalise_ids=False)
