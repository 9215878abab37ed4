"""Attention over strips and chunks equals attention over the dense matrix."""

import pytest
import torch
from torch import Tensor

from mavos.networks.attention import global_attention, local_attention, tiles, whole


def dense_local_attention(query, key, value, bias, size, window) -> Tensor:
    """The same numbers the slow way: one score per pair of cells, outside the window -inf."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    dy = y.flatten()[None] - y.flatten()[:, None] + window // 2
    dx = x.flatten()[None] - x.flatten()[:, None] + window // 2
    inside = (dy >= 0) & (dy < window) & (dx >= 0) & (dx < window)
    offset = (dy * window + dx).clamp(0, window * window - 1)
    scores = query @ key.transpose(1, 2) + bias.gather(2, offset.expand(len(query), -1, -1))
    return scores.masked_fill(~inside, -torch.inf).softmax(-1) @ value


def make(size, window, batch=2, keys=3, values=5, **kwargs):
    tokens = size[0] * size[1]
    torch.manual_seed(0)
    return [
        torch.randn(batch, tokens, channels, **kwargs)
        for channels in (keys, keys, values, window * window)
    ]


TILES = [(1, 1), (2, 3), (4, 4), (3, 30), (30, 1), None]


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 7), (9, 4), (13, 3)])
@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("tile", TILES)
def test_tiles_equal_dense(size, window, tile):
    inputs = make(size, window)
    ours = tiles.attend(*inputs, size, window, tile)
    torch.testing.assert_close(ours, dense_local_attention(*inputs, size, window))


@pytest.mark.parametrize("tile", [(1, 2), (2, 3), (4, 4), (3, 5), (5, 1), None])
def test_local_attention_gradients(tile, monkeypatch):
    monkeypatch.setattr(tiles, "tile_for", lambda size, device: tile or size)
    inputs = make((3, 4), 3, batch=2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *x: local_attention(*x, (3, 4), 3), inputs)


def test_local_attention_gradients_equal_those_of_dense():
    size, window = (9, 6), 7
    inputs = make(size, window, requires_grad=True)
    grad = torch.randn(2, 54, 5)
    ours = torch.autograd.grad(local_attention(*inputs, size, window), inputs, grad)
    dense = torch.autograd.grad(dense_local_attention(*inputs, size, window), inputs, grad)
    torch.testing.assert_close(ours, dense)


def test_local_attention_gradients_in_half_precision():
    size, window = (5, 6), 3
    inputs = make(size, window, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = local_attention(*inputs, size, window)
    out.float().sum().backward()
    assert all(x.grad.dtype == torch.float32 and x.grad.isfinite().all() for x in inputs)
    exact = torch.autograd.grad(local_attention(*inputs, size, window).sum(), inputs[2])[0]
    torch.testing.assert_close(inputs[2].grad, exact, atol=0.05, rtol=0.05)


def test_local_attention_inputs_are_left_alone():
    inputs = make((4, 4), 3)
    before = [x.clone() for x in inputs]
    local_attention(*inputs, (4, 4), 3)
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))


def test_chunks_equal_whole(monkeypatch):
    query, key, value = torch.randn(2, 70, 4), torch.randn(2, 90, 4), torch.randn(2, 90, 6)
    expected = (query @ key.transpose(1, 2)).softmax(-1) @ value
    monkeypatch.setattr(whole, "SCORES_ON_CPU", 1)  # the smallest chunks: 32 queries
    torch.testing.assert_close(global_attention(query, key, value), expected)
