"""What the paper's Table 6 sets beside MCA, each in the place of its modulated attention.

Section 4.6 names them: cross-attention [47], focal modulation [57] "with two levels", and GCViT
[13]; all with the two memory frames of MAVOS. Formulas are given for the first two only, equations
2 and 3 of section 3.2. Not said is how many heads the attentions have, whether they have the norms,
residual connections and MLP of MCA around them, and how GCViT, which looks at one picture, takes in
two frames. Our reading: everything around them, and the number of heads, is that of
``mca.ModulatedCrossAttention``; the new frame asks, the old one is context.

Shapes: B batch, L = H * W tokens, C channels of what is fused.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mavos.networks.attention import multi_head_attention
from mavos.networks.layers import join_heads, split_heads, to_map, to_tokens
from mavos.networks.mavos.mca import FocalContext


class CrossAttention(nn.Module):
    """Equation 2: MCA without modulation, the values are the projected context."""

    def __init__(self, dim: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim, bias=False)
        self.k = nn.Linear(dim, dim, bias=False)
        self.v = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """latents, context: (B, L, C), normalised. Returns (B, L, C)."""
        projected = self.q(latents), self.k(context), self.v(context)
        parts = (split_heads(x, self.heads) for x in projected)
        return self.proj(join_heads(multi_head_attention(*parts)))


class FocalModulation(FocalContext):
    """Equation 3: MCA without attention, the modulator of the context times the projected new
    tokens, cell by cell. The last projection is of Focal Modulation Networks (arXiv 2203.11926)."""

    def __init__(self, dim: int, focal_levels: int = 2, focal_window: int = 3):
        super().__init__(dim, focal_levels, focal_window)
        self.q = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """latents, context: (B, L, C), normalised. Returns (B, L, C)."""
        modulator = to_tokens(self.modulator(self.f_context(context), size))
        return self.proj(self.q(latents) * modulator)


class GlobalContextAttention(nn.Module):
    """GCViT (Hatamizadeh et al., arXiv 2206.09959, section 2): in each window of the context, the
    new frame's tokens of that window ask, and so do global queries, which are the same in all
    windows and see the whole new frame.

    GCViT has the two kinds of attention in layers of their own, one after the other; here one layer
    has both, as the other operators are one, and adds up what they find.
    """

    def __init__(self, dim: int, heads: int = 4, window: int = 7):
        super().__init__()
        self.heads, self.window = heads, window
        self.q = nn.Linear(dim, dim)
        self.global_q = GlobalQuery(dim, window)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.place_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.place_bias, std=0.02)
        self.register_buffer("places", _places(window), persistent=False)

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """latents, context: (B, L, C), normalised. Returns (B, L, C)."""
        local, key, value = (
            split_heads(self._windows(to_map(x, size)), self.heads)
            for x in (self.q(latents), self.k(context), self.v(context))
        )
        everywhere = split_heads(to_tokens(self.global_q(to_map(latents, size))), self.heads)
        everywhere = everywhere.repeat_interleave(len(local) // len(latents), dim=0)
        bias = self.place_bias[self.places].permute(2, 0, 1) + self._outside(local, size)
        attended = sum(
            F.scaled_dot_product_attention(query, key, value, bias) for query in (local, everywhere)
        )
        return self.proj(self._from_windows(join_heads(attended), size))

    def _windows(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) -> (B windows, window * window, C); zeros fill the last ones."""
        side = self.window
        x = F.pad(x, (0, -x.shape[-1] % side, 0, -x.shape[-2] % side))
        x = x.unflatten(3, (-1, side)).unflatten(2, (-1, side))
        return x.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)

    def _from_windows(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """The inverse: tokens (B, L, C)."""
        height, width = size
        side = self.window
        rows, columns = -(-height // side), -(-width // side)
        x = x.unflatten(1, (side, side)).unflatten(0, (-1, rows, columns))
        x = x.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return x[:, :height, :width].flatten(1, 2)

    def _outside(self, local: Tensor, size: tuple[int, int]) -> Tensor:
        """(B windows, 1, 1, window * window): -inf for cells that only fill a window up."""
        inside = self._windows(local.new_ones(1, 1, *size))[..., 0]
        outside = torch.zeros_like(inside).masked_fill(inside == 0, float("-inf"))
        return outside.repeat(len(local) // len(inside), 1)[:, None, None]


class GlobalQuery(nn.Module):
    """The whole frame as one window of queries: a convolution that looks around and mixes channels,
    then the strongest answer of each part. GCViT repeats it until the map is small enough; here the
    grid may have any size."""

    def __init__(self, dim: int, window: int):
        super().__init__()
        self.window = window
        self.around = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)
        self.squeeze = nn.Sequential(
            nn.Conv2d(dim, dim // 4, 1), nn.GELU(), nn.Conv2d(dim // 4, dim, 1), nn.Sigmoid()
        )
        self.mix = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, window, window)."""
        seen = F.gelu(self.around(x))
        seen = seen * self.squeeze(seen.mean(dim=(2, 3), keepdim=True))
        return F.adaptive_max_pool2d(x + self.mix(seen), self.window)


def _places(window: int) -> Tensor:
    """(window ** 2, window ** 2): which bias a query and a key of one window share, by the step
    from the one to the other."""
    rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    cells = torch.stack([rows.flatten(), columns.flatten()])
    steps = cells[:, :, None] - cells[:, None] + window - 1
    return steps[0] * (2 * window - 1) + steps[1]
