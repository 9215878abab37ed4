"""Softmax attention of each cell to the window around it, with gradients."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from networks.attention import strips


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
    """
    rows = rows or (strips.ROWS_ON_CPU if query.device.type == "cpu" else size[0])
    inputs = (query, key, value, bias)
    if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
        return _LocalAttention.apply(*inputs, size, window, rows)
    return strips.attend(*inputs, size, window, rows)[0]


class _LocalAttention(torch.autograd.Function):
    """The same with gradients. Left to autograd every strip would keep its matrices, and fill a
    whole grid of zeros for each slice of keys and values: twice the time and most of the memory."""

    @staticmethod
    def forward(ctx, query, key, value, bias, size, window, rows):
        out, attended = strips.attend(query, key, value, bias, size, window, rows)
        ctx.save_for_backward(query, key, value, torch.cat(attended, dim=1))
        ctx.shape, ctx.bias_dtype = (size, window, rows), bias.dtype
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        *inputs, attended = ctx.saved_tensors
        grads = strips.backward(grad, *inputs, attended, *ctx.shape)
        return *grads[:3], grads[3].to(ctx.bias_dtype), None, None, None
