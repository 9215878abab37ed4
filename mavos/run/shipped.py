"""Weights that come with the package, and whether they are still what they were."""

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mavos.utils.errors import UserError

DEFAULT_MODEL = "mavos_small"  # for videos of your own, where no model is named
FOLDER = Path(__file__).resolve().parents[1] / "weights"


class Shipped(NamedTuple):
    """A file in ``FOLDER``; its model card lies beside it."""

    file: str
    sha256: str


SHIPPED: dict[str, Shipped] = {
    "mavos_small": Shipped(
        "mavos_small.safetensors",
        "e1bd987993b8e6f0eee32b0f98596b95fd3ecacbbd8cb983bb6fd315767ed510",
    ),
}


@cache
def shipped_checkpoint(model: str) -> Path | None:
    """The file of weights that is shipped for ``model``; None if there is none.

    Raises UserError if it is missing or altered.
    """
    if model not in SHIPPED:
        return None
    path = FOLDER / SHIPPED[model].file
    remedy = "install MAVOS again (git checkout mavos/weights in a clone), or name other weights"
    if not path.is_file():
        raise UserError(
            f"{path}: the weights of {model}, part of the package, are missing; {remedy}"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHIPPED[model].sha256:
        raise UserError(
            f"{path}: the weights of {model} are not those that the package was made with (their "
            f"SHA-256 differs); {remedy}"
        )
    return path
