"""The E-LSTT for inference: the same function, its norms folded into products, products merged.

Shapes as in ``elstt.py`` and ``mca.py``: B batch, L = H * W tokens, C width of each branch,
K = C / 2 width of a key, V = 2 C width of a value. Both branches travel in one ``state``
(2, B, L, C) of float32, the visual one first; products are made in the precision of the weights.
"""

import copy
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mavos.networks.attention import global_attention, local_attention
from mavos.networks.layers import linear_of, to_map
from mavos.networks.lstt.memory import Entry, Fuse, Policy, keep_all
from mavos.networks.lstt.model import LongShortTermSegmenter
from mavos.networks.mavos.elstt import ELSTT, ELSTTBlock
from mavos.networks.mavos.mca import EntryFusion, ModulatedAttention, ModulatedCrossAttention
from mavos.networks.mavos.propagation import GatedPropagation
from mavos.networks.onednn import Packed, Packer


class FusedSeen(NamedTuple):
    """What a block computed of the current frame that the memory may want later."""

    key: Tensor  # (B, L, K)
    value: Tensor  # (B, L, V)
    id_part: Tensor | None  # (B, L, V), what the ID branch adds to the ID value; not in block one


class PackedEntry(NamedTuple):
    """An ``Entry`` for reading only, of a batch of one: its values lie as oneDNN reads them."""

    key: Tensor  # (1, n L, K)
    values: Packed  # (n L, 2 V)


class FusedELSTT(nn.Module):
    """``elstt.ELSTT`` for inference."""

    def __init__(self, elstt: ELSTT):
        super().__init__()
        self.blocks = nn.ModuleList(FusedBlock(block) for block in elstt.blocks)
        # the share of the ID embedding in the ID values of all blocks, in one product
        dim = elstt.blocks[0].norm1.normalized_shape[0]
        to_id_values = [block.to_id_value for block in elstt.blocks]
        weight = torch.cat([layer.weight[:, -dim:] for layer in to_id_values])
        self.embed = linear_of(weight, torch.cat([layer.bias for layer in to_id_values]))
        self.norm = elstt.norm
        self.pack = Packer()

    def forward(
        self,
        visual: Tensor,
        size: tuple[int, int],
        long_term: tuple[Entry | PackedEntry, ...] | None = None,
        short_term: tuple[Entry, ...] | None = None,
        id_embedding: Tensor | None = None,
    ) -> tuple[Tensor, tuple[FusedSeen, ...]]:
        """As ``ELSTT.forward``."""
        state = torch.stack([visual, torch.zeros_like(visual)]).float()
        nothing, seen = (None,) * len(self.blocks), []
        parts = nothing if id_embedding is None else self._embedded(id_embedding)
        for block, long, short, part in zip(
            self.blocks, long_term or nothing, short_term or nothing, parts, strict=True
        ):
            seen.append(block(state, size, long, short, part))
        both = self.norm(to_map(torch.cat([*state], dim=-1), size))
        return both.to(visual.dtype), tuple(seen)

    def entries(self, seen: tuple[FusedSeen, ...], id_embedding: Tensor) -> tuple[Entry, ...]:
        """Memory entries of a frame, one per block."""
        parts = self._embedded(id_embedding)
        return tuple(entry(s, part) for s, part in zip(seen, parts, strict=True))

    def fusions(self, size: tuple[int, int]) -> tuple[Fuse | None, ...]:
        """Each block's MCA on a token grid of ``size``; None where the network has none."""
        return tuple(b.mca and partial(b.mca, size=size) for b in self.blocks)

    def _embedded(self, id_embedding: Tensor) -> tuple[Tensor, ...]:
        """(B, L, C) -> (B, L, V) for each block."""
        return self.embed(id_embedding).chunk(len(self.blocks), dim=-1)


