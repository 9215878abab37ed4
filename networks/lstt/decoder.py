"""FPN decoder: E-LSTT output and encoder skips -> identity logits at stride 4."""

import torch.nn.functional as F
from torch import Tensor, nn

from mavos.networks.layers import upsample


class ConvGN(nn.Module):
    """Convolution and group norm."""

    def __init__(self, in_dim: int, dim: int, kernel: int, groups: int = 8):
        super().__init__()
        self.conv = nn.Conv2d(in_dim, dim, kernel, padding=kernel // 2)
        self.gn = nn.GroupNorm(groups, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.gn(self.conv(x))


class FPNDecoder(nn.Module):
    """Top-down pyramid over strides 16, 8 and 4."""

    def __init__(
        self,
        in_dim: int,
        dim: int,
        skip_channels: tuple[int, int, int],
        num_ids: int,
        align_corners: bool,
    ):
        """in_dim: of the E-LSTT; skip_channels: at strides 4, 8, 16; num_ids: with background."""
        super().__init__()
        self.align_corners = align_corners
        self.conv_in = ConvGN(in_dim, dim, kernel=1)
        self.conv_16x = ConvGN(dim, dim, kernel=3)
        self.conv_8x = ConvGN(dim, dim // 2, kernel=3)
        self.conv_4x = ConvGN(dim // 2, dim // 2, kernel=3)
        channels_4x, channels_8x, channels_16x = skip_channels
        self.adapter_16x = nn.Conv2d(channels_16x, dim, kernel_size=1)
        self.adapter_8x = nn.Conv2d(channels_8x, dim, kernel_size=1)
        self.adapter_4x = nn.Conv2d(channels_4x, dim // 2, kernel_size=1)
        self.conv_out = nn.Conv2d(dim // 2, num_ids, kernel_size=1)

    def forward(self, x: Tensor, skips: list[Tensor], num_ids: int | None = None) -> Tensor:
        """x (B, in_dim, h, w); skips at strides 4, 8, 16. Returns (B, num_ids, …) at stride 4.

        num_ids: the first so many identities only, background included.
        """
        skip_4x, skip_8x, skip_16x = skips
        x = F.relu(self.conv_in(x))
        x = F.relu(self.conv_16x(self.adapter_16x(skip_16x) + x))
        x = upsample(x, skip_8x.shape[-2:], self.align_corners)
        x = F.relu(self.conv_8x(self.adapter_8x(skip_8x) + x))
        x = upsample(x, skip_4x.shape[-2:], self.align_corners)
        x = F.relu(self.conv_4x(self.adapter_4x(skip_4x) + x))
        weight, bias = self.conv_out.weight[:num_ids], self.conv_out.bias[:num_ids]
        return F.conv2d(x.to(weight.dtype), weight, bias)
