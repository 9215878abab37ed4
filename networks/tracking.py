"""A video through the four verbs, frame by frame; knows no method, no dataset and no file."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import torch
from torch import Tensor

from networks.segmenter import VideoSegmenter, hard_labels, one_hot
from utils.palette import IGNORE
from utils.stopwatch import Stopwatch


@torch.inference_mode()
def segment_video(
    model: VideoSegmenter,
    frames: Iterable,
    device: torch.device,
    stopwatch: Stopwatch | None = None,
    autocast: torch.dtype | None = None,
) -> Iterator[tuple[str, Tensor]]:
    """Yield ``(frame name, labels)`` of every frame; labels (H0, W0) uint8 identities, on the CPU.

    frames: ``dataloaders.types.Frame``s. Until the first given mask all is background. Later given
    masks are laid over the prediction and make their frame one more reference. A ``stopwatch``
    times encode, segment and memorize of the predicted frames. autocast: precision of the network.
    """
    memory, num_objects = None, 0
    for frame in frames:
        given = None if frame.mask is None else frame.mask[None].to(device, torch.int64)
        if given is not None:
            given_ids = given.masked_fill(given == IGNORE, 0)
            num_objects = max(num_objects, int(given_ids.max()))
        if num_objects == 0:
            yield frame.name, torch.zeros(frame.size, dtype=torch.uint8)
            continue
        image, is_first = _to_device(frame.image, device), memory is None
        with (
            nullcontext() if is_first or stopwatch is None else stopwatch,
            torch.autocast(device.type, autocast, enabled=autocast is not None),
        ):
            feats = model.encode(image)
            if is_first:
                labels = given_ids
                memory = model.start(feats, one_hot(given, num_objects))
            else:
                out = model.segment(feats, memory, frame.size)
                labels = remembered = hard_labels(out.logits)
                if given is not None:
                    labels = torch.where(given_ids > 0, given_ids, labels)
                    # parity: pixels to ignore are shown as predicted, but remembered as nothing
                    remembered = torch.where(given == IGNORE, given, labels)
                memory = model.memorize(
                    out, one_hot(remembered, num_objects), memory, new_objects=given is not None
                )
        yield frame.name, labels[0].to(torch.uint8).cpu()


def _to_device(image: Tensor | list[Tensor], device: torch.device) -> Tensor | list[Tensor]:
    """One image (3, H, W), or one per scale, as batches of one."""
    if isinstance(image, Tensor):
        return image[None].to(device, non_blocking=True)
    return [_to_device(scale, device) for scale in image]
