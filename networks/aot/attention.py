"""The three multi-head attentions of an AOT block.

Shapes: B batch, L = H * W tokens of the current frame, M tokens attended to, C width, h heads,
c = C / h width of a head, w window.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mavos.networks.attention import local_attention, multi_head_attention
from mavos.networks.layers import join_heads, split_heads


class LongTermAttention(nn.Module):
    """Attention to every token of the long-term memory."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.projection = nn.Linear(dim, dim)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query (B, L, C); key, value (B, M, C). Returns (B, L, C)."""
        parts = (split_heads(x, self.heads) for x in (query, key, value))
        return self.projection(join_heads(multi_head_attention(*parts)))


class SelfAttention(LongTermAttention):
    """Attention among the frame's own tokens, which know where they are."""

    def __init__(self, dim: int, heads: int):
        super().__init__(dim, heads)
        self.linear_Q = nn.Linear(dim, dim)
        self.linear_K = nn.Linear(dim, dim)
        self.linear_V = nn.Linear(dim, dim)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """x (B, L, C), normalised; position (1, L, C). Returns (B, L, C)."""
        placed = x + position
        return super().forward(self.linear_Q(placed), self.linear_K(placed), self.linear_V(x))


class ShortTermAttention(nn.Module):
    """Attention to a window of the previous frame, with relative positions: a bias of the scores
    that depends on the content, and a learned vector for each place, added to the values."""

    def __init__(self, dim: int, heads: int, window: int, backend: str = "auto"):
        """backend: of the attention, see ``networks/attention/backends.py``."""
        super().__init__()
        self.heads, self.window, self.backend = heads, window, backend
        places = window * window
        self.relative_emb_k = nn.Conv2d(dim, heads * places, kernel_size=1, groups=heads)
        self.relative_emb_v = nn.Parameter(torch.zeros(heads, dim // heads, places))
        self.projection = nn.Linear(dim, dim)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
        """query, key, value (B, L, C). Returns (B, L, C)."""
        query, key, value = (split_heads(x, self.heads) for x in (query, key, value))
        batch, width = len(query), query.shape[-1]
        to_bias = self.relative_emb_k.weight.flatten(1).unflatten(0, (self.heads, -1))
        # parity: the bias comes from the query before it is scaled
        bias = query @ to_bias.mT + self.relative_emb_k.bias.unflatten(0, (self.heads, 1, -1))

        marks, places = window_marks(size, self.window, query.device)
        marks = marks.to(value.dtype).expand(batch, self.heads, -1, -1)
        inputs = query * width**-0.5, key, torch.cat([value, marks], dim=-1), bias
        folded = (x.flatten(0, 1) for x in inputs)
        attended = local_attention(*folded, size, self.window, self.backend)
        attended, weights = attended.unflatten(0, (batch, -1)).split([width, bias.shape[-1]], -1)
        weights = weights.gather(-1, places.expand_as(weights))
        return self.projection(join_heads(attended + weights @ self.relative_emb_v.mT))


def window_marks(
    size: tuple[int, int], window: int, device: torch.device | None
) -> tuple[Tensor, Tensor]:
    """Values whose weighted sum is the weights of a window: marks (L, w * w), places (L, w * w).

    A cell is marked by its row and column modulo w: within a window no two cells share a mark. The
    sum of marks by the weights of cell l, gathered at ``places[l]``, is the weights themselves in
    the order of the window.
    """
    row, column = (torch.arange(side, device=device) for side in size)
    marks = F.one_hot((row % window)[:, None] * window + column % window, window * window)
    offset = torch.arange(window, device=device) - window // 2
    rows, columns = ((axis[:, None] + offset) % window for axis in (row, column))
    places = rows[:, None, :, None] * window + columns[None, :, None, :]
    return marks.flatten(0, 1), places.flatten(2).flatten(0, 1)
