"""Gated propagation, the attention of the E-LSTT blocks: long-term, short-term and self.

Shapes: B batch, L = H * W tokens of the current frame, M tokens of long-term memory.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mavos.networks.attention import global_attention, local_attention
from mavos.networks.layers import DepthwiseConv


class GatedPropagation(nn.Module):
    """What all three share: gate what was attended to, mix neighbours, project."""

    def __init__(self, value_dim: int, dim: int):
        super().__init__()
        self.dw_conv = DepthwiseConv(value_dim)
        self.projection = nn.Linear(value_dim, dim)

    def finish(self, attended: Tensor, gate: Tensor, size: tuple[int, int]) -> Tensor:
        """attended, gate: (B, L, value_dim). Returns (B, L, dim)."""
        return self.projection(self.dw_conv(attended * gate, size))


class LongTermPropagation(GatedPropagation):
    """Attention to every token of the long-term memory."""

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, gate: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """query (B, L, K), key (B, M, K), value (B, M, V), gate (B, L, V). Returns (B, L, dim)."""
        scaled = query * query.shape[-1] ** -0.5
        return self.finish(global_attention(scaled, key, value), gate, size)


class ShortTermPropagation(GatedPropagation):
    """Attention to a window of the previous frame, with a content-dependent relative bias."""

    def __init__(self, key_dim: int, value_dim: int, dim: int, window: int, backend: str = "auto"):
        """backend: of the attention, see ``networks/attention/backends.py``."""
        super().__init__(value_dim, dim)
        self.window, self.backend = window, backend
        self.relative_emb_k = nn.Conv2d(key_dim, window * window, kernel_size=1)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, gate: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """query, key (B, L, K), value, gate (B, L, V). Returns (B, L, dim)."""
        # parity: the bias comes from the query before it is scaled
        bias = F.linear(query, self.relative_emb_k.weight.flatten(1), self.relative_emb_k.bias)
        scaled = query * query.shape[-1] ** -0.5
        attended = local_attention(scaled, key, value, bias, size, self.window, self.backend)
        return self.finish(attended, gate, size)


class SelfPropagation(GatedPropagation):
    """Attention among the frame's own tokens, visual and ID branch side by side."""

    def __init__(self, dim: int, key_dim: int, value_dim: int, heads: int = 1):
        """dim: of both branches together; value_dim: likewise; key_dim: of all heads together."""
        super().__init__(value_dim, dim)
        self.heads = heads
        self.linear_QK = nn.Linear(dim, key_dim)
        self.linear_V1 = nn.Linear(dim // 2, value_dim // 2)
        self.linear_V2 = nn.Linear(dim // 2, value_dim // 2)
        self.linear_U1 = nn.Linear(dim // 2, value_dim // 2)
        self.linear_U2 = nn.Linear(dim // 2, value_dim // 2)

    def forward(self, visual: Tensor, identity: Tensor, size: tuple[int, int]) -> Tensor:
        """visual, identity: (B, L, dim / 2), normalised. Returns (B, L, dim)."""
        key = self.linear_QK(torch.cat([visual, identity], dim=-1))
        value = F.silu(self._side_by_side(self.linear_V1(visual), self.linear_V2(identity)))
        gate = F.silu(self._side_by_side(self.linear_U1(visual), self.linear_U2(identity)))
        key, value = (self._fold(x) for x in (key, value))
        attended = global_attention(key * key.shape[-1] ** -0.5, key, value)
        attended = attended.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(2)
        return self.finish(attended, gate, size)

    def _side_by_side(self, visual: Tensor, identity: Tensor) -> Tensor:
        """(B, L, V / 2) each -> (B, L, V), where every head has its part of both branches."""
        parts = (x.unflatten(-1, (self.heads, -1)) for x in (visual, identity))
        return torch.cat([*parts], dim=-1).flatten(2)

    def _fold(self, x: Tensor) -> Tensor:
        """(B, L, C) -> heads in the batch (B * heads, L, C / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).flatten(0, 1)
