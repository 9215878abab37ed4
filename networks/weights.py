"""A file of weights into a network of any method."""

from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor

from mavos.networks.lstt.key_names import MARKS as LONG_SHORT_TERM_MARKS
from mavos.networks.segmenter import Network
from mavos.utils.checkpoint import load_state, official_state_dict, read_checkpoint

# (model, prefixes of keys as on disk): how its files are known. Each family has its table.
MARKS = (*LONG_SHORT_TERM_MARKS,)


def load_weights(model: Network, path: Path, to_start: bool = False) -> list[str]:
    """Load a checkpoint of the whole network; every key must match, see ``model.key_names``.

    to_start: the weights are to start training from; what ``key_names.anew`` names may be missing,
    and the model keeps its own values there. Returns the keys, as on disk, that were missing.
    Raises UserError with what is missing, unexpected or of another shape.
    """
    return _load(model, read_checkpoint(path), path, to_start)


def load_encoder(model: Network, path: Path) -> None:
    """Load ImageNet weights into ``model.encoder``, by the encoder's own ``key_names``.

    Understands torchvision's files for MobileNetV2 and ResNet-50 and the original 22k file for
    Swin-Base. Classifier heads and unused stages are left out.
    """
    _load_encoder(model, read_checkpoint(path), path)


def load_start(model: Network, path: Path) -> list[str]:
    """Load what training starts from: a checkpoint, or an encoder's ImageNet weights.

    Returns the keys, as on disk, that start anew beside the encoder.
    """
    state = read_checkpoint(path)
    is_foreign = state.keys().isdisjoint(official_state_dict(model))
    if is_foreign and not recognised(state.keys()):  # of an encoder alone
        _load_encoder(model, state, path)
        return []
    return _load(model, state, path, to_start=True)


def recognised(keys: Collection[str]) -> str:
    """Name of the model that weights with such keys, as on disk, belong to; "" if none shows."""

    def has(prefix: str) -> bool:
        return any(key.startswith(prefix) for key in keys)

    return next((model for model, prefixes in MARKS if all(map(has, prefixes))), "")


def _load(model: Network, state: Mapping[str, Tensor], path: Path, to_start: bool) -> list[str]:
    names = model.key_names
    return load_state(model, state, path, names, names.anew if to_start else (), recognised)


def _load_encoder(model: Network, state: Mapping[str, Tensor], path: Path) -> None:
    def recognise(keys: Collection[str]) -> str:
        return recognised([f"encoder.{key}" for key in keys])

    names = model.encoder.key_names
    load_state(model.encoder, state, path, names, names.anew, recognise)
