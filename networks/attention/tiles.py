"""The local window in plain PyTorch: the grid is cut into tiles of queries.

All queries of a tile meet all keys within reach of the tile in one product, of which the windows
are a strided view; the weights go back through the same view into a zero matrix for the product
with the values. Keys and values are laid out by columns of tiles, with a border of zeros: what a
tile reaches is then one stretch of memory.

Shapes: B batch, (H, W) grid, w window, (h, v) tile, q = h * v its queries, ny x nx tiles, n keys
within reach of a tile.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mavos.networks.onednn import matmul

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
    """``mavos.networks.attention.local_attention`` without gradients; the weights of each column of
    tiles, (B, ny, h, v, w, w), are appended to ``keep``."""
    tiles = Tiles(size, window, tile or tile_for(size, query.device))
    query, bias = tiles.of(query), tiles.of(bias + outside(size, window, bias))
    key = tiles.columns(key, "key")

    def weights() -> Iterator[Tensor]:
        for column in range(tiles.nx):
            scores = tiles.windows(product(query[column], tiles.reached(key[column]).mT))
            scores = scores + bias[column].view(scores.shape)
            attended = scores.flatten(-2).softmax(dim=-1).view(scores.shape)
            if keep is not None:
                keep.append(attended)
            yield attended

    return weigh(weights(), value, tiles)


def weigh(weights: Iterable[Tensor], value: Tensor, tiles: "Tiles") -> Tensor:
    """Sums of values (B, H * W, V) by the weights (B, ny, h, v, w, w) of each column of tiles."""
    value = tiles.columns(value, "value")
    out = value.new_empty(value.shape[1], *tiles.size, value.shape[-1])
    # all columns write the same places, so the zeros between them can be reused
    matrix = tiles.matrix(value)
    for column, attended in enumerate(weights):
        tiles.windows(matrix).copy_(attended)
        tiles.put(out, column, product(matrix, tiles.reached(value[column])))
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
    tiles = Tiles(size, window, tile)
    grad_query = torch.empty_like(query)
    grad_bias = kept[0].new_empty(len(grad), *size, window * window)
    grad, query = tiles.of(grad), tiles.of(query)
    key, value = tiles.columns(key, "key"), tiles.columns(value, "value")
    grad_key, grad_value = torch.zeros_like(key), torch.zeros_like(value)
    matrix = tiles.matrix(value)
    for column, weights in enumerate(kept):
        grad_weights = product(grad[column], tiles.reached(value[column]).mT)
        grad_scores = tiles.windows(grad_weights) * weights
        grad_scores = grad_scores - weights * grad_scores.sum(dim=(-2, -1), keepdim=True)
        tiles.windows(matrix).copy_(weights)
        tiles.add_reached(grad_value[column], product(matrix.mT, grad[column]))
        tiles.windows(matrix).copy_(grad_scores)
        tiles.add_reached(grad_key[column], product(matrix.mT, query[column]))
        reached = tiles.reached(key[column])
        tiles.put(grad_query.unflatten(1, size), column, product(matrix, reached))
        tiles.put(grad_bias, column, grad_scores)
    grads = grad_query, tiles.uncolumn(grad_key), tiles.uncolumn(grad_value)
    return *grads, grad_bias.flatten(1, 2)


def product(a: Tensor, b: Tensor) -> Tensor:
    """(B, ny, i, j) @ (B, ny, j, k)."""
    if a.device.type != "cpu":
        return a @ b
    # one by one: what tiles reach overlaps, and a batched product would copy it apart
    out = a.new_empty(*a.shape[:-1], b.shape[-1])
    for index in range(len(a)):
        for tile in range(a.shape[1]):
            out[index, tile] = matmul(a[index, tile], b[index, tile])
    return out


class Tiles:
    """How a grid is cut into tiles; those at the right and lower border reach beyond it."""

    def __init__(self, size: tuple[int, int], window: int, tile: tuple[int, int]):
        self.size, self.window, self.tile = size, window, tile
        self.ny, self.nx = (-(-side // part) for side, part in zip(size, tile, strict=True))
        self.reach = window // 2
        # of a column of tiles with its border
        self.rows, self.width = self.ny * tile[0] + window - 1, tile[1] + window - 1
        self.keys = (tile[0] + window - 1) * self.width  # n

    def of(self, x: Tensor) -> Tensor:
        """Tokens (B, H * W, C) -> (nx, B, ny, q, C), zero beyond the grid."""
        (height, width), (h, v) = self.size, self.tile
        x = F.pad(
            x.unflatten(1, self.size), (0, 0, 0, self.nx * v - width, 0, self.ny * h - height)
        )
        x = x.unflatten(2, (self.nx, v)).unflatten(1, (self.ny, h))
        return x.permute(3, 0, 1, 2, 4, 5).flatten(3, 4).contiguous()

    def columns(self, x: Tensor, role: str) -> Tensor:
        """Tokens (B, H * W, C) -> (nx, B, rows, width, C), zero beyond the grid.

        On a CPU the result is good until the next call for that ``role``.
        """
        shape = self.nx, len(x), self.rows, self.width, x.shape[-1]
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            out = _scratch.zeros((role, self.size, self.tile, self.window, shape, x.dtype))
        else:
            out = x.new_zeros(shape)
        grid = x.unflatten(1, self.size)
        for column, place, cells in self._spans():
            out[column][:, self.reach : self.reach + self.size[0], place] = grid[:, :, cells]
        return out

    def uncolumn(self, columns: Tensor) -> Tensor:
        """The transpose of ``columns``: cells that several columns hold are summed."""
        out = columns.new_zeros(columns.shape[1], *self.size, columns.shape[-1])
        inside = columns[:, :, self.reach : self.reach + self.size[0]]
        for column, place, cells in self._spans():
            out[:, :, cells] += inside[column][:, :, place]
        return out.flatten(1, 2)

    def reached(self, column: Tensor) -> Tensor:
        """Column (B, rows, width, C) -> view (B, ny, n, C) of what each of its tiles reaches."""
        step = self.tile[0] * self.width
        return column.flatten(1, 2).unfold(1, self.keys, step).transpose(2, 3)

    def add_reached(self, column: Tensor, x: Tensor) -> None:
        """Add ``x`` (B, ny, n, C) to what the tiles of ``column`` (B, rows, width, C) reach."""
        x = x.unflatten(2, (-1, self.width))
        for row in range(self.ny):
            top = row * self.tile[0]
            column[:, top : top + x.shape[2]] += x[:, row]

    def matrix(self, like: Tensor) -> Tensor:
        """Zeros (B, ny, q, n), one number for each query of a column of tiles and each key."""
        queries = self.tile[0] * self.tile[1]
        return like.new_zeros(like.shape[1], self.ny, queries, self.keys)

    def windows(self, matrix: Tensor) -> Tensor:
        """View (B, ny, h, v, w, w) of a matrix (B, ny, q, n).

        The key of query (i, j) at window offset (y, x) is number (i + y) * width + (j + x).
        """
        h, v = self.tile
        shape = (*matrix.shape[:2], h, v, self.window, self.window)
        within = (v * self.keys + self.width, self.keys + 1, self.width, 1)
        return matrix.as_strided(shape, matrix.stride()[:2] + within)

    def put(self, out: Tensor, column: int, x: Tensor) -> None:
        """Write what a column of tiles has for its queries, ``x`` (B, ny, …), into ``out``
        (B, H, W, C)."""
        left = column * self.tile[1]
        right = min(left + self.tile[1], self.size[1])
        x = x.reshape(len(out), self.ny * self.tile[0], self.tile[1], out.shape[-1])
        out[:, :, left:right] = x[:, : self.size[0], : right - left]

    def _spans(self) -> Iterator[tuple[int, slice, slice]]:
        """For each column: its number, the place of the grid's cells in it, those cells."""
        for column in range(self.nx):
            left = column * self.tile[1] - self.reach
            first, last = max(left, 0), min(left + self.width, self.size[1])
            yield column, slice(first - left, last - left), slice(first, last)


