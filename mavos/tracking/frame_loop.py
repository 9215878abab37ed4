"""A video through the four verbs, frame by frame; knows no method, no dataset and no file."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext

import torch
from torch import Tensor

from mavos.networks.segmenter import VideoSegmenter, hard_labels, one_hot
from mavos.networks.transfers import Arriving, Transfers, transfers_for
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
        given = frame.mask
        if given is not None:  # counted before it is on the device, or that would be waited for
            num_objects = max(num_objects, int(given.masked_fill(given == IGNORE, 0).max()))
            given = transfers.upload(given[None]).to(torch.int64)
            given_ids = given.masked_fill(given == IGNORE, 0)
        if num_objects == 0:
            yield frame.name, torch.zeros(frame.size, dtype=torch.uint8, device=device)
            continue
        image = _upload(frame.image, transfers)
        if memory is None:
            yield frame.name, given_ids[0]
            memory = model.start(model.encode(image), one_hot(given, num_objects))
            continue
        with timed:
            out = model.segment(model.encode(image), memory, frame.size)
            labels = remembered = hard_labels(out.logits)
            if given is not None:
                labels = torch.where(given_ids > 0, given_ids, labels)
                # parity: pixels to ignore are shown as predicted, but remembered as nothing
                remembered = torch.where(given == IGNORE, given, labels)
        yield frame.name, labels[0]
        with timed:
            memory = model.memorize(
                out, one_hot(remembered, num_objects), memory, new_objects=given is not None
            )
        if stopwatch is not None:
            stopwatch.lap()


def _upload(image: Tensor | list[Tensor], transfers: Transfers) -> Tensor | list[Tensor]:
    """One image (3, H, W), or one per scale, as batches of one."""
    if isinstance(image, Tensor):
        return transfers.upload(image[None])
    return [_upload(scale, transfers) for scale in image]
