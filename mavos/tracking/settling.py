"""One frame on its way into the memory: predicted, given masks laid over it, shown, remembered.

What ``segment_video`` and ``VideoTracker`` both do with a frame. All here are values: laying a mask
over a frame makes another one, so that a frame can be corrected until it is remembered.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from mavos.networks.segmenter import Segmented, VideoSegmenter, hard_labels, one_hot
from mavos.utils.palette import IGNORE

NOTHING = -1  # a label that is no channel of a mask, not even background


class Annotation(NamedTuple):
    """Masks that are given in one frame."""

    labels: Tensor  # (H, W) int16 identities; 0: nothing is said of this pixel
    ignored: Tensor | None = None  # (H, W) bool: pixels that belong to nothing
    named: tuple[int, ...] = ()  # identities whose whole mask this is; what was predicted goes


class Settled(NamedTuple):
    """What is known of the newest frame."""

    feats: Any  # what ``encode`` returned; None until it is needed
    out: Segmented | None  # None: nothing was predicted here
    predicted: Tensor  # (H, W) int16 identities
    labels: Tensor  # (H, W) int16: given masks laid over the predicted; NOTHING where ignored


def annotation_of(mask: Tensor) -> Annotation:
    """The masks of a file: (H, W) uint8 identities, 0 nothing said, 255 ignore."""
    ignored = mask == IGNORE
    return Annotation(mask.masked_fill(ignored, 0).to(torch.int16), ignored)


def predict(model: VideoSegmenter, feats: Any, memory: Any, size: tuple[int, int]) -> Settled:
    """The frame of these features as the network sees it, at ``size`` (H, W)."""
    out = model.segment(feats, memory, size)
    labels = hard_labels(out.logits)[0].to(torch.int16)
    return Settled(feats, out, labels, labels)


def unpredicted(size: tuple[int, int], device: torch.device) -> Settled:
    """A frame of ``size`` (H, W) before there is a memory: all background."""
    labels = torch.zeros(size, dtype=torch.int16, device=device)
    return Settled(None, None, labels, labels)


def lay_over(settled: Settled, given: Annotation) -> Settled:
    """The frame with given masks on top of what is known so far."""
    labels = settled.labels
    if given.named:
        named = torch.isin(labels, labels.new_tensor(given.named))
        labels = labels.masked_fill(named, 0)
    if given.ignored is not None:
        labels = labels.masked_fill(given.ignored, NOTHING)
    labels = torch.where(given.labels > 0, given.labels, labels)
    return settled._replace(labels=labels)


def shown(settled: Settled) -> Tensor:
    """Labels (H, W) int16 for the user."""
    if settled.labels is settled.predicted:
        return settled.labels
    # parity: pixels to ignore are shown as predicted, but remembered as nothing
    return torch.where(settled.labels == NOTHING, settled.predicted, settled.labels)


def remember(
    model: VideoSegmenter, settled: Settled, memory: Any, num_objects: int, new_objects: bool
) -> Any:
    """The memory with this frame in it; ``memory`` None: it is the first.

    new_objects: parts of its labels were given.
    """
    mask = one_hot(settled.labels[None], num_objects)
    if memory is None:
        return model.start(settled.feats, mask)
    return model.memorize(settled.out, mask, memory, new_objects=new_objects)
