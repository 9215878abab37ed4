"""The network run as plainly as it can be read: what the fast form is checked and timed against.

Training-form modules with contiguous weights, batch norms not folded, all identity channels kept to
the end and in the ID bank, and every attention as dense products. ``compare.py`` runs it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mavos.networks.lstt.memory import Memory
from mavos.networks.lstt.model import LongShortTermSegmenter
from mavos.networks.mavos import mca, propagation
from mavos.networks.segmenter import Segmented

UNUSED = -1e10  # logit of an identity that no object has


@dataclass(frozen=True)
class ReferenceMemory:
    """A memory of all identities, and how many of them are objects."""

    memory: Memory
    num_objects: int


class Reference(nn.Module):
    """The four verbs; ``segment`` gives logits (B, 1 + max_objects, H, W), unused ones at -1e10."""

    def __init__(self, model: LongShortTermSegmenter):
        """model: as ``build_model`` makes it; its weights are made contiguous."""
        super().__init__()
        self.model = model.eval().requires_grad_(False).to(memory_format=torch.contiguous_format)
        self.max_objects, self.size_rule = model.max_objects, model.size_rule

    def encode(self, image: Tensor) -> list[Tensor]:
        # not the model's own verb: that one brings the image to channels_last
        *skips, deepest = self.model.encoder(image.contiguous())
        return [*skips, self.model.projector(deepest)]

    def start(self, feats: list[Tensor], mask: Tensor) -> ReferenceMemory:
        with dense_attention():
            return ReferenceMemory(self.model.start(feats, self._all(mask)), mask.shape[1] - 1)

    def segment(
        self, feats: list[Tensor], memory: ReferenceMemory, size: tuple[int, int]
    ) -> Segmented:
        with dense_attention():
            out = self.model.segment(feats, memory.memory, size)
        out.logits[:, memory.num_objects + 1 :] = UNUSED
        return out

    def memorize(
        self, out: Segmented, mask: Tensor, memory: ReferenceMemory, new_objects: bool = False
    ) -> ReferenceMemory:
        with dense_attention():
            after = self.model.memorize(out, self._all(mask), memory.memory, new_objects)
        return ReferenceMemory(after, mask.shape[1] - 1)

    def _all(self, mask: Tensor) -> Tensor:
        """Mask (B, 1 + N, H, W) with a channel for each identity there is, as float32."""
        missing = self.max_objects + 1 - mask.shape[1]
        return pad(mask.float(), (0, 0, 0, 0, 0, missing))


@contextmanager
def dense_attention() -> Iterator[None]:
    """Within it the E-LSTT and MCA attend by one dense product each."""
    dense = (
        (propagation, "global_attention", dense_global_attention),
        (propagation, "local_attention", dense_local_attention),
        (mca, "multi_head_attention", dense_multi_head_attention),
    )
    kept = [getattr(module, name) for module, name, _ in dense]
    for module, name, function in dense:
        setattr(module, name, function)
    try:
        yield
    finally:
        for (module, name, _), function in zip(dense, kept, strict=True):
            setattr(module, name, function)


def dense_global_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """query (B, L, K), already scaled; key (B, M, K); value (B, M, V). Returns (B, L, V)."""
    return (query @ key.transpose(1, 2)).softmax(dim=-1) @ value


def dense_multi_head_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(B, heads, L, c) each; scaled here."""
    return (query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)).softmax(dim=-1) @ value


def dense_local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    size: tuple[int, int],
    window: int,
    *_: object,
) -> Tensor:
    """The scores of the windows -> softmax -> scattered into (L, L) -> a product with the values.

    query, key (B, L, K); value (B, L, V); bias (B, L, window * window). Returns (B, L, V). The rest
    of the fast form's arguments choose among ways to be fast.
    """
    cells, inside = window_cells(size, window, query.device)
    cells = cells.expand(len(query), -1, -1)
    scores = (query @ key.transpose(1, 2)).gather(2, cells) + bias
    attended = scores.masked_fill(~inside, -torch.inf).softmax(dim=-1)
    length = query.shape[1]
    weights = torch.zeros(len(query), length, length, device=query.device, dtype=attended.dtype)
    # cells outside the grid stand for others, but with weight zero
    return weights.scatter_add_(2, cells, attended).to(value.dtype) @ value


def window_cells(size: tuple[int, int], window: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For each cell of the grid the cells of its window (L, window * window), as token numbers,
    and whether they lie inside the grid; those outside are moved to its edge."""

    def axis(length: int) -> tuple[Tensor, Tensor]:
        offsets = torch.arange(window, device=device) - window // 2
        position = torch.arange(length, device=device)[:, None] + offsets
        return position.clamp(0, length - 1), (position >= 0) & (position < length)

    (rows, rows_inside), (columns, columns_inside) = axis(size[0]), axis(size[1])
    cells = rows[:, None, :, None] * size[1] + columns[None, :, None, :]
    inside = rows_inside[:, None, :, None] & columns_inside[None, :, None, :]
    tokens = size[0] * size[1]
    return cells.reshape(tokens, window**2), inside.reshape(tokens, window**2)