def fuse_blocks(model: LongShortTermSegmenter) -> None:
    """Give it the inference form of the E-LSTT, which has one head; more heads stay as they are."""
    if model.elstt.heads > 1:
        return
    model.elstt = FusedELSTT(model.elstt)
    # what is kept in another precision is read anew for every frame, and a memory that grows would
    # be packed as a whole again and again
    if model.memory_dtype is None and model.policy is not keep_all:
        model.policy = packing(model.policy, model.elstt.pack)
        model.reference_policy = packing(model.reference_policy, model.elstt.pack)


def packing(policy: Policy, pack: Packer) -> Policy:
    """``policy`` on a long-term memory whose values are packed from one update to the next."""

    def update(old: Entry | PackedEntry, new: Entry, fuse: Fuse | None) -> Entry | PackedEntry:
        plain = unpacked(old)
        kept = policy(plain, new, fuse)
        if kept is plain:
            return old
        packs = pack.on and len(kept.key) == 1
        return PackedEntry(kept.key, pack(kept.values[0])) if packs else kept

    return update


def unpacked(entry: Entry | PackedEntry) -> Entry:
    """The same with tensors that can be cut and joined."""
    if isinstance(entry, PackedEntry):
        return Entry(entry.key, entry.values.plain()[None])
    return entry


class FusedBlock(nn.Module):
    """``elstt.ELSTTBlock`` for inference."""

    def __init__(self, block: ELSTTBlock):
        super().__init__()
        key_dim, value_dim = block.split
        dim = key_dim * 2
        self.is_first, self.scale = block.is_first, key_dim**-0.5
        self.split = [key_dim, value_dim, value_dim]
        self.read = _merge([block.to_key_value, block.to_gate], block.norm1)
        if not block.is_first:
            id_part = linear_of(block.to_id_value.weight[:, :dim], None)
            self.read_id = _merge([block.to_id_gate, id_part], block.id_norm1)
        self.window, self.backend = block.short_term.window, block.short_term.backend
        self.long_mix, self.short_mix = _Mix(block.long_term), _Mix(block.short_term)
        relative = block.short_term.relative_emb_k
        self.bias = linear_of(relative.weight.flatten(1), relative.bias)

        own = block.self_propagation
        self.own_mix = _Mix(own)
        to_key, bias = own.linear_QK.weight, own.linear_QK.bias
        visual_key, id_key = linear_of(to_key[:, :dim], bias), linear_of(to_key[:, dim:], None)
        self.own = _merge([visual_key, own.linear_V1, own.linear_U1], block.norm2)
        self.own_id = _merge([id_key, own.linear_V2, own.linear_U2], block.id_norm2)
        self.mca = block.mca and FusedFusion(block.mca)

    def forward(
        self,
        state: Tensor,
        size: tuple[int, int],
        long_term: Entry | PackedEntry | None,
        short_term: Entry | None,
        id_part: Tensor | None,
    ) -> FusedSeen:
        """Updates ``state`` in place. A reference frame has no memories, but the part (B, L, V) of
        its ID embedding in its ID value."""
        visual, identity = _normalize(state, self.read.weight.dtype)
        key, value, gate = self.read(visual).split(self.split, dim=-1)
        # copies, or the memory would hold the whole product
        key, gates = key.contiguous(), [F.silu(gate)]
        seen = FusedSeen(key, F.silu(value), None)
        if not self.is_first:
            gate, own_part = self.read_id(identity).chunk(2, dim=-1)
            gates.append(F.silu(gate))
            seen = seen._replace(id_part=own_part)
        if id_part is not None:
            long_term = short_term = entry(seen, id_part)

        query = key * self.scale
        attended = global_attention(query, long_term.key, long_term.values)
        _finish(state, self.long_mix, attended, gates, size)
        read = short_term.key, short_term.values, self.bias(key)
        attended = local_attention(query, *read, size, self.window, self.backend)
        _finish(state, self.short_mix, attended, gates, size)

        visual, identity = _normalize(state, self.read.weight.dtype)
        key, value, gate = self.own(visual).split(self.split, dim=-1)
        id_key, id_value, id_gate = self.own_id(identity).split(self.split, dim=-1)
        key = key + id_key
        value = F.silu(torch.cat([value, id_value], dim=-1), inplace=True)
        attended = global_attention(key * self.scale, key, value)
        gates = [F.silu(gate), F.silu(id_gate)]
        _finish(state, self.own_mix, attended, gates, size)
        return seen


