"""Tokens as maps, as heads and back, and the small layers that several blocks share."""

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


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Tokens (B, L, C) -> (B, heads, L, C / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """The inverse of ``split_heads``."""
    return x.transpose(1, 2).flatten(2)


def upsample(x: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """Bilinear resize of maps (B, C, h, w) to (B, C, H, W); free when nothing changes."""
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


def linear_of(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A layer of these values, for inference."""
    layer = nn.Linear(*weight.shape[::-1], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    layer.bias = bias if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    return layer


class DepthwiseConv(nn.Module):
    """Depthwise convolution of tokens (B, L, C) on their grid; in training with channel dropout."""

    def __init__(self, dim: int, kernel: int = 5, dropout: float = 0.1):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return to_tokens(self.dropout(self.conv(to_map(x, size))))
