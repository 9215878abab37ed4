"""Swin-Base up to stride 16: torchvision's blocks around window attention of our own."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.swin_transformer import (
    ShiftedWindowAttention,
    SwinTransformer,
    SwinTransformerBlock,
)


class SwinBase(nn.Module):
    """Maps at strides 4, 8, 16 and the last one again, each normalised."""

    align_corners, strides = False, (4, 8, 16, 16)
    channels = (128, 256, 512, 512)

    def __init__(self, norm_layer: type[nn.Module]):
        """norm_layer is for convolutional encoders; Swin has layer norms only."""
        super().__init__()
        swin = SwinTransformer(
            patch_size=[4, 4],
            embed_dim=self.channels[0],
            depths=[2, 2, 18],  # the fourth stage is not used
            num_heads=[4, 8, 16],
            window_size=[7, 7],
            stochastic_depth_prob=0.3,
            block=partial(SwinTransformerBlock, attn_layer=WindowAttention),
        )
        self.parts = swin.features  # patch embedding, stage, merging, stage, merging, stage
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for dim in self.channels[:3])

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, channels[i], …) at strides 4, 8, 16, 16."""
        maps, x = [], image
        for index, part in enumerate(self.parts):
            x = part(x)  # (B, h, w, C)
            if index % 2:
                maps.append(self.norms[index // 2](x).permute(0, 3, 1, 2))
        return [*maps, maps[-1]]


class WindowAttention(ShiftedWindowAttention):
    """Attention within (shifted) windows, as in the paper's code.

    torchvision's does not shift where a map is no larger than a window, so small pictures would
    give other numbers than the published model; and this one attends in one fused kernel.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same shape."""
        (side, _), (shift, _) = self.window_size, self.shift_size
        _, height, width, dim = x.shape
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        padded = x.shape
        x = x.roll((-shift, -shift), (1, 2))
        # (B, rows, side, columns, side, C) -> (B, windows, side * side, C)
        x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
        rows_columns = x.shape[1:3]
        x = x.flatten(3, 4).flatten(1, 2)

        query, key, value = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).unbind(-3)
        bias = self.get_relative_position_bias()
        if shift:
            bias = bias + _shift_mask(padded[1:3], side, shift, x)
        # (B, windows, tokens, heads, channels) -> heads before tokens
        x = F.scaled_dot_product_attention(
            *(t.transpose(-2, -3) for t in (query, key, value)), attn_mask=bias
        )
        x = self.proj(x.transpose(-2, -3).flatten(-2))

        x = x.unflatten(1, rows_columns).unflatten(3, (side, side)).transpose(2, 3)
        x = x.reshape(*padded[:3], dim).roll((shift, shift), (1, 2))
        return x[:, :height, :width]


def _shift_mask(size: tuple[int, int], side: int, shift: int, like: Tensor) -> Tensor:
    """(windows, 1, side², side²): -100 between cells that only the shift brought together."""
    regions = []
    for length in size:
        position = torch.arange(length, device=like.device)
        regions.append((position >= length - side).int() + (position >= length - shift).int())
    region = 3 * regions[0][:, None] + regions[1]
    region = region.unflatten(1, (-1, side)).unflatten(0, (-1, side)).transpose(1, 2)
    region = region.reshape(-1, side * side)
    apart = region[:, None, :, None] != region[:, None, None, :]
    return torch.zeros_like(apart, dtype=like.dtype).masked_fill_(apart, -100.0)
