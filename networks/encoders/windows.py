"""Swin's window attention for inference on a CPU: the same numbers, hardly a copy.

Products are made of the cells of the map; only then are cells gathered into windows, heads first,
and back into the map. Padding is one more cell, and shifting is the order of the gathering.

Shapes: B batch, L = H * W cells, C channels, h heads of c channels, n windows of s cells.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.swin_transformer import ShiftedWindowAttention

from mavos.networks.layers import linear_of


class FusedWindowAttention(nn.Module):
    """``swin.WindowAttention`` for inference."""

    def __init__(self, attention: ShiftedWindowAttention):
        super().__init__()
        (self.side, _), (self.shift, _) = attention.window_size, attention.shift_size
        self.heads, qkv = attention.num_heads, attention.qkv
        dim = qkv.in_features
        scale = torch.ones(3 * dim)
        scale[:dim] = (dim // self.heads) ** -0.5  # queries come scaled
        self.qkv = linear_of(qkv.weight * scale[:, None], qkv.bias * scale)
        self.proj = attention.proj
        bias = attention.get_relative_position_bias().detach()
        self.register_buffer("bias", bias.transpose(0, 1))  # (h, 1, s, s)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same shape."""
        windows = _windows(x.shape[1:3], self.side, self.shift, 3 * self.heads, x)
        return self.proj(self._attend(x, windows).view_as(x))

    def _attend(self, x: Tensor, windows: "_Windows") -> Tensor:
        """(B, H, W, C) -> rows of one head of one cell (B, L h, c)."""
        query, key, value = self._gathered(x, windows)
        rows = self._weights(query, key, windows) @ value
        return rows.view(len(x), -1, rows.shape[-1]).index_select(1, windows.scatter)

    def _gathered(self, x: Tensor, windows: "_Windows") -> tuple[Tensor, ...]:
        """Query, key and value (B h n, s, c)."""
        qkv = self.qkv(F.pad(x.flatten(1, 2), (0, 0, 0, 1)))  # the last cell is padding
        rows = qkv.view(len(x), -1, x.shape[-1] // self.heads)
        rows = rows.index_select(1, windows.gather)  # (B, 3 h n s, c)
        parts = rows.view(len(x), 3, -1, self.side**2, rows.shape[-1]).unbind(1)
        return tuple(part.flatten(0, 1) for part in parts)

    def _weights(self, query: Tensor, key: Tensor, windows: "_Windows") -> Tensor:
        """Of every cell of a window for every other: (B h n, s, s)."""
        scores = query @ key.mT
        by_head = scores.unflatten(0, (-1, self.heads, windows.number))
        by_head += self.bias
        if self.shift:
            by_head += windows.mask
        # rows of odd length take less time in float32, whatever comes in
        return scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)


class _Windows(NamedTuple):
    """Where the cells of a map lie in its windows."""

    number: int  # n
    gather: Tensor  # (parts * n * s,) row of (L + 1, parts) for each row of (parts, n, s)
    scatter: Tensor  # (L * h,) row of (h, n, s) for each row of (L, h)
    # (n, s, s): -100 between cells that only the shift brought together; None without one
    mask: Tensor | None


def _windows(size: tuple[int, int], side: int, shift: int, parts: int, like: Tensor) -> _Windows:
    make = _make_windows if torch.compiler.is_compiling() else _kept_windows
    return make(size, side, shift, parts, like.dtype)


def _make_windows(
    size: tuple[int, int], side: int, shift: int, parts: int, dtype: torch.dtype
) -> _Windows:
    """parts: queries, keys and values of each head, so three times the heads."""
    height, width = size
    cells = torch.arange(height * width).view(size)
    cells = F.pad(cells, (0, -width % side, 0, -height % side), value=height * width)
    rows, columns = (length // side for length in cells.shape)

    def cut(x: Tensor) -> Tensor:
        """(rows * side, columns * side) -> (n, s)."""
        x = x.roll((-shift, -shift), (0, 1)).view(rows, side, columns, side)
        return x.transpose(1, 2).reshape(rows * columns, side**2)

    cells = cut(cells).flatten()
    gather = torch.arange(parts)[:, None] + parts * cells
    place = torch.empty(height * width + 1, dtype=torch.long)
    place[cells] = torch.arange(len(cells))
    scatter = place[:-1, None] + len(cells) * torch.arange(parts // 3)

    mask = None
    if shift:
        # what the roll brought to the far end of an axis came from its near end
        near = [(torch.arange(number * side) < shift).long() for number in (rows, columns)]
        region = cut(2 * near[0][:, None] + near[1])
        apart = region[:, None, :] != region[:, :, None]
        mask = torch.zeros(apart.shape, dtype=dtype).masked_fill_(apart, -100.0)
    return _Windows(rows * columns, gather.flatten().int(), scatter.flatten().int(), mask)


@lru_cache(maxsize=12)  # of two sizes of pictures; making them takes 1% of a frame
def _kept_windows(*args) -> _Windows:
    with torch.inference_mode(False):  # others may want gradients later
        return _make_windows(*args)