class _Mix(nn.Module):
    """What is left of a gated propagation: neighbours are mixed, then projected."""

    def __init__(self, propagation: GatedPropagation):
        super().__init__()
        self.dw_conv, self.projection = propagation.dw_conv, propagation.projection

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, L, 2 V) -> (B, L, 2 C)."""
        return self.projection(self.dw_conv(x, size))


def _finish(
    state: Tensor, mix: _Mix, attended: Tensor, gates: list[Tensor], size: tuple[int, int]
) -> None:
    """Gate what was attended to, mix, and add to the state; overwrites ``attended`` and ``state``.

    state (2, B, L, C); attended (B, L, 2 V); gates (B, L, V) of both branches, or of the visual one
    alone: a missing gate is open.
    """
    for part, gate in zip(attended.chunk(2, dim=-1), gates, strict=False):
        part *= gate
    for branch, update in zip(state, mix(attended, size).chunk(2, dim=-1), strict=True):
        branch += update


def entry(seen: FusedSeen, id_part: Tensor) -> Entry:
    """Memory entry of a frame whose ID embedding has the part (B, L, V) in the ID value."""
    id_value = id_part if seen.id_part is None else id_part + seen.id_part
    return Entry(seen.key, torch.cat([seen.value, F.silu(id_value)], dim=-1))


class FusedFusion(nn.Module):
    """``mca.EntryFusion`` for inference."""

    def __init__(self, fusion: EntryFusion):
        super().__init__()
        self.key = _fused(fusion.key)
        self.value = _fused(fusion.value)
        self.id_value = _fused(fusion.id_value)

    forward = EntryFusion.forward


class FusedCrossAttention(nn.Module):
    """``mca.ModulatedCrossAttention`` for inference."""

    def __init__(self, mca: ModulatedCrossAttention):
        super().__init__()
        self.attn = copy.copy(mca.attn)  # less the layers that are merged below
        self.attn._modules = {
            name: layer
            for name, layer in mca.attn._modules.items()
            if name not in ("q", "k", "f_context")
        }
        self.query = _merge([mca.attn.q], mca.norm_l)
        self.context = _merge([mca.attn.k, mca.attn.f_context], mca.norm_c)
        self.mlp = nn.Sequential(_merge([mca.mlp.fc1], mca.norm2), mca.mlp.act, mca.mlp.fc2)

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """As ``ModulatedCrossAttention.forward``."""
        dtype, dim = self.query.weight.dtype, latents.shape[-1]
        query = self.query(_normalize(latents, dtype))
        key, focal = self.context(_normalize(context, dtype)).tensor_split([dim], dim=-1)
        fused = latents + self.attn.attend(query, key, focal, size)
        return fused + self.mlp(_normalize(fused, dtype))


def _fused(mca: ModulatedCrossAttention) -> nn.Module:
    """Operators other than MCA's stay as they are."""
    return FusedCrossAttention(mca) if isinstance(mca.attn, ModulatedAttention) else mca


def _normalize(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Layer norm without affine, over the last axis."""
    return F.layer_norm(x, x.shape[-1:]).to(dtype)


def _merge(layers: Sequence[nn.Linear], norm: nn.LayerNorm) -> nn.Linear:
    """One layer with the outputs of ``layers`` side by side, for tokens that were normalised
    without the affine of ``norm``, which becomes part of it."""
    weight = torch.cat([layer.weight for layer in layers])
    bias = torch.cat(
        [
            layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
            for layer in layers
        ]
    )
    return linear_of(weight * norm.weight, bias + weight @ norm.bias)
