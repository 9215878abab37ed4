"""A dozen pictures spread over a video whose length nobody knows yet."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from utils.drawing import contact_sheet, overlay, write_png

_SHOWN = 12
_COLUMNS = 4
_WIDTH = 320  # pixels


class _Thumbnail(NamedTuple):
    image: np.ndarray  # (h, w, 3) uint8
    caption: str


class Thumbnails:
    """Keeps every k-th frame, small; k doubles each time that more than enough are kept."""

    def __init__(self) -> None:
        self._kept: list[_Thumbnail] = []
        self._every = 1
        self._seen = 0

    def offer(self, image: np.ndarray, labels: np.ndarray, caption: str) -> None:
        """The next frame, (H, W, 3) uint8 RGB, and its objects, (H, W)."""
        if self._seen % self._every == 0:
            if len(self._kept) == 2 * _SHOWN:
                self._kept = self._kept[::2]
                self._every *= 2
            self._kept.append(_Thumbnail(_drawn_small(image, labels), caption))
        self._seen += 1

    def write(self, path: Path) -> None:
        """The sheet, as a PNG."""
        count = min(_SHOWN, len(self._kept))
        places = np.linspace(0, len(self._kept) - 1, count).round().astype(int)
        shown = [self._kept[place] for place in places]
        rows = [shown[i : i + _COLUMNS] for i in range(0, len(shown), _COLUMNS)]
        images = [[thumbnail.image for thumbnail in row] for row in rows]
        captions = [[thumbnail.caption for thumbnail in row] for row in rows]
        write_png(path, contact_sheet(images, captions, thumbnail_width=_WIDTH))


def _drawn_small(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if width > _WIDTH:
        # before it is drawn: outlines and ids would shrink until nobody sees them
        size = _WIDTH, max(1, round(height * _WIDTH / width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    return overlay(image, labels, show_ids=True)
