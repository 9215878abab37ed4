"""Whether downloaded weights fit their model: the part of the zoo that needs PyTorch."""

from pathlib import Path

from mavos import configs
from mavos.networks import build_model
from mavos.networks.weights import load_encoder, load_weights
from mavos.zoo.entries import Entry


def check_fits(entry: Entry, path: Path) -> None:
    """Load the file into the model that it is for; raises UserError for other weights."""
    model = build_model(configs.load(entry.model).model)
    if entry.holds == "encoder":
        load_encoder(model, path)
    else:
        load_weights(model, path, to_start=entry.holds == "start")
