"""The two token/map conversions and the small layers that several blocks share."""

import torch.nn.functional as F
from torch import Tensor, nn


def to_tokens(x: Tensor) -> Tensor:
    """Feature map (B, C, H, W) -> tokens (B, L, C), L = H * W in row-major order.

    A map in channels_last memory becomes contiguous tokens without a copy, and the other way round.
    """
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Tokens (B, L, C) -> feature map (B, C, H, W), ``size`` = (H, W)."""
    return x.transpose(1, 2).unflatten(2, size)


def upsample(x: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """Bilinear resize of maps (B, C, h, w) to (B, C, H, W); free when nothing changes."""
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


class DepthwiseConv(nn.Module):
    """Depthwise convolution of tokens (B, L, C) on their grid; in training with channel dropout."""

    def __init__(self, dim: int, kernel: int = 5, dropout: float = 0.1):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return to_tokens(self.dropout(self.conv(to_map(x, size))))
