"""The local window in plain PyTorch, strip by strip of query rows.

A strip's queries meet all key rows within reach in one product, of which the windows are a strided
view; the weights go back through the same view into a zero matrix for the product with the values.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_ON_CPU = 4  # query rows of a strip; 2 to 5 take the same time


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    size: tuple[int, int],
    window: int,
    rows: int,
) -> tuple[Tensor, list[Tensor]]:
    """The attention, and its weights (B, rows, W, window, window) of each strip."""
    key, value = (_pad_grid(x, size, window // 2) for x in (key, value))
    bias = bias.unflatten(1, size).unflatten(3, (window, window)) + _outside(size, window, bias)
    weights, parts, kept = None, [], []
    for queries, reached, grid_rows in _strips(size, window, rows):
        scores = query[:, queries] @ key[:, reached].transpose(1, 2)
        attended = _windows(scores, size[1], window) + bias[:, grid_rows]
        attended = attended.flatten(3).softmax(dim=-1).unflatten(3, (window, window))
        kept.append(attended)
        # strips of one height write the same places, so the zeros between them can be reused
        if weights is None or weights.shape != scores.shape:
            weights = torch.zeros_like(scores)
        _windows(weights, size[1], window).copy_(attended)
        parts.append(weights @ value[:, reached])
    return torch.cat(parts, dim=1), kept


def backward(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attended: Tensor,
    size: tuple[int, int],
    window: int,
    rows: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of query, key, value and bias; ``attended``: the weights of ``attend``."""
    dtypes = query.dtype, key.dtype, value.dtype
    # autocast does not reach here: one precision for all products
    query, key = query.to(grad.dtype), key.to(grad.dtype)
    reach = window // 2
    key, value = (_pad_grid(x, size, reach) for x in (key, value.to(grad.dtype)))
    grad_key, grad_value = torch.zeros_like(key), torch.zeros_like(value)
    grad_query, grad_bias, matrix = [], [], None
    for queries, reached, grid_rows in _strips(size, window, rows):
        strip = grad[:, queries]
        grad_weights = strip @ value[:, reached].transpose(1, 2)
        if matrix is None or matrix.shape != grad_weights.shape:
            matrix = torch.zeros_like(grad_weights)
        probability = attended[:, grid_rows]
        grad_scores = _windows(grad_weights, size[1], window) * probability
        total = grad_scores.sum(dim=(3, 4), keepdim=True)
        grad_scores = grad_scores - probability * total
        _windows(matrix, size[1], window).copy_(probability)
        grad_value[:, reached].baddbmm_(matrix.transpose(1, 2), strip)
        _windows(matrix, size[1], window).copy_(grad_scores)
        grad_query.append(matrix @ key[:, reached])
        grad_key[:, reached].baddbmm_(matrix.transpose(1, 2), query[:, queries])
        grad_bias.append(grad_scores)
    grad_bias = torch.cat(grad_bias, dim=1).flatten(3).flatten(1, 2)
    grad_key, grad_value = (_crop_grid(x, size, reach) for x in (grad_key, grad_value))
    grads = (torch.cat(grad_query, dim=1), grad_key, grad_value)
    return *(g.to(dtype) for g, dtype in zip(grads, dtypes, strict=True)), grad_bias


def _strips(size: tuple[int, int], window: int, rows: int) -> Iterator[tuple[slice, slice, slice]]:
    """For each strip: its query tokens, the padded key tokens within reach, its rows."""
    (height, width), padded_width = size, size[1] + window - 1
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        reached = slice(top * padded_width, (bottom + window - 1) * padded_width)
        yield slice(top * width, bottom * width), reached, slice(top, bottom)


def _pad_grid(tokens: Tensor, size: tuple[int, int], reach: int) -> Tensor:
    """Tokens (B, H * W, C) -> (B, (H + 2 reach) * (W + 2 reach), C) with zeros around the grid."""
    return F.pad(tokens.unflatten(1, size), (0, 0, reach, reach, reach, reach)).flatten(1, 2)


def _crop_grid(padded: Tensor, size: tuple[int, int], reach: int) -> Tensor:
    """The inverse of ``_pad_grid``."""
    grid = padded.unflatten(1, (size[0] + 2 * reach, size[1] + 2 * reach))
    return grid[:, reach : reach + size[0], reach : reach + size[1]].flatten(1, 2)


def _outside(size: tuple[int, int], window: int, like: Tensor) -> Tensor:
    """(H, W, window, window): -inf where a window reaches beyond the grid, else 0."""

    def axis(length: int) -> Tensor:
        offset = torch.arange(window, device=like.device) - window // 2
        position = torch.arange(length, device=like.device)[:, None] + offset
        blocked = (position < 0) | (position >= length)
        return torch.zeros_like(blocked, dtype=like.dtype).masked_fill_(blocked, -torch.inf)

    rows, columns = axis(size[0]), axis(size[1])
    return rows[:, None, :, None] + columns[None, :, None, :]


def _windows(scores: Tensor, width: int, window: int) -> Tensor:
    """View (B, rows, W, window, window) of a strip's scores (B, rows * W, reached key cells).

    The key cell of query (i, x) and window offset (dy, dx) is (i + dy) * padded width + (x + dx).
    """
    batch, queries, keys = scores.shape
    padded_width = width + window - 1
    return scores.as_strided(
        (batch, queries // width, width, window, window),
        (queries * keys, width * keys + padded_width, keys + 1, padded_width, 1),
    )
