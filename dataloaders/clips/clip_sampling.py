"""Which frames of a video make a clip."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from mavos.dataloaders.clips.clip_objects import objects_in, pixel_counts
from mavos.dataloaders.media.images import read_image
from mavos.dataloaders.media.mask_files import read_mask
from mavos.dataloaders.types import LabelledVideo
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE

REFERENCE_PIXELS = 200  # a reference frame should show more than that of its objects
REFERENCE_SHARE = 0.005  # of the frame, for frames so small that it is less
REFERENCE_TRIES = 20
CLIP_TRIES = 5


@dataclass(frozen=True)
class Sample:
    """The frames of a clip in the order of the clip; pictures are not yet read."""

    frames: tuple[Path, ...]
    masks: tuple[Path, ...]
    labels: tuple[np.ndarray, ...]  # (H, W) uint8 object ids of the file; 0 and 255 stay

    def read_images(self) -> list[np.ndarray]:
        """(H, W, 3) uint8 each. Raises UserError unless pictures and masks have one size."""
        images = [read_image(path) for path in self.frames]
        for frame, image, mask, labels in zip(
            self.frames, images, self.masks, self.labels, strict=True
        ):
            if image.shape[:2] != labels.shape:
                raise UserError(
                    f"{mask}: mask is {_width_x_height(labels)}, its picture {frame} "
                    f"{_width_x_height(image)} (width x height). Make both the same size"
                )
            if image.shape != images[0].shape:
                raise UserError(
                    f"{frame} is {_width_x_height(image)}, but {self.frames[0].name} is "
                    f"{_width_x_height(images[0])} (width x height). All frames of a video must "
                    "have one size: resize it, or make two videos"
                )
        return images


def sample_frames(
    video: LabelledVideo, length: int, max_gap: int, reverse: bool, rng: np.random.Generator
) -> Sample:
    """A clip of ``length`` frames whose gaps are 1..max_gap frames.

    With ``reverse`` half of the clips run backwards. Objects that the reference frame does not show
    are background later on; choices without such objects are preferred.
    """

    @cache
    def read(index: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels (H, W) and their pixel counts (256,)."""
        labels = read_mask(video.masks[index])
        return labels, pixel_counts(labels)

    order = range(len(video.frames))
    if reverse and rng.random() < 0.5:
        order = order[::-1]
    for _ in range(CLIP_TRIES):
        steps = np.cumsum(rng.integers(1, max_gap, length - 1, endpoint=True))
        for _ in range(REFERENCE_TRIES):
            start = int(rng.integers(len(order)))
            if _shows_enough(*read(order[start])):
                break
        indices = [order[reflect(start + int(step), len(order))] for step in (0, *steps)]
        given = objects_in(read(indices[0])[1])
        if all(set(objects_in(read(index)[1])) <= set(given) for index in indices[1:]):
            break
    table = np.zeros(256, np.uint8)
    table[[*given, IGNORE]] = [*given, IGNORE]
    return Sample(
        tuple(video.frames[index] for index in indices),
        tuple(video.masks[index] for index in indices),
        tuple(cv2.LUT(read(index)[0], table) for index in indices),
    )


def reflect(index: int, length: int) -> int:
    """Position in 0..length - 1 of an index that walks back and forth between the ends."""
    period = max(1, 2 * (length - 1))
    return min(index % period, -index % period)


def _shows_enough(labels: np.ndarray, counts: np.ndarray) -> bool:
    """Whether labels (H, W) have enough object pixels for a reference frame."""
    shown = labels.size - counts[0] - counts[IGNORE]
    return shown > min(REFERENCE_PIXELS, REFERENCE_SHARE * labels.size)


def _width_x_height(array: np.ndarray) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"
