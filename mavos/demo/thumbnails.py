"""A dozen pictures spread over a video whose length nobody knows yet."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mavos.pictures.drawing import contact_sheet, overlay, write_png

_SHOWN = 12
_KEPT = 4 * _SHOWN  # at most, so that some are near any place
_COLUMNS = 4
_WIDTH = 320  # pixels


class _Thumbnail(NamedTuple):
    number: int  # of the frame, from 0
    image: np.ndarray  # (h, w, 3) uint8, with its objects
    caption: str


class Thumbnails:
    """Keeps every k-th frame, small; k doubles each time that many more than enough are kept."""

    def __init__(self) -> None:
        self._kept: list[_Thumbnail] = []
        self._every = 1
        self._seen = 0
        self._last: tuple[np.ndarray, np.ndarray, str]

    def offer(self, image: np.ndarray, labels: np.ndarray, caption: str) -> None:
        """The next frame, (H, W, 3) uint8 RGB, and its objects, (H, W)."""
        self._last = image, labels, caption
        if self._seen % self._every == 0:
            if len(self._kept) == _KEPT:
                self._kept = self._kept[::2]
                self._every *= 2
            self._kept.append(_Thumbnail(self._seen, _drawn_small(image, labels), caption))
        self._seen += 1

    def write(self, path: Path) -> None:
        """The sheet, as a PNG: the first frame, the last, and some evenly between."""
        shown = self._chosen()
        rows = [shown[i : i + _COLUMNS] for i in range(0, len(shown), _COLUMNS)]
        images = [[thumbnail.image for thumbnail in row] for row in rows]
        captions = [[thumbnail.caption for thumbnail in row] for row in rows]
        write_png(path, contact_sheet(images, captions, thumbnail_width=_WIDTH))

    def _chosen(self) -> list[_Thumbnail]:
        last = self._seen - 1
        kept = self._kept
        if kept[-1].number != last:
            image, labels, caption = self._last
            kept = [*kept, _Thumbnail(last, _drawn_small(image, labels), caption)]
        wanted = np.linspace(0, last, min(_SHOWN, len(kept)))
        numbers = np.array([thumbnail.number for thumbnail in kept])
        places = np.abs(numbers - wanted[:, None]).argmin(1)
        return [kept[place] for place in np.unique(places)]


def _drawn_small(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if width > _WIDTH:
        # before it is drawn: outlines and ids would shrink until nobody sees them
        size = _WIDTH, max(1, round(height * _WIDTH / width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    return overlay(image, labels, show_ids=True)
