"""What the numbers of pictures and masks stand for: void, the colours of object ids, and the
statistics by which every network input is normalised."""

import cv2
import numpy as np

IGNORE = 255  # void pixels: neither object nor background

IMAGE_MEAN, IMAGE_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1


def davis_palette() -> np.ndarray:
    """Colour of every object id, (256, 3) uint8 RGB: the map of PASCAL VOC that DAVIS uses.

    The three lowest bits of an id go to the highest bit of red, green and blue, the next three
    to the second highest, and so on: 0 is black, 1 dark red, 2 dark green.
    """
    ids = np.arange(256, dtype=np.uint8)[:, None]
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(3):
        palette |= ((ids >> (3 * bit + np.arange(3, dtype=np.uint8))) & 1) << (7 - bit)
    return palette


def values_in(labels: np.ndarray) -> list[int]:
    """The values that occur in (H, W) uint8, ascending."""
    # a histogram takes a twentieth of the time of np.unique
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256])
    return np.flatnonzero(counts).tolist()
