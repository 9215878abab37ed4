"""The objects of a second clip pasted over a first, so that they hide each other."""

import cv2
import numpy as np

from mavos.dataloaders.clips.clip_objects import (
    Clip,
    choose_objects,
    identity_table,
    objects_in,
    pixel_counts,
)
from mavos.utils.palette import IGNORE


def merge(
    first: Clip, second: Clip, min_pixels: int, max_objects: int, rng: np.random.Generator
) -> Clip:
    """``first`` with the objects of ``second`` in front, frame by frame.

    Kept are objects that show more than ``min_pixels`` pixels in frame 0 after pasting, at most
    ``max_objects`` of them; the others stay in the picture as background.
    """
    pasted = [_is_object(labels) for labels in second.labels]
    behind = np.where(pasted[0], 0, first.labels[0])
    # identities of the second follow those of the first; together they may exceed 8 bits
    offset = first.num_objects
    candidates = objects_in(pixel_counts(behind), min_pixels)
    candidates += [offset + i for i in objects_in(pixel_counts(second.labels[0]), min_pixels)]
    kept = choose_objects(candidates, max_objects, rng)
    kept_first = [i for i in kept if i <= offset]
    table_first = identity_table(kept_first)
    table_second = identity_table([i - offset for i in kept if i > offset])
    table_second[(table_second > 0) & (table_second < IGNORE)] += len(kept_first)
    images, labels = [], []
    for image, under, other_image, over, mask in zip(
        first.images, first.labels, second.images, second.labels, pasted, strict=True
    ):
        images.append(cv2.copyTo(other_image, mask, image.copy()))
        labels.append(np.where(mask, cv2.LUT(over, table_second), cv2.LUT(under, table_first)))
    return Clip(images, labels, len(kept), first.files + second.files)


def _is_object(labels: np.ndarray) -> np.ndarray:
    """(H, W) uint8, 1 where the label is an identity."""
    return ((labels > 0) & (labels != IGNORE)).astype(np.uint8)
