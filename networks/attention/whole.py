"""Softmax attention to every token of a memory or of a frame."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mavos.networks.onednn import Packed, matmul

# Most scores (not bytes) of one product. On a CPU they stay near the cache; elsewhere products are
# launches, so they are few and large, and the limit only guards memory.
SCORES_ON_CPU, SCORES_ELSEWHERE = 3 * 2**19, 2**26


def global_attention(query: Tensor, key: Tensor, value: Tensor | Packed) -> Tensor:
    """Softmax attention to every memory token.

    query (B, L, K), already scaled; key (B, M, K); value (B, M, V), or (M, V) packed, for a B of 1.
    Returns (B, L, V). Queries go in chunks, so that a long memory needs no (L, M) matrix of scores.
    """
    if len(query) == 1:  # a batched product would copy the transposed key
        value = value if isinstance(value, Packed) else value[0]
        return _attend(query[0], key[0], value)[None]
    return _attend(query, key, value)


def _attend(query: Tensor, key: Tensor, value: Tensor | Packed) -> Tensor:
    """With or without a batch."""
    limit = SCORES_ON_CPU if query.device.type == "cpu" else SCORES_ELSEWHERE
    scores = query.shape[:-1].numel() * key.shape[-2]
    parts = query.chunk(-(-scores // limit), dim=-2)
    product = matmul if query.ndim == 2 else torch.matmul
    parts = [product(product(part, key.mT).softmax(dim=-1), value) for part in parts]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2)


def multi_head_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention of (B, heads, L, c) each, scaled by the root of c."""
    if query.device.type != "cpu" or query.dtype == torch.float32:
        return F.scaled_dot_product_attention(query, key, value)
    # in bfloat16 PyTorch's own takes twice the time of plain products on a CPU, batched ones 1.3
    # times
    parts = (x.flatten(0, 1) for x in (query * query.shape[-1] ** -0.5, key, value))
    heads = zip(*(x.contiguous() for x in parts), strict=True)
    return torch.stack([_attend(*head) for head in heads]).unflatten(0, query.shape[:2])
