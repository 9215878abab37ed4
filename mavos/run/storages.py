"""What memory a value made of tensors holds."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


def storages(value: Any) -> dict[int, int]:
    """Address -> bytes of what the tensors and arrays in ``value`` hold; what several of them share
    is there once. Looks into dataclasses, lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        if value.layout == torch.strided:
            storage = value.untyped_storage()
            return {storage.data_ptr(): storage.nbytes()}
        return {id(value): value.numel() * value.element_size()}  # opaque, and perhaps padded
    if isinstance(value, np.ndarray):
        return {value.ctypes.data: value.nbytes}
    if is_dataclass(value):
        value = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, dict):
        value = list(value.values())
    found: dict[int, int] = {}
    for item in value if isinstance(value, list | tuple) else ():
        found |= storages(item)
    return found
