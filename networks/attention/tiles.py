"""The local window in plain PyTorch: the grid is cut into tiles of queries.

All queries of a tile meet all keys within reach of the tile in one product, of which the windows
are a strided view; the weights go back through the same view into a zero matrix for the product
with the values. Keys and values are laid out by columns of tiles, with a border of zeros: the reach
of each tile is then one stretch of memory, and a column of tiles one batched product.

Shapes: B batch, (H, W) grid, w window, (h, v) tile, ny x nx tiles, n keys within reach of a tile.
"""

from collections.abc import Iterator
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

# A tile of h x v queries meets (h + w - 1)(v + w - 1) keys where w * w would do; smaller tiles
# waste less and copy more. 7 to 9 a side take the same time, strips of four whole rows 1.6 times.
SIDE_ON_CPU = 8


def tile_for(size: tuple[int, int], device: torch.device) -> tuple[int, int]:
    """Height and width of a tile. Off the CPU it is the grid: few launches, large products."""
    if device.type != "cpu":
        return size
    return tuple(-(-side // -(-side // SIDE_ON_CPU)) for side in size)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    size: tuple[int, int],
    window: int,
    tile: tuple[int, int] | None = None,
    keep: list[Tensor] | None = None,
) -> Tensor:
    """``networks.attention.local_attention``; the weights of each column of tiles,
    (B * ny, h, v, w, w), are appended to ``keep``."""
    tiles = _Tiles(size, window, tile or tile_for(size, query.device))
    query, bias = tiles.of(query), tiles.of(bias + _outside(size, window, bias))
    key, value = tiles.columns(key), tiles.columns(value)
    out = value.new_empty(value.shape[1], *size, value.shape[-1])
    matrix = None
    for column in range(tiles.nx):
        scores = query[column] @ tiles.reached(key[column]).transpose(1, 2)
        weights = tiles.windows(scores)
        weights = (weights + bias[column].view(weights.shape)).flatten(3).softmax(dim=-1)
        weights = weights.unflatten(3, (window, window))
        if keep is not None:
            keep.append(weights)
        # all columns write the same places, so the zeros between them can be reused
        matrix = torch.zeros_like(scores) if matrix is None else matrix
        tiles.windows(matrix).copy_(weights)
        tiles.put(out, column, matrix @ tiles.reached(value[column]))
    return out.flatten(1, 2)


def backward(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    kept: list[Tensor],
    size: tuple[int, int],
    window: int,
    tile: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of query, key, value and bias; ``kept``: what ``attend`` kept."""
    dtypes = query.dtype, key.dtype, value.dtype
    # autocast does not reach here: one precision for all products
    query, key, value = (x.to(grad.dtype) for x in (query, key, value))
    tiles = _Tiles(size, window, tile)
    grad_query, grad_bias = torch.empty_like(query), None
    grad, query = tiles.of(grad), tiles.of(query)
    key, value = tiles.columns(key), tiles.columns(value)
    grad_key, grad_value = torch.zeros_like(key), torch.zeros_like(value)
    matrix = None
    for column, weights in enumerate(kept):
        grad_weights = grad[column] @ tiles.reached(value[column]).transpose(1, 2)
        matrix = torch.zeros_like(grad_weights) if matrix is None else matrix
        grad_scores = tiles.windows(grad_weights) * weights
        grad_scores = grad_scores - weights * grad_scores.sum(dim=(3, 4), keepdim=True)
        tiles.windows(matrix).copy_(weights)
        tiles.add_reached(grad_value[column], matrix.transpose(1, 2) @ grad[column])
        tiles.windows(matrix).copy_(grad_scores)
        tiles.add_reached(grad_key[column], matrix.transpose(1, 2) @ query[column])
        if grad_bias is None:
            grad_bias = grad_scores.new_empty(grad_query.shape[0], *size, window * window)
        tiles.put(grad_query.unflatten(1, size), column, matrix @ tiles.reached(key[column]))
        tiles.put(grad_bias, column, grad_scores.flatten(3))
    grads = (grad_query, tiles.uncolumn(grad_key), tiles.uncolumn(grad_value))
    grads = [g.to(dtype) for g, dtype in zip(grads, dtypes, strict=True)]
    return *grads, grad_bias.flatten(1, 2)


class _Tiles:
    """How a grid is cut into tiles; those at the right and lower border reach beyond it."""

    def __init__(self, size: tuple[int, int], window: int, tile: tuple[int, int]):
        self.size, self.window, self.tile = size, window, tile
        self.ny, self.nx = (-(-side // part) for side, part in zip(size, tile, strict=True))
        self.reach = window // 2
        # of a column of tiles with its border
        self.rows, self.width = self.ny * tile[0] + window - 1, tile[1] + window - 1

    def of(self, x: Tensor) -> Tensor:
        """Tokens (B, H * W, C) -> (nx, B * ny, h * v, C), zero beyond the grid."""
        (height, width), (h, v) = self.size, self.tile
        x = F.pad(
            x.unflatten(1, self.size), (0, 0, 0, self.nx * v - width, 0, self.ny * h - height)
        )
        x = x.unflatten(2, (self.nx, v)).unflatten(1, (self.ny, h))
        return x.permute(3, 0, 1, 2, 4, 5).reshape(self.nx, -1, h * v, x.shape[-1])

    def columns(self, x: Tensor) -> Tensor:
        """Tokens (B, H * W, C) -> (nx, B, rows, width, C), zero beyond the grid."""
        grid = x.unflatten(1, self.size)
        out = x.new_zeros(self.nx, len(x), self.rows, self.width, x.shape[-1])
        for column, place, cells in self._spans():
            out[column][:, self.reach : self.reach + self.size[0], place] = grid[:, :, cells]
        return out

    def uncolumn(self, columns: Tensor) -> Tensor:
        """The transpose of ``columns``: cells that several columns hold are summed."""
        out = columns.new_zeros(columns.shape[1], *self.size, columns.shape[-1])
        for column, place, cells in self._spans():
            out[:, :, cells] += columns[column][:, self.reach : self.reach + self.size[0], place]
        return out.flatten(1, 2)

    def reached(self, column: Tensor) -> Tensor:
        """Column (B, rows, width, C) -> view (B * ny, n, C) of what each of its tiles reaches."""
        batch, channels = column.shape[0], column.shape[-1]
        keys, step = (self.tile[0] + self.window - 1) * self.width, self.tile[0] * self.width
        if batch == 1:
            shape, strides = (self.ny, keys, channels), (step * channels, channels, 1)
            return column.as_strided(shape, strides, column.storage_offset())
        shape = (batch, self.ny, keys, channels)
        strides = (column.stride(0), step * channels, channels, 1)
        return column.as_strided(shape, strides, column.storage_offset()).flatten(0, 1)

    def add_reached(self, column: Tensor, x: Tensor) -> None:
        """Add ``x`` (B * ny, n, C) to what the tiles of ``column`` (B, rows, width, C) reach."""
        x = x.unflatten(0, (-1, self.ny)).unflatten(2, (-1, self.width))
        for row in range(self.ny):
            top = row * self.tile[0]
            column[:, top : top + x.shape[2]] += x[:, row]

    def windows(self, scores: Tensor) -> Tensor:
        """View (B * ny, h, v, w, w) of scores (B * ny, h * v, n).

        The key of query (i, j) at window offset (y, x) is number (i + y) * width + (j + x).
        """
        batch, queries, keys = scores.shape
        h, v = self.tile
        return scores.as_strided(
            (batch, h, v, self.window, self.window),
            (queries * keys, v * keys + self.width, keys + 1, self.width, 1),
        )

    def put(self, out: Tensor, column: int, x: Tensor) -> None:
        """Write a column's ``x`` (B * ny, h * v, C) into ``out`` (B, H, W, C)."""
        h, v = self.tile
        left = column * v
        right = min(left + v, self.size[1])
        x = x.view(out.shape[0], self.ny * h, v, x.shape[-1])
        out[:, :, left:right] = x[:, : self.size[0], : right - left]

    def _spans(self) -> Iterator[tuple[int, slice, slice]]:
        """For each column: its number, the place of the grid's cells in it, those cells."""
        for column in range(self.nx):
            left = column * self.tile[1] - self.reach
            first, last = max(left, 0), min(left + self.width, self.size[1])
            yield column, slice(first - left, last - left), slice(first, last)


def _outside(size: tuple[int, int], window: int, like: Tensor) -> Tensor:
    """(H * W, w * w): -inf where a window reaches beyond the grid, else 0."""
    # kept on a CPU only: a CUDA graph must not hold what a cache may drop
    make = _outside_on_cpu if like.device.type == "cpu" else _outside_on_cpu.__wrapped__
    return make(size, window, like.dtype, like.device)


@lru_cache(maxsize=32)
def _outside_on_cpu(
    size: tuple[int, int], window: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """(H * W, w * w): -inf where a window reaches beyond the grid, else 0."""

    def axis(length: int) -> Tensor:
        offset = torch.arange(window, device=device) - window // 2
        position = torch.arange(length, device=device)[:, None] + offset
        blocked = (position < 0) | (position >= length)
        return torch.zeros_like(blocked, dtype=dtype).masked_fill_(blocked, -torch.inf)

    rows, columns = axis(size[0]), axis(size[1])
    outside = rows[:, None, :, None] + columns[None, :, None, :]
    return outside.flatten(2).flatten(0, 1)
