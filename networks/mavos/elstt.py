"""E-LSTT, paper section 3.1: blocks of long-term, short-term and self propagation on two branches.

Shapes: B batch, L = H * W tokens, C width of each branch (visual and ID).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from mavos.networks.layers import to_map
from mavos.networks.lstt.memory import Entry, Fuse
from mavos.networks.mavos.mca import EntryFusion
from mavos.networks.mavos.propagation import (
    LongTermPropagation,
    SelfPropagation,
    ShortTermPropagation,
)

MakeFusion = Callable[[int, int], EntryFusion]


class Seen(NamedTuple):
    """What a block computed of the current frame that the memory may want later."""

    key: Tensor  # (B, L, C / 2)
    value: Tensor  # (B, L, 2 C)
    id_tokens: Tensor | None  # (B, L, C), normalised ID branch; the first block has none


class ELSTTBlock(nn.Module):
    """One block. The first one starts the ID branch and has no identity input of its own."""

    def __init__(
        self,
        dim: int,
        window: int,
        is_first: bool,
        drop_path: float,
        fusion: MakeFusion | None = None,
        heads: int = 1,
        local_attention: str = "auto",
    ):
        """fusion: makes that of the memory, from the widths of a key and a value. heads: of the
        self propagation."""
        super().__init__()
        key_dim, value_dim = dim // 2, 2 * dim
        self.split = [key_dim, value_dim]
        self.norm1 = nn.LayerNorm(dim)
        self.to_key_value = nn.Linear(dim, key_dim + value_dim)
        self.to_gate = nn.Linear(dim, value_dim)
        if not is_first:
            self.id_norm1 = nn.LayerNorm(dim)
            self.to_id_gate = nn.Linear(dim, value_dim)
        self.is_first = is_first
        self.to_id_value = nn.Linear(dim if is_first else 2 * dim, value_dim)
        self.long_term = LongTermPropagation(2 * value_dim, 2 * dim)
        self.short_term = ShortTermPropagation(
            key_dim, 2 * value_dim, 2 * dim, window, local_attention
        )
        self.norm2 = nn.LayerNorm(dim)
        self.id_norm2 = nn.LayerNorm(dim)
        self.self_propagation = SelfPropagation(2 * dim, key_dim, 2 * value_dim, heads)
        self.drop_path = StochasticDepth(drop_path, mode="row")
        self.mca = fusion and fusion(key_dim, value_dim)

    def forward(
        self,
        visual: Tensor,
        identity: Tensor | None,
        size: tuple[int, int],
        long_term: Entry | None = None,
        short_term: Entry | None = None,
        id_embedding: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Seen]:
        """visual, identity (B, L, C) -> both updated, and what was seen; the first block gets no
        identity.

        Reads the given memories; a reference frame comes with its ID embedding (B, L, C) instead
        and attends to itself.
        """
        normed = self.norm1(visual)
        key, value = self.to_key_value(normed).split(self.split, dim=-1)
        value = F.silu(value)
        gate, id_tokens = F.silu(self.to_gate(normed)), None
        if self.is_first:
            gate = torch.cat([gate, torch.ones_like(gate)], dim=-1)
        else:
            id_tokens = self.id_norm1(identity)
            gate = torch.cat([gate, F.silu(self.to_id_gate(id_tokens))], dim=-1)
        seen = Seen(key, value, id_tokens)
        if id_embedding is not None:
            long_term = short_term = self.entry(seen, id_embedding)

        both = self.long_term(key, long_term.key, long_term.values, gate, size)
        both = both + self.short_term(key, short_term.key, short_term.values, gate, size)
        visual_update, id_update = both.chunk(2, dim=-1)
        visual = visual + visual_update
        identity = id_update if identity is None else identity + id_update

        both = self.self_propagation(self.norm2(visual), self.id_norm2(identity), size)
        visual_update, id_update = both.chunk(2, dim=-1)
        return visual + self.drop_path(visual_update), identity + self.drop_path(id_update), seen

    def entry(self, seen: Seen, id_embedding: Tensor) -> Entry:
        """Memory entry of a frame whose mask has the ID embedding (B, L, C)."""
        x = id_embedding
        if seen.id_tokens is not None:
            x = torch.cat([seen.id_tokens, id_embedding], dim=-1)
        return Entry(seen.key, torch.cat([seen.value, F.silu(self.to_id_value(x))], dim=-1))


class ELSTT(nn.Module):
    """The stack of blocks and the norm after it."""

    def __init__(
        self,
        dim: int,
        depth: int,
        window: int,
        drop_path: float,
        fusion: MakeFusion | None = None,
        heads: int = 1,
        local_attention: str = "auto",
    ):
        """As in ``ELSTTBlock``."""
        super().__init__()
        self.heads = heads
        self.blocks = nn.ModuleList(
            ELSTTBlock(dim, window, i == 0, drop_path, fusion, heads, local_attention)
            for i in range(depth)
        )
        # parity: one group per branch, over all tokens
        self.norm = nn.GroupNorm(2, 2 * dim)

    def forward(
        self,
        visual: Tensor,
        size: tuple[int, int],
        long_term: tuple[Entry, ...] | None = None,
        short_term: tuple[Entry, ...] | None = None,
        id_embedding: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Seen, ...]]:
        """Tokens (B, L, C) -> map (B, 2 C, H, W) for the decoder, and what each block saw.

        Reads one entry per block of each memory, or, on a reference frame, takes its ID embedding.
        """
        nothing = (None,) * len(self.blocks)
        identity, all_seen = None, []
        for block, long, short in zip(
            self.blocks, long_term or nothing, short_term or nothing, strict=True
        ):
            visual, identity, seen = block(visual, identity, size, long, short, id_embedding)
            all_seen.append(seen)
        return self.norm(to_map(torch.cat([visual, identity], dim=-1), size)), tuple(all_seen)

    def entries(self, seen: tuple[Seen, ...], id_embedding: Tensor) -> tuple[Entry, ...]:
        """Memory entries of a frame, one per block."""
        return tuple(b.entry(s, id_embedding) for b, s in zip(self.blocks, seen, strict=True))

    def fusions(self, size: tuple[int, int]) -> tuple[Fuse | None, ...]:
        """Each block's fusion on a token grid of ``size``; None where the network has none."""
        return tuple(b.mca and partial(b.mca, size=size) for b in self.blocks)
