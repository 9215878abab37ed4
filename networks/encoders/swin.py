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

from mavos.networks.encoders.encoder import Encoder
from mavos.networks.encoders.swin_key_names import NAMES
from mavos.networks.encoders.windows import FusedWindowAttention


class SwinBase(Encoder):
    """Maps at strides 4, 8, 16 and the last one again, each normalised."""

    align_corners, strides = False, (4, 8, 16, 16)
    channels = (128, 256, 512, 512)
    key_names = NAMES

    def __init__(self, norm_layer: type[nn.Module]):
        """norm_layer is for convolutional encoders; Swin has layer norms only."""
        super().__init__()
        swin = SwinTransformer(
            patch_size=[4, 4],
            embed_dim=self.channels[0],
            depths=[2, 2, 18],  # the fourth stage is not used
            num_heads=[4, 8, 16],
            window_size=[7, 7],
            # the published rate is 0.3 at the last of 24 blocks, of which these are the first 22
            stochastic_depth_prob=0.3 * 21 / 23,
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

    def fuse(self) -> None:
        """Become the inference form, see ``networks/inference.py``."""
        if self.norms[0].weight.device.type != "cpu":
            return  # elsewhere it would have to keep its indices on the device: not tried
        for block in self.modules():
            attention = getattr(block, "attn", None)
            if isinstance(attention, WindowAttention):
                block.attn = FusedWindowAttention(attention)

    def freeze(self, parts: int) -> None:
        """Stop the first ``parts`` parts from learning; the norm of a stage's map still learns."""
        # parity: a stage is frozen without the merging after it
        ends = (0, 1, 2, 4, 6)
        self.parts[: ends[min(parts, len(ends) - 1)]].requires_grad_(False)


class WindowAttention(ShiftedWindowAttention):
    """Attention within (shifted) windows, as in the paper's code.

    torchvision's does not shift where a map is no larger than a window, so small pictures would
    give other numbers than the published model.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same shape."""
        (side, _), (shift, _) = self.window_size, self.shift_size
        batch, height, width, dim = x.shape
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        padded = x.shape[1:3]
        x = x.roll((-shift, -shift), (1, 2))
        # (B, rows, side, columns, side, C) -> (B * windows, side * side, C)
        x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
        x = x.reshape(batch, -1, side * side, dim)  # (B, windows, tokens, C)

        bias = self.get_relative_position_bias()
        if shift:
            bias = bias + _shift_mask(padded, side, shift, x)
        # (B, windows, tokens, 3, heads, c) -> three of (B, windows, heads, tokens, c)
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1) + bias
        x = scores.softmax(dim=-1) @ value
        x = self.proj(x.transpose(2, 3).flatten(3))

        rows, columns = (length // side for length in padded)
        x = x.reshape(batch, rows, columns, side, side, dim).transpose(2, 3)
        x = x.reshape(batch, *padded, dim).roll((shift, shift), (1, 2))
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
