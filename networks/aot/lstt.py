"""LSTT, the long short-term transformer of AOT (arXiv 2106.02638, section 3.3).

Shapes: B batch, L = H * W tokens, C width.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from mavos.networks.aot.attention import LongTermAttention, SelfAttention, ShortTermAttention
from mavos.networks.aot.position import position_embedding
from mavos.networks.layers import to_map, to_tokens
from mavos.networks.lstt.memory import Entry, Fuse


class Seen(NamedTuple):
    """What a block computed of the current frame that the memory may want later."""

    key: Tensor  # (B, L, C)
    tokens: Tensor  # (B, L, C), normalised; a value once the ID embedding is added


class GridActivation(nn.Module):
    """Group norm, GELU and a depthwise convolution: tokens meet the 5 x 5 around them."""

    def __init__(self, dim: int):
        super().__init__()
        self.gn = nn.GroupNorm(32, dim)
        self.conv = nn.Conv2d(dim, dim, 5, padding=2, groups=dim, bias=False)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, L, C) on a grid of ``size`` (H, W) -> (B, L, C)."""
        return to_tokens(self.conv(F.gelu(self.gn(to_map(x, size)))))


class FeedForward(nn.Module):
    """Two linear layers, and what happens on the grid between them."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.linear1 = nn.Linear(dim, hidden)
        self.activation = GridActivation(hidden)
        self.linear2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, L, C) on a grid of ``size`` (H, W) -> (B, L, C)."""
        return self.linear2(self.activation(self.linear1(x), size))


class LSTTBlock(nn.Module):
    """Self attention, then long-term and short-term attention side by side, then feed forward."""

    def __init__(
        self,
        dim: int,
        heads: int,
        window: int,
        hidden: int,
        drop_path: float,
        local_attention: str = "auto",
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.self_propagation = SelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.to_key = nn.Linear(dim, dim)
        self.to_value = nn.Linear(dim, dim)
        self.long_term = LongTermAttention(dim, heads)
        self.short_term = ShortTermAttention(dim, heads, window, local_attention)
        self.norm3 = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, hidden)
        self.drop_path = StochasticDepth(drop_path, mode="row")

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        size: tuple[int, int],
        long_term: Entry | None = None,
        short_term: Entry | None = None,
        id_embedding: Tensor | None = None,
    ) -> tuple[Tensor, Seen]:
        """x (B, L, C), position (1, L, C) -> x updated, and what was seen.

        Reads the given memories; a reference frame comes with its ID embedding (B, L, C) instead
        and attends to itself.
        """
        x = x + self.drop_path(self.self_propagation(self.norm1(x), position))
        normed = self.norm2(x)
        seen = Seen(self.to_key(normed), normed)
        if id_embedding is not None:
            long_term = short_term = self.entry(seen, id_embedding)
        query = seen.key  # one projection serves as both
        x = x + self.long_term(query, long_term.key, long_term.values)
        x = x + self.short_term(query, short_term.key, short_term.values, size)
        return x + self.drop_path(self.feed_forward(self.norm3(x), size)), seen

    def entry(self, seen: Seen, id_embedding: Tensor) -> Entry:
        """Memory entry of a frame whose mask has the ID embedding (B, L, C)."""
        return Entry(seen.key, self.to_value(seen.tokens + id_embedding))


class LSTT(nn.Module):
    """The stack of blocks, in the place that ``mavos.networks.mavos.elstt.ELSTT`` has in MAVOS."""

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        window: int,
        drop_path: float,
        local_attention: str = "auto",
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            LSTTBlock(dim, heads, window, 4 * dim, drop_path, local_attention) for _ in range(depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(depth))

    def forward(
        self,
        visual: Tensor,
        size: tuple[int, int],
        long_term: tuple[Entry, ...] | None = None,
        short_term: tuple[Entry, ...] | None = None,
        id_embedding: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Seen, ...]]:
        """Tokens (B, L, C) -> map (B, (1 + depth) C, H, W) for the decoder, the input and what each
        block made of it, and what each block saw.

        Reads one entry per block of each memory, or, on a reference frame, takes its ID embedding.
        """
        nothing = (None,) * len(self.blocks)
        position = position_embedding(size, visual.shape[-1], visual.device).to(visual.dtype)
        x, outputs, all_seen = visual, [visual], []
        for block, norm, long, short in zip(
            self.blocks, self.norms, long_term or nothing, short_term or nothing, strict=True
        ):
            x, seen = block(x, position, size, long, short, id_embedding)
            outputs.append(norm(x))
            all_seen.append(seen)
        return to_map(torch.cat(outputs, dim=-1), size), tuple(all_seen)

    def entries(self, seen: tuple[Seen, ...], id_embedding: Tensor) -> tuple[Entry, ...]:
        """Memory entries of a frame, one per block."""
        return tuple(b.entry(s, id_embedding) for b, s in zip(self.blocks, seen, strict=True))

    def fusions(self, size: tuple[int, int]) -> tuple[Fuse | None, ...]:
        """No block has any."""
        return (None,) * len(self.blocks)