class _Scratch(threading.local):
    """Zeros that are kept for the next frame, in which all write the same places."""

    MOST = 8

    def __init__(self):
        self._kept = OrderedDict()

    def zeros(self, key: tuple) -> Tensor:
        """key: all that decides which places are written; ends with shape and dtype."""
        if key not in self._kept:
            with torch.inference_mode(False):  # training may come after inference
                self._kept[key] = torch.zeros(key[-2], dtype=key[-1])
        self._kept.move_to_end(key)
        while len(self._kept) > self.MOST:
            self._kept.popitem(last=False)
        return self._kept[key]


_scratch = _Scratch()


def outside(size: tuple[int, int], window: int, like: Tensor) -> Tensor:
    """(H * W, w * w): -inf where a window reaches beyond the grid, else 0."""
    if like.device.type == "cpu" and not torch.compiler.is_compiling():
        return _kept_outside(size, window, like.dtype)
    # not kept: a CUDA graph would still read what the cache has dropped
    return _make_outside(size, window, like.dtype, like.device)


@lru_cache(maxsize=32)
def _kept_outside(size: tuple[int, int], window: int, dtype: torch.dtype) -> Tensor:
    return _make_outside(size, window, dtype, torch.device("cpu"))


def _make_outside(
    size: tuple[int, int], window: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    def axis(length: int) -> Tensor:
        offset = torch.arange(window, device=device) - window // 2
        position = torch.arange(length, device=device)[:, None] + offset
        blocked = (position < 0) | (position >= length)
        return torch.zeros_like(blocked, dtype=dtype).masked_fill_(blocked, -torch.inf)

    rows, columns = axis(size[0]), axis(size[1])
    return (rows[:, None, :, None] + columns[None, :, None, :]).flatten(2).flatten(0, 1)
