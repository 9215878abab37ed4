"""AOT, wired from its config: MAVOS around other blocks."""

from functools import partial

from mavos.configs.schema import ModelConfig
from mavos.networks.aot.lstt import LSTT
from mavos.networks.lstt.model import MAVOS
from mavos.networks.mavos import assemble


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
