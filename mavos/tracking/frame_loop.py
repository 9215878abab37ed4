"""A video through the four verbs, frame by frame; knows no method, no dataset and no file."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext

import torch
from torch import Tensor

from mavos.networks.segmenter import VideoSegmenter
from mavos.networks.transfers import Arriving, Transfers, transfers_for
from mavos.tracking.settling import (
    annotation_of,
    lay_over,
    predict,
    remember,
    shown,
    unpredicted,
)
from mavos.tracking.stopwatch import Stopwatch
from mavos.utils.palette import IGNORE


@torch.inference_mode()
def segment_video(
    model: VideoSegmenter,
    frames: Iterable,
    device: torch.device,
    stopwatch: Stopwatch | None = None,
) -> Iterator[tuple[str, Tensor]]:
    """Yield ``(frame name, labels)`` of every frame; labels (H0, W0) uint8 identities, on the CPU.

    frames: ``mavos.dataloaders.types.Frame``s. Until the first given mask all is background. Later
    given masks are laid over the prediction and make their frame one more reference. A
    ``stopwatch`` times encode, segment and memorize of the predicted frames; each is a lap.

    A frame's labels come before it is memorized. On CUDA they come up to three frames later, since
    nobody waits for the device meanwhile. If a frame fails, all before it are yielded first.
    """
    transfers = transfers_for(device)
    waiting: deque[tuple[str, Arriving]] = deque()
    try:
        with closing(_label(model, frames, device, transfers, stopwatch)) as labelled:
            for name, labels in labelled:
                waiting.append((name, transfers.download(labels)))
                yield from _arrived(waiting, transfers.most_waiting)
    except GeneratorExit:  # nobody wants the rest
        waiting.clear()
        raise
    finally:
        yield from _arrived(waiting, 0)


def _arrived(
    waiting: deque[tuple[str, Arriving]], most_waiting: int
) -> Iterator[tuple[str, Tensor]]:
    """Take out what is here, oldest first; waits where more than ``most_waiting`` are left."""
    while waiting and (len(waiting) > most_waiting or waiting[0][1].is_here()):
        name, labels = waiting.popleft()
        yield name, labels.wait()


def _label(
    model: VideoSegmenter,
    frames: Iterable,
    device: torch.device,
    transfers: Transfers,
    stopwatch: Stopwatch | None,
) -> Iterator[tuple[str, Tensor]]:
    """Frame names and labels (H0, W0) of some integer type, on ``device``; waits for nothing."""
    timed = nullcontext() if stopwatch is None else stopwatch
    memory, num_objects = None, 0
    for frame in frames:
        given = None
        if frame.mask is not None:
            # counted before it is on the device, or that would be waited for
            objects = frame.mask.masked_fill(frame.mask == IGNORE, 0)
            num_objects = max(num_objects, int(objects.max()))
            given = annotation_of(transfers.upload(frame.mask))
        if num_objects == 0:
            yield frame.name, unpredicted(frame.size, device).labels
            continue
        image = _upload(frame.image, transfers)
        if memory is None:
            settled = lay_over(unpredicted(frame.size, device), given)
            yield frame.name, shown(settled)
            settled = settled._replace(feats=model.encode(image))
            memory = remember(model, settled, None, num_objects, new_objects=True)
            continue
        with timed:
            settled = predict(model, model.encode(image), memory, frame.size)
            if given is not None:
                settled = lay_over(settled, given)
            labels = shown(settled)
        yield frame.name, labels
        with timed:
            memory = remember(model, settled, memory, num_objects, given is not None)
        if stopwatch is not None:
            stopwatch.lap()


def _upload(image: Tensor | list[Tensor], transfers: Transfers) -> Tensor | list[Tensor]:
    """One image (3, H, W), or one per scale, as batches of one."""
    if isinstance(image, Tensor):
        return transfers.upload(image[None])
    return [_upload(scale, transfers) for scale in image]
