"""J and F of one object on one frame, and their statistics over frames, as DAVIS defines them.

J is the region similarity, F the boundary accuracy; both lie in 0..1. Every value equals that of
the official toolkit (davis2017-evaluation), including its habits at the border of the picture.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

TOLERANCE = 0.008  # how far boundaries may lie apart, as a share of the picture's diagonal


class Statistics(NamedTuple):
    """What DAVIS reports of the values of one object."""

    mean: float
    recall: float  # share of the values above 0.5
    decay: float  # mean of the first quarter minus mean of the last


def region_similarity(predicted: np.ndarray, truth: np.ndarray) -> float:
    """J: pixels in both masks over pixels in either; 1 if both are empty.

    predicted, truth: (H, W) bool. Raises ValueError for another type or unequal sizes.
    """
    _check(predicted, truth)
    either = np.count_nonzero(predicted | truth)
    return float(np.count_nonzero(predicted & truth) / either) if either else 1.0


def boundary_accuracy(predicted: np.ndarray, truth: np.ndarray, radius: int | None = None) -> float:
    """F: harmonic mean of precision and recall of the boundary pixels; 1 if there are none at all.

    predicted, truth: (H, W) bool. radius: pixels a boundary may be off; None for
    ``boundary_radius`` of this size. A mask that fills the picture has no boundary, like an empty
    one. Raises ValueError for another type or unequal sizes.
    """
    _check(predicted, truth)
    radius = boundary_radius(*truth.shape) if radius is None else radius
    around = _surroundings(predicted | truth)
    of_predicted, of_truth = boundary_map(predicted[around]), boundary_map(truth[around])
    predicted_pixels, true_pixels = np.count_nonzero(of_predicted), np.count_nonzero(of_truth)
    if not predicted_pixels or not true_pixels:
        return float(predicted_pixels == true_pixels)
    shared = _window_in_reach(of_predicted, of_truth, radius)
    of_predicted, of_truth = of_predicted[shared], of_truth[shared]
    precision = _near(of_predicted, of_truth, radius) / predicted_pixels
    recall = _near(of_truth, of_predicted, radius) / true_pixels
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def boundary_radius(height: int, width: int, tolerance: float = TOLERANCE) -> int:
    """How many pixels boundaries may lie apart in a picture of this size: 8 for 854x480."""
    return math.ceil(tolerance * math.hypot(height, width))


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their right, lower or lower right neighbour. (H, W) bool, both.

    Nothing lies beyond the border: an object cut off by the picture has no boundary there.
    """
    boundary = np.zeros_like(mask)
    boundary[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    boundary[:-1] |= mask[:-1] ^ mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return boundary


def statistics(values: Sequence[float], eight_bit: bool = False) -> Statistics:
    """Mean, recall and decay of the values of one object on its frames, in time order.

    Neighbouring quarters share a value, as in the toolkit. NaN (no value for a frame) is left out
    of the means and counts as 0.5 or less for recall. Decay is right for any length; eight_bit asks
    for the toolkit's own, whose 8-bit indices wrap from 256 values on: wrong, or NaN where a
    quarter comes out empty. Raises ValueError if there is no value.
    """
    array = np.asarray(values, np.float64)
    if array.size == 0:
        raise ValueError("no values: an object without a scored frame has no statistics")
    # parity: the toolkit's small constant makes rounding go up at one half, not to even
    borders = np.round(np.linspace(1, array.size, 5) + 1e-10).astype(int) - 1
    ends = borders + 1
    if eight_bit:
        borders, ends = borders % 256, (borders + 1) % 256
    first, last = array[borders[0] : ends[1]], array[borders[3] : ends[4]]
    return Statistics(
        mean=float(np.nanmean(array)),
        recall=float((array > 0.5).mean()),
        decay=float(np.nanmean(first) - np.nanmean(last)) if first.size and last.size else math.nan,
    )


def variability(j: Sequence[float], f: Sequence[float]) -> float:
    """V of LVOS: how much (J + F) / 2 of one object varies over its frames; 0 is steady.

    The root of the mean squared deviation. Raises ValueError if there is no value.
    """
    quality = (np.asarray(j, np.float64) + np.asarray(f, np.float64)) / 2
    if quality.size == 0:
        raise ValueError("no values: an object without a scored frame does not vary")
    # parity: the toolkit rounds the mean square to four decimals before the root, as a number of
    # NumPy, whose round goes another way at ties than that of a float
    return math.sqrt(round(np.mean((quality - quality.mean()) ** 2), 4))


def _check(predicted: np.ndarray, truth: np.ndarray) -> None:
    for mask in (predicted, truth):
        if mask.dtype != np.bool_ or mask.ndim != 2:
            raise ValueError(f"masks must be (H, W) bool, got {mask.shape} {mask.dtype}")
    if predicted.shape != truth.shape:
        raise ValueError(f"the prediction is {predicted.shape}, the truth {truth.shape}")


def _surroundings(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the box around a mask (H, W) bool, with a margin of one pixel.

    Boundaries reach one pixel up and left of a mask; the margin right and below keeps the box's
    own border from being taken for the picture's.
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(max(top - 1, 0), top + height + 1), slice(max(left - 1, 0), left + width + 1)


def _window_in_reach(a: np.ndarray, b: np.ndarray, radius: int) -> tuple[slice, slice]:
    """Rows and columns where the boxes around ``a`` and ``b``, each grown by the radius, overlap.

    Pixels outside are too far from the other map to count, so only this part need be dilated, the
    costly step. a, b: (H, W) bool, neither empty.
    """
    boxes = np.array([cv2.boundingRect(boundary.view(np.uint8)) for boundary in (a, b)])
    left, top = np.maximum(boxes[:, :2].max(0) - radius, 0)
    right, bottom = np.maximum((boxes[:, :2] + boxes[:, 2:]).min(0) + radius, 0)
    return slice(top, bottom), slice(left, right)


def _near(boundary: np.ndarray, other: np.ndarray, radius: int) -> int:
    """Number of pixels of ``boundary`` within ``radius`` of a pixel of ``other``; (H, W) bool."""
    if not other.size:
        return 0
    reached = cv2.dilate(np.ascontiguousarray(other).view(np.uint8), _disk(radius))
    return np.count_nonzero(boundary & reached.view(np.bool_))


@lru_cache(maxsize=8)
def _disk(radius: int) -> np.ndarray:
    """Structuring element (2 r + 1, 2 r + 1) uint8: 1 where x^2 + y^2 <= r^2."""
    offsets = np.arange(-radius, radius + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
