"""What passes between the stages: a video on disk, a frame in memory, the numbering of objects.

PyTorch is named here, not loaded: who scores or writes masks needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mavos.utils.palette import IGNORE

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def numbered_frame_name(index: int) -> str:
    """Name of frame ``index`` (from 0) of a video file, which has no names of its own."""
    return f"{index:05d}"


@dataclass(frozen=True)
class Video:
    """One video to segment: where its frames are, and which masks the model is given.

    Either ``frames`` or ``file`` is set. A video whose listing found a fault carries it in
    ``error``; ``VideoReader`` raises it, so that one bad video does not stop the others.
    """

    name: str  # also the sub-folder of its results
    frames: tuple[Path, ...] = ()  # image files in time order; empty for a video file
    masks: Mapping[str, Path] = field(default_factory=dict)  # frame name -> mask file given there
    given: Mapping[str, frozenset[int]] | None = None  # ids used of each mask; None: every id
    given_source: str = ""  # the file and key that name those ids, for messages
    file: Path | None = None  # a video file instead of frames
    length: int = 0  # number of frames; announced, not counted, for a video file
    sparse: frozenset[str] | None = None  # frames a sparse submission keeps; None: all
    single_object: bool = False  # every object is taken for one, identity 1 (DAVIS-2016)
    error: str | None = None

    def __post_init__(self) -> None:
        if self.frames:
            object.__setattr__(self, "length", len(self.frames))

    def frame_names(self) -> list[str]:
        """File stems, or "00000", "00001", ... for a video file."""
        if self.file is None:
            return [path.stem for path in self.frames]
        return [numbered_frame_name(index) for index in range(self.length)]


@dataclass(frozen=True)
class Frame:
    """One frame, ready for a network."""

    name: str  # file stem, e.g. "00042"
    image: Tensor | list[Tensor]  # (3, H, W) float32, normalised; a list if several scales
    size: tuple[int, int]  # (H0, W0) of the picture on disk, upright
    mask: Tensor | None  # (H0, W0) uint8 identities given here, 0 nothing, 255 ignore; mostly None


class IdMap:
    """Object ids in files <-> identities 1..N, in order of first appearance.

    Ids are 1 to 254, so identities are too. Identities never change once given, hence a writer
    may restore old labels while the reader meets new objects.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []  # ids[n - 1] is the object id of identity n

    def to_identities(self, labels: np.ndarray) -> np.ndarray:
        """(H, W) uint8 object ids -> (H, W) uint8 identities; 0 and 255 stay.

        Ids not met before get the next identities, in ascending order.
        """
        new = (int(i) for i in np.unique(labels) if i not in (0, IGNORE))
        self.ids.extend(i for i in new if i not in self.ids)
        table = _table_of_void()
        table[self.ids] = np.arange(1, len(self.ids) + 1)
        return table[labels]

    def restore(self, labels: np.ndarray) -> np.ndarray:
        """Identities 0..N (any shape, any integer type), or 255 -> object ids, uint8.

        Raises IndexError on an identity that was never given.
        """
        table = _table_of_void()
        table[1 : len(self.ids) + 1] = self.ids
        highest = labels.max(initial=0)
        if highest > len(self.ids) and ((labels > len(self.ids)) & (labels != IGNORE)).any():
            raise IndexError(f"labels up to {highest}, but only {len(self.ids)} identities")
        if labels.dtype == np.uint8 and labels.ndim == 2:  # what masks are: a tenth of the time
            return cv2.LUT(labels, table)
        return table[labels]


def _table_of_void() -> np.ndarray:
    """Lookup table (256,) uint8 that keeps 255 and maps all else to 0, until it is filled."""
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    return table


@dataclass(frozen=True)
class LabelledVideo:
    """One video to learn from, a mask for each frame; a single frame is a static picture."""

    name: str  # with the dataset's: "davis2017/bear"
    frames: tuple[Path, ...]  # image files in time order
    masks: tuple[Path, ...]  # one per frame


@dataclass(frozen=True)
class Clips:
    """A batch of training clips. B clips, T frames of H x W pixels, N identities at most."""

    images: Tensor  # (B, T, 3, H, W) uint8 RGB, as the network sees it but for normalisation
    labels: Tensor  # (B, T, H, W) uint8 identities, 0 background, 255 ignore; frame 0 is given
    num_objects: Tensor  # (B,) int64, identities of each clip
    permutations: Tensor  # (B, 1 + N) int64: slot of each identity in the network; 0 stays 0
    sources: tuple[tuple[str, ...], ...]  # file names behind each clip, for messages

    @property
    def most_objects(self) -> int:
        """The largest of ``num_objects``; to be asked before they go to a device."""
        return int(self.num_objects.max())

    def to(self, device: torch.device) -> Clips:
        """The same on ``device``; returns at once where memory is pinned."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Clips:
        """The same in page-locked memory; PyTorch's data loader calls it."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Clips:
        tensors = (self.images, self.labels, self.num_objects, self.permutations)
        return Clips(*map(change, tensors), self.sources)
