"""The contract between a method and everything that drives it: four verbs and what they exchange.

Shapes: B videos in a batch, N objects so far (may grow), H x W pixels. Channel 0 of a mask or of
logits is background, channel n is identity n.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mavos.utils.key_names import KeyNames

Run = Callable[..., Any]  # (function, *arguments) -> what the function returns for them


def call(function: Callable, *arguments):
    """The plain ``Run``; others may compile the function, or replay what it did on a device."""
    return function(*arguments)


class SizeRule(NamedTuple):
    """Sides of the images that a network wants: ``multiple`` k + ``remainder`` pixels, k >= 1."""

    multiple: int
    remainder: int = 0


class Segmented(NamedTuple):
    """What ``segment`` returns for one frame."""

    # (B, 1 + N, H, W) at the size asked for; softmax over dim 1 is the probability. They are large,
    # and whoever drives the method may leave them out of what memorize gets.
    logits: Tensor | None
    feats: Any  # what encode returned
    carry: Any = None  # whatever the method wants to see again in memorize


class VideoSegmenter(Protocol):
    """All that the evaluation and training loops know about a method.

    ``segment`` only reads the memory, only ``start`` and ``memorize`` make a new one. A mask may
    come at any size; the method brings it to the size it needs (nearest neighbour).
    """

    max_objects: int  # identities that one memory can hold
    size_rule: SizeRule  # of images; the driver brings pictures there

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) normalised RGB -> the method's features, batch first."""

    def start(self, feats: list[Tensor], mask: Tensor) -> Any:
        """Memory after the first annotated frame; mask (B, 1 + N, H, W), one-hot or soft."""

    def segment(self, feats: list[Tensor], memory: Any, size: tuple[int, int]) -> Segmented:
        """Logits of the frame at ``size`` (H, W)."""

    def memorize(self, out: Segmented, mask: Tensor, memory: Any, new_objects: bool = False) -> Any:
        """Memory after a segmented frame, whose mask is now ``mask``.

        new_objects: parts of that mask were given, so the frame is one more reference.
        """


def one_hot(labels: Tensor, num_objects: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    """Labels (B, H, W) in [0, num_objects] or IGNORE -> mask (B, 1 + num_objects, H, W).

    A pixel with any other label is zero in every channel, background included.
    """
    ids = torch.arange(num_objects + 1, device=labels.device, dtype=labels.dtype)
    return (labels[:, None] == ids[:, None, None]).to(dtype)


def resize_mask(mask: Tensor, size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Mask (B, C, H, W) at ``size`` by nearest neighbour, as floating point ``dtype``."""
    if mask.device.type != "cpu":  # bytes are quicker, but not every device resizes them
        mask = mask.to(dtype)
    if mask.shape[-2:] != tuple(size):
        mask = F.interpolate(mask, size=size, mode="nearest")
    return mask.to(dtype)


def hard_labels(logits: Tensor) -> Tensor:
    """Label of the largest logit of each pixel: (B, 1 + N, H, W) -> (B, H, W) int64.

    On a tie the lower label wins. On a CPU comparing channel by channel is several times faster.
    """
    if logits.device.type != "cpu":
        return logits.argmax(dim=1)
    best, labels = logits[:, 0], torch.zeros_like(logits[:, 0], dtype=torch.int64)
    for identity in range(1, logits.shape[1]):
        labels.masked_fill_(logits[:, identity] > best, identity)
        best = torch.maximum(best, logits[:, identity])
    return labels


class TrainableSegmenter(VideoSegmenter, Protocol):
    """What ``mavos.networks.unroll.ClipUnroll`` asks of a method beyond the four verbs.

    slots (B, M): the channels of logits to give, in that order, out of 1 + max_objects; training
    shuffles identities with it.
    """

    encoder: Any  # with ``freeze(parts)``: its leading parts stop learning

    def segment(
        self, feats: list[Tensor], memory: Any, size: tuple[int, int], slots: Tensor | None = None
    ) -> Segmented:
        """Logits of the frame at ``size`` (H, W); ``slots`` None: of the identities in use."""

    def reference(
        self,
        feats: list[Tensor],
        mask: Tensor,
        size: tuple[int, int],
        memory: Any = None,
        slots: Tensor | None = None,
    ) -> tuple[Tensor, Any]:
        """``start``, or ``memorize`` with new objects, and the logits of that annotated frame."""

    def unreached(self, clip_length: int, references: int = 1) -> tuple[str, ...]:
        """Prefixes of parameters that clips of so many frames, the first ones annotated, do not
        reach."""


class HasInferenceForm(VideoSegmenter, Protocol):
    """What ``mavos.networks.inference.for_inference`` asks of a network beyond the four verbs."""

    in_float32: tuple[str, ...]  # how names of weights begin that half precision leaves alone
    run: Run  # through what it calls its work on tensors; ``call`` until it is set otherwise

    def fuse(self) -> None:
        """Become, in place, the same function with fewer operations."""


class Network(nn.Module):
    """Base of every method's network, with what suits one that needs nothing of its own.

    The verbs are the method's; the inference form is the network itself.
    """

    key_names = KeyNames()  # of files with its weights
    in_float32: tuple[str, ...] = ()

    def __init__(self):
        super().__init__()
        self.run: Run = call

    def fuse(self) -> None:
        """Become the inference form, see ``HasInferenceForm``."""

    def check_device(self, device: torch.device, dtype: torch.dtype) -> None:
        """Raises UserError if the network is to use something that is not there."""


class CopyPrevious(Network):
    """Repeats the last mask it was given: the smallest method, the one every other must beat."""

    max_objects = 254
    size_rule = SizeRule(16)

    def encode(self, image: Tensor) -> list[Tensor]:
        return [image]

    def start(self, feats: list[Tensor], mask: Tensor) -> Tensor:
        return mask

    def segment(self, feats: list[Tensor], memory: Tensor, size: tuple[int, int]) -> Segmented:
        return Segmented((resize_mask(memory, size, torch.float32) + 1e-6).log(), feats)

    def memorize(
        self, out: Segmented, mask: Tensor, memory: Tensor, new_objects: bool = False
    ) -> Tensor:
        return mask
