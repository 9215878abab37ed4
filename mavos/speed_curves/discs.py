"""The objects of a synthetic frame: discs in rows."""

import math

import cv2
import numpy as np

from mavos.utils.errors import UserError

LEAST_EDGE = 16  # pixels, of a frame
LEAST_RADIUS = 2  # pixels, of its discs


def discs(size: tuple[int, int], objects: int) -> np.ndarray:
    """Labels (H, W) uint8 of a frame: discs 1 to ``objects``, row by row.

    Raises UserError if they do not fit into it.
    """
    columns = min(objects, math.ceil(math.sqrt(objects * size[1] / size[0])))
    rows = math.ceil(objects / columns)
    cell = size[0] / rows, size[1] / columns
    radius = int(0.35 * min(cell))
    if min(size) < LEAST_EDGE or radius < LEAST_RADIUS:
        raise UserError(
            f"--size {size[0]} {size[1]} is too small for --objects {objects}; "
            f"a frame has {LEAST_EDGE} pixels a side at least"
        )
    labels = np.zeros(size, np.uint8)
    for index in range(objects):
        row, column = divmod(index, columns)
        centre = int(cell[1] * (column + 0.5)), int(cell[0] * (row + 0.5))
        cv2.circle(labels, centre, radius, index + 1, -1)
    return labels
