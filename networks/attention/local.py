"""Softmax attention of each cell to the window around it, with gradients."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mavos.networks.attention import backends, tiles


def local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    size: tuple[int, int],
    window: int,
    backend: str = "auto",
) -> Tensor:
    """Softmax attention of each cell to the ``window`` x ``window`` cells around it.

    query (B, L, K), already scaled; key (B, L, K); value (B, L, V); bias (B, L, window * window)
    is added to the scores; size (H, W). Returns (B, L, V). Cells outside the grid get no weight.
    backend: see ``backends.py``; raises UserError if it cannot be used here.
    """
    inputs = query, key, value, bias
    if torch.is_autocast_enabled(query.device.type):  # it reaches neither kernels nor backward
        dtype = torch.get_autocast_dtype(query.device.type)
        inputs = tuple(x.to(dtype) for x in inputs)
    with torch.autocast(query.device.type, enabled=False):
        if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
            return _LocalAttention.apply(*inputs, size, window, backend)
        return backends.choose(backend, inputs, size, window)(*inputs, size, window)


class _LocalAttention(torch.autograd.Function):
    """The same with gradients. Left to autograd every tile would keep its matrices, and fill a
    whole grid of zeros for each slice of keys and values: twice the time and most of the memory."""

    @staticmethod
    def forward(ctx, query, key, value, bias, size, window, backend):
        inputs, kept = (query, key, value, bias), []
        # the way back needs the weights, which only the plain form keeps
        name = backends.PLAIN if backend == "auto" else backend
        attend = backends.choose(name, inputs, size, window)
        if attend is tiles.attend:
            out = attend(*inputs, size, window, keep=kept)
        else:
            out = attend(*inputs, size, window)
        ctx.save_for_backward(*inputs, *kept)
        ctx.size, ctx.window = size, window
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        query, key, value, bias, *kept = ctx.saved_tensors
        inputs, size, window = (query, key, value, bias), ctx.size, ctx.window
        if not kept:
            tiles.attend(*inputs, size, window, keep=kept)
        tile = tiles.tile_for(size, grad.device)
        grads = tiles.backward(grad, *inputs[:3], kept, size, window, tile)
        return *grads, None, None, None
