"""Whether downloaded weights fit their model: the part of the zoo that needs PyTorch."""

from pathlib import Path

from mavos import configs
from mavos.networks import build_model
from mavos.utils.checkpoint import load_encoder, load_weights
from mavos.zoo.entries import Entry


def check_fits(entry: Entry, path: Path) -> None:
    """Load the file into the model that it is for; raises UserError for other weights."""
    cfg = configs.load(entry.model).model
    model = build_model(cfg)
    if entry.holds == "encoder":
        load_encoder(model, path)
    else:
        may_miss = cfg.new_keys if entry.holds == "start" else ()
        load_weights(model, path, may_miss, cfg.unused_keys)
