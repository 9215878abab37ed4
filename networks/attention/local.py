"""Softmax attention of each cell to the window around it, with gradients."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from networks.attention import tiles


def local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    size: tuple[int, int],
    window: int,
    tile: tuple[int, int] | None = None,
) -> Tensor:
    """Softmax attention of each cell to the ``window`` x ``window`` cells around it.

    query (B, L, K), already scaled; key (B, L, K); value (B, L, V); bias (B, L, window * window)
    is added to the scores; size (H, W). Returns (B, L, V). Cells outside the grid get no weight.
    """
    tile = tile or tiles.tile_for(size, query.device)
    inputs = (query, key, value, bias)
    if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
        return _LocalAttention.apply(*inputs, size, window, tile)
    return tiles.attend(*inputs, size, window, tile)


class _LocalAttention(torch.autograd.Function):
    """The same with gradients. Left to autograd every tile would keep its matrices, and fill a
    whole grid of zeros for each slice of keys and values: twice the time and most of the memory."""

    @staticmethod
    def forward(ctx, query, key, value, bias, size, window, tile):
        kept = []
        out = tiles.attend(query, key, value, bias, size, window, tile, kept)
        ctx.save_for_backward(query, key, value, *kept)
        ctx.shape, ctx.bias_dtype = (size, window, tile), bias.dtype
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        query, key, value, *kept = ctx.saved_tensors
        grads = tiles.backward(grad, query, key, value, kept, *ctx.shape)
        return *grads[:3], grads[3].to(ctx.bias_dtype), None, None, None
