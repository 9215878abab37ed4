"""Sine position embedding, as in DETR with normalised coordinates."""

import math

import torch
from torch import Tensor


def position_embedding(size: tuple[int, int], dim: int, device: torch.device | None) -> Tensor:
    """(1, H * W, dim) float32: the first half of the channels is the row, the other the column.

    Coordinates run from 0 to 2 pi over the grid, whatever its ``size``. Even channels are sines,
    odd ones cosines, with wavelengths that grow from 2 pi to 10,000 times that.
    """
    features = dim // 2
    wavelength = 10000.0 ** (torch.arange(features, device=device) // 2 * 2 / features)

    def axis(length: int) -> Tensor:
        share = torch.arange(length, device=device) / (length - 1 + 1e-6)
        angle = share[:, None] * (2 * math.pi) / wavelength
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], dim=-1).flatten(1)

    rows, columns = axis(size[0])[:, None], axis(size[1])[None]
    both = [x.expand(*size, features) for x in (rows, columns)]
    return torch.cat(both, dim=-1).flatten(0, 1)[None]
