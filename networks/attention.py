"""Attention over a whole memory and within a local window, for values wider than keys.

Shapes: B batch, L = H * W tokens of the current frame, M tokens of memory, K key width, V value
width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Most scores (not bytes) of one product. On a CPU they stay near the cache; elsewhere products are
# launches, so they are few and large, and the limit only guards memory.
SCORES_ON_CPU, SCORES_ELSEWHERE = 2**19, 2**26
ROWS_ON_CPU = 4  # query rows of a strip; 2 to 5 take the same time


def global_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention to every memory token.

    query (B, L, K), already scaled; key (B, M, K); value (B, M, V). Returns (B, L, V).
    Queries go in chunks, so that a long memory needs no (L, M) matrix of scores.
    """
    limit = SCORES_ON_CPU if query.device.type == "cpu" else SCORES_ELSEWHERE
    chunk = max(32, limit // key.shape[1])
    key = key.transpose(1, 2)
    parts = [(part @ key).softmax(dim=-1) @ value for part in query.split(chunk, dim=1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    size: tuple[int, int],
    window: int,
    rows: int | None = None,
) -> Tensor:
    """Softmax attention of each cell to the ``window`` x ``window`` cells around it.

    query (B, L, K), already scaled; key (B, L, K); value (B, L, V); bias (B, L, window * window)
    is added to the scores; size (H, W). Returns (B, L, V). Cells outside the grid get no weight.

    Works on strips of ``rows`` query rows (None: what suits the device). A strip's queries meet all
    key rows within reach in one product, of which the windows are a strided view; the weights go
    back through the same view into a zero matrix for the product with the values.
    """
    (height, width), reach = size, window // 2
    padded_width = width + 2 * reach
    rows = rows or (ROWS_ON_CPU if query.device.type == "cpu" else height)
    key, value = (_pad_grid(x, size, reach) for x in (key, value))
    bias = bias.unflatten(1, size).unflatten(3, (window, window)) + _outside(size, window, bias)

    weights, parts = None, []
    for top in range(0, height, rows):
        strip = min(rows, height - top)
        reached = slice(top * padded_width, (top + strip + 2 * reach) * padded_width)
        scores = query[:, top * width : (top + strip) * width] @ key[:, reached].transpose(1, 2)
        attended = _windows(scores, strip, width, window) + bias[:, top : top + strip]
        attended = attended.flatten(3).softmax(dim=-1).unflatten(3, (window, window))
        # Strips of one height write the same places, so the zeros between them can be reused;
        # not while gradients are recorded, which need every strip's own matrix.
        if weights is None or weights.shape != scores.shape or attended.requires_grad:
            weights = torch.zeros_like(scores)
        _windows(weights, strip, width, window).copy_(attended)
        parts.append(weights @ value[:, reached])
    return torch.cat(parts, dim=1)


def _pad_grid(tokens: Tensor, size: tuple[int, int], reach: int) -> Tensor:
    """Tokens (B, H * W, C) -> (B, (H + 2 reach) * (W + 2 reach), C) with zeros around the grid."""
    return F.pad(tokens.unflatten(1, size), (0, 0, reach, reach, reach, reach)).flatten(1, 2)


def _outside(size: tuple[int, int], window: int, like: Tensor) -> Tensor:
    """(H, W, window, window): -inf where a window reaches beyond the grid, else 0."""

    def axis(length: int) -> Tensor:
        offset = torch.arange(window, device=like.device) - window // 2
        position = torch.arange(length, device=like.device)[:, None] + offset
        blocked = (position < 0) | (position >= length)
        return torch.zeros_like(blocked, dtype=like.dtype).masked_fill_(blocked, -torch.inf)

    rows, columns = axis(size[0]), axis(size[1])
    return rows[:, None, :, None] + columns[None, :, None, :]


def _windows(scores: Tensor, strip: int, width: int, window: int) -> Tensor:
    """View (B, strip, W, window, window) of a strip's scores (B, strip * W, reached key cells).

    The key cell of query (i, x) and window offset (dy, dx) is (i + dy) * padded width + (x + dx).
    """
    batch, queries, keys = scores.shape
    padded_width = width + window - 1
    return scores.as_strided(
        (batch, strip, width, window, window),
        (queries * keys, width * keys + padded_width, keys + 1, padded_width, 1),
    )
