"""The local window as one Triton kernel for CUDA, forward only.

A program takes a tile of queries and a chunk of the value width. It walks over the keys within
reach of the tile, in blocks, with a running softmax, so no scores or weights go to memory. The
bias is gathered where it lies; what is outside a query's window gets no weight.

Shapes: B batch, (H, W) grid, L = H * W, K key width, V value width, w window.
"""

from __future__ import annotations  # those of the kernel name Triton, imported only when used

from functools import cache

import torch
from torch import Tensor

TILE = 8  # queries of a side; a tile meets (8 + w - 1) ** 2 keys, so a window of 15 wastes half
VALUES = 128  # of the value width in one program; scores are computed again for every chunk
KEYS = 32  # of a block; at 64, half precision runs out of registers (compiled for 8.0, 8.6, 9.0)
MIN_CAPABILITY = (8, 0)  # Triton has no products in half precision for older GPUs


def missing(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why the kernel cannot be used there; None: it can."""
    if device.type != "cuda":
        return "it needs a CUDA device"
    if dtype not in (torch.float32, torch.float16, torch.bfloat16):
        return "it computes in float32, float16 and bfloat16 only"
    if torch.cuda.get_device_capability(device) < MIN_CAPABILITY:
        return "it needs a GPU of compute capability 8.0 or newer"
    return _import_error()


@cache
def _import_error() -> str | None:
    try:
        import triton  # noqa: F401
    except ImportError as error:
        return f"Triton cannot be imported ({error}); pip install triton"
    return None


def wants_tf32() -> bool:
    """Whether PyTorch may round the inputs of float32 products on CUDA to TF32."""
    matmul = torch.backends.cuda.matmul
    # where it exists, the older switch may refuse to be read
    precision = getattr(matmul, "fp32_precision", None)
    return matmul.allow_tf32 if precision is None else precision == "tf32"


def attend(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor, size: tuple[int, int], window: int
) -> Tensor:
    """``mavos.networks.attention.local_attention`` without gradients. Raises RuntimeError where the
    kernel cannot be built or does not fit the GPU."""
    (height, width), (batch, tokens, channels) = size, query.shape
    # tokens may lie apart, but each in one piece
    query, key, value, bias = (
        x if x.stride(2) == 1 else x.contiguous() for x in (query, key, value, bias)
    )
    out = value.new_empty(batch, tokens, value.shape[-1])
    values = min(VALUES, _power(value.shape[-1]))
    tiles = -(-height // TILE) * -(-width // TILE)
    exact = query.dtype == torch.float32
    kernel, errors = _build()
    try:
        with torch.cuda.device_of(query):
            kernel[tiles, -(-value.shape[-1] // values), batch](
                *(query, key, value, bias, out),
                *(stride for x in (query, key, value, bias) for stride in x.stride()[:2]),
                *(height, width),
                WINDOW=window,
                K=channels,
                V=value.shape[-1],
                TILE=TILE,
                BLOCK_K=_power(channels),
                BLOCK_V=values,
                BLOCK_N=KEYS,
                PRECISION="tf32" if wants_tf32() else "ieee",
                num_warps=8 if exact else 4,
                num_stages=1 if exact else 2,
            )
    except errors as error:
        raise RuntimeError(f"Triton: {error}") from error
    return out


def _power(width: int) -> int:
    """The power of two that holds ``width`` and is large enough for a matrix product."""
    return max(16, 1 << (width - 1).bit_length())


@cache
def _build() -> tuple:
    """The kernel, and the errors that mean that it cannot be compiled here."""
    import subprocess

    global tl  # where the kernel looks it up; Triton is not imported before it is needed
    import triton
    import triton.language as tl
    from triton.errors import TritonError

    return triton.jit(_kernel), (TritonError, OSError, subprocess.CalledProcessError)


def _kernel(
    query,
    key,
    value,
    bias,
    out,
    query_video,  # strides from video to video and from token to token
    query_token,
    key_video,
    key_token,
    value_video,
    value_token,
    bias_video,
    bias_token,
    height,
    width,
    WINDOW: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_V: tl.constexpr,
    BLOCK_N: tl.constexpr,
    PRECISION: tl.constexpr,
):
    REACH: tl.constexpr = WINDOW // 2
    across = (width + TILE - 1) // TILE
    top = tl.program_id(0) // across * TILE
    left = tl.program_id(0) % across * TILE
    video = tl.program_id(2).to(tl.int64)  # its offset may exceed 32 bits

    m = tl.arange(0, TILE * TILE)
    query_y, query_x = top + m // TILE, left + m % TILE
    asked = (query_y < height) & (query_x < width)
    token = query_y * width + query_x
    k = tl.arange(0, BLOCK_K)
    v = tl.program_id(1) * BLOCK_V + tl.arange(0, BLOCK_V)
    queries = tl.load(
        query + video * query_video + token[:, None] * query_token + k[None, :],
        mask=asked[:, None] & (k < K)[None, :],
        other=0.0,
    )
    key += video * key_video
    value += video * value_video
    bias += video * bias_video

    # the part of the grid within reach of the tile
    first_y, first_x = tl.maximum(top - REACH, 0), tl.maximum(left - REACH, 0)
    reach_height = tl.minimum(top + TILE + REACH, height) - first_y
    reach_width = tl.minimum(left + TILE + REACH, width) - first_x
    reached = reach_height * reach_width

    # finite, so that a block without any cell of a query's window leaves that query alone
    largest = tl.full((TILE * TILE,), -1.0e30, tl.float32)
    total = tl.zeros((TILE * TILE,), tl.float32)
    attended = tl.zeros((TILE * TILE, BLOCK_V), tl.float32)
    for start in range(0, reached, BLOCK_N):
        n = start + tl.arange(0, BLOCK_N)
        key_y, key_x = first_y + n // reach_width, first_x + n % reach_width
        cell = key_y * width + key_x
        keys = tl.load(
            key + cell[:, None] * key_token + k[None, :],
            mask=(n < reached)[:, None] & (k < K)[None, :],
            other=0.0,
        )
        scores = tl.dot(queries, tl.trans(keys.to(queries.dtype)), input_precision=PRECISION)
        offset_y = key_y[None, :] - query_y[:, None] + REACH
        offset_x = key_x[None, :] - query_x[:, None] + REACH
        inside = (offset_y >= 0) & (offset_y < WINDOW) & (offset_x >= 0) & (offset_x < WINDOW)
        inside = inside & asked[:, None] & (n < reached)[None, :]
        place = token[:, None] * bias_token + offset_y * WINDOW + offset_x
        scores += tl.load(bias + place, mask=inside, other=0.0).to(tl.float32)
        scores = tl.where(inside, scores, float("-inf"))

        larger = tl.maximum(largest, tl.max(scores, 1))
        weights = tl.exp(scores - larger[:, None])
        shrink = tl.exp(largest - larger)
        largest = larger
        total = total * shrink + tl.sum(weights, 1)
        values = tl.load(
            value + cell[:, None] * value_token + v[None, :],
            mask=(n < reached)[:, None] & (v < V)[None, :],
            other=0.0,
        )
        attended = tl.dot(
            weights.to(values.dtype), values, attended * shrink[:, None], input_precision=PRECISION
        )
    total = tl.where(asked, total, 1.0)
    tl.store(
        out + (video * (height * width) + token[:, None]) * V + v[None, :],
        attended / total[:, None],
        mask=asked[:, None] & (v < V)[None, :],
    )
