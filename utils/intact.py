"""Files of tensors that are read only if they are intact."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from mavos.utils.errors import UserError
from mavos.utils.reading import reading

SAFETENSORS = ".safetensors"
_REMEDY = (
    "it is cut short, damaged, of another kind, or holds more than tensors and plain values; "
    "download it again, or save its state_dict"
)


def read_tensors(path: Path) -> Any:
    """The content of a file of PyTorch or safetensors, on the CPU.

    PyTorch does not compare the checksums that its files hold, so damaged bytes would come back as
    other weights; they are compared here. Files from before PyTorch 1.6 and safetensors hold none.
    Raises UserError for a file that is absent, damaged or something else.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint {path}; check the path")
    if path.suffix.lower() == SAFETENSORS:
        with reading(path, "safetensors", _REMEDY):
            return safetensors.torch.load_file(path)
    with reading(path, "a PyTorch checkpoint", _REMEDY):
        _compare_checksums(path)
        return torch.load(path, map_location="cpu", weights_only=True)


def check_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Raises UserError for the first tensor that is no plain array of finite real numbers."""
    for name, tensor in state.items():
        fault = _fault(tensor)
        if fault:
            raise UserError(
                f"{path}: {name} is {fault}; expected plain, finite, real numbers. Use another "
                "checkpoint, or save its state_dict from a model in float32"
            )


def _fault(tensor: Tensor) -> str:
    if tensor.is_quantized:
        return "quantised"
    if tensor.layout != torch.strided:
        return "sparse"
    if tensor.is_meta:
        return "without content (device meta)"
    if tensor.is_complex():
        return "complex"
    if tensor.is_floating_point():
        wide = tensor if tensor.element_size() > 1 else tensor.float()  # 8 bits have no isfinite
        if not torch.isfinite(wide).all():
            return "not finite (NaN or infinity)"
    return ""


def _compare_checksums(path: Path) -> None:
    with open(path, "rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    if not is_zip:
        return  # the older format, or something that torch.load refuses
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise ValueError(f"the checksum of {damaged!r} in it is wrong, its bytes are damaged")
