"""Modulated cross-attention (MCA), paper section 3.2: folds a new frame into the dynamic one.

Shapes: B batch, L = H * W tokens, C channels of what is fused (a key, a value or an ID value).
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from mavos.networks.attention import multi_head_attention
from mavos.networks.layers import join_heads, split_heads, to_map
from mavos.networks.lstt.memory import Entry


class FocalContext(nn.Module):
    """Tokens gathered at several scales, from their neighbours to the whole grid."""

    def __init__(self, dim: int, focal_levels: int = 2, focal_window: int = 3):
        super().__init__()
        self.focal_levels = focal_levels
        self.f_context = nn.Linear(dim, dim + focal_levels + 1)
        self.focal_layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False), nn.GELU()
            )
            for kernel in range(focal_window, focal_window + 2 * focal_levels, 2)
        )
        self.h = nn.Conv2d(dim, dim, kernel_size=1)

    def modulator(self, focal: Tensor, size: tuple[int, int]) -> Tensor:
        """Gated sum of the focal levels, as a map (B, C, H, W).

        focal (B, L, C + focal_levels + 1): the projected context, and a gate for each level and for
        the mean over all cells.
        """
        dim = focal.shape[-1] - self.focal_levels - 1
        mapped, gates = to_map(focal, size).split([dim, self.focal_levels + 1], 1)
        summed = 0
        for level, focal_layer in enumerate(self.focal_layers):
            mapped = focal_layer(mapped)
            summed = summed + mapped * gates[:, level : level + 1]
        everywhere = F.gelu(mapped.mean(dim=(2, 3), keepdim=True))
        return self.h(summed + everywhere * gates[:, self.focal_levels :])


class ModulatedAttention(FocalContext):
    """Multi-head attention whose values are the focally modulated context."""

    def __init__(self, dim: int, heads: int = 4, focal_levels: int = 2, focal_window: int = 3):
        # drawn first, so that a seed still gives the weights it always gave
        query, key = (nn.Linear(dim, dim, bias=False) for _ in range(2))
        super().__init__(dim, focal_levels, focal_window)
        self.heads = heads
        self.q, self.k = query, key
        self.proj = nn.Linear(dim, dim)

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """latents, context: (B, L, C), normalised. Returns (B, L, C)."""
        return self.attend(self.q(latents), self.k(context), self.f_context(context), size)

    def attend(self, query: Tensor, key: Tensor, focal: Tensor, size: tuple[int, int]) -> Tensor:
        """query, key (B, L, C); focal (B, L, C + focal_levels + 1), see ``modulator``. Returns
        (B, L, C)."""
        # parity: the map (B, C, H, W) is reinterpreted, not transposed, as L tokens of C channels;
        # it mixes cells and channels, and it is what the published weights were trained with.
        value = self.modulator(focal, size).reshape(query.shape)
        parts = (split_heads(x, self.heads) for x in (query, key, value))
        return self.proj(join_heads(multi_head_attention(*parts)))


class ModulatedCrossAttention(nn.Module):
    """One transformer layer: ``latents`` (new frame) query ``context`` (old dynamic frame)."""

    def __init__(
        self,
        dim: int,
        operator: Callable[[int], nn.Module] = ModulatedAttention,
        mlp_ratio: int = 4,
        drop_path: float = 0.1,
    ):
        """operator: makes what takes in the context, of its width; others are in ``fusion.py``."""
        super().__init__()
        self.attn = operator(dim)
        self.norm_l = nn.LayerNorm(dim)
        self.norm_c = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        hidden = mlp_ratio * dim
        self.mlp = nn.Sequential(
            OrderedDict(fc1=nn.Linear(dim, hidden), act=nn.GELU(), fc2=nn.Linear(hidden, dim))
        )
        self.drop_path = StochasticDepth(drop_path, mode="row")

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """latents, context: (B, L, C) on a grid of ``size`` (H, W). Returns the fused (B, L, C)."""
        modulated = self.attn(self.norm_l(latents), self.norm_c(context), size)
        fused = latents + self.drop_path(modulated)
        return fused + self.drop_path(self.mlp(self.norm2(fused)))


class EntryFusion(nn.Module):
    """Fuses key, value and ID value of one block's memory, each with an MCA of its own."""

    def __init__(self, key_dim: int, value_dim: int, **options):
        """options: of ``ModulatedCrossAttention``."""
        super().__init__()
        self.key = ModulatedCrossAttention(key_dim, **options)
        self.value = ModulatedCrossAttention(value_dim, **options)
        self.id_value = ModulatedCrossAttention(value_dim, **options)

    def forward(self, new: Entry, old: Entry, size: tuple[int, int]) -> Entry:
        """The new frame and the old dynamic frame -> the rewritten dynamic frame."""
        value = self.value(new.value, old.value, size)
        id_value = self.id_value(new.id_value, old.id_value, size)
        return Entry(self.key(new.key, old.key, size), torch.cat([value, id_value], dim=-1))
