"""The local window with the scores of the package spatial-correlation-sampler, forward only."""

from functools import cache

import torch
from torch import Tensor

from mavos.networks.attention import tiles


def missing(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why the package cannot be used there; None: it can, in any ``dtype``."""
    if device.type not in ("cpu", "cuda"):
        return "it needs a CPU or a CUDA device"
    if device.type == "cuda" and not on_default_stream(device):
        # it asks for no stream, so its kernel would not wait for ours nor be recorded
        return "it works on CUDA's default stream only, and not in a CUDA graph"
    return _import_error()


def on_default_stream(device: torch.device) -> bool:
    return torch.cuda.current_stream(device) == torch.cuda.default_stream(device)


@cache
def _import_error() -> str | None:
    try:
        import spatial_correlation_sampler  # noqa: F401
    except ImportError as error:
        return (
            f"spatial-correlation-sampler cannot be imported ({error}); "
            "docs/options.md, section Speed, says how to build it"
        )
    return None


def attend(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor, size: tuple[int, int], window: int
) -> Tensor:
    """``mavos.networks.attention.local_attention`` without gradients."""
    from spatial_correlation_sampler import spatial_correlation_sample

    # it sums in the type of its inputs, for which half precision is too coarse
    dtype = torch.promote_types(query.dtype, torch.float32)
    query, key = (x.to(dtype).transpose(1, 2).unflatten(2, size).contiguous() for x in (query, key))
    scores = spatial_correlation_sample(
        query,
        key,
        kernel_size=1,
        patch_size=window,
        stride=1,
        padding=0,
        dilation=1,
        dilation_patch=1,
    )  # (B, w, w, H, W), 0 where a window reaches beyond the grid
    scores = scores.flatten(3).flatten(1, 2).transpose(1, 2) + bias
    weights = (scores + tiles.outside(size, window, scores)).softmax(dim=-1).to(value.dtype)
    grid = tiles.Tiles(size, window, tiles.tile_for(size, value.device))
    shape = (len(value), grid.ny, *grid.tile, window, window)
    return tiles.weigh((column.view(shape) for column in grid.of(weights)), value, grid)
