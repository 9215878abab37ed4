"""Files of picture formats that hold several: animated PNG and WebP, TIFF stacks, AVIF."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mavos.dataloaders.media.captures import shown
from mavos.dataloaders.media.footage import Footage, Moment
from mavos.dataloaders.media.images import PILLOW_ERRORS, bits_of, pictures_in
from mavos.utils.errors import UserError
from mavos.utils.pixel_limit import check_pixels

_DEEP = ("I;16", "I;16B", "I;16L", "I")  # grey of more than 8 bits
_SAMPLED = 8  # pictures that are looked at to know the range of such values


class PictureStack(Footage):
    """The pictures of one file, which Pillow reads. Raises UserError if it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.name = shown(path)
        try:
            self._image = Image.open(path)
            self.announced = pictures_in(self._image)
            self._pages = self._pages_of_one_size()
            self._bits = self._bits_used()
            self._image.seek(0)
            self._image.load()  # some formats know their times only now
        except PILLOW_ERRORS as error:
            raise UserError(
                f"{path}: cannot be opened ({error}); copy or export it again"
            ) from error
        check_pixels(*self._image.size, path)
        seconds = self._image.info.get("duration", 0) / 1000
        self.frame_rate = 1 / seconds if seconds > 0 else None

    def moments(self) -> Generator[Moment]:
        time = 0.0 if self.frame_rate else None
        for page in self._pages:
            try:
                self._image.seek(page)
                self._image.load()
            except PILLOW_ERRORS:
                yield Moment(time, None)
            else:
                yield Moment(time, partial(_rgb, self._image, self._bits))
            if time is not None:
                time += self._image.info.get("duration", 0) / 1000 or 1 / self.frame_rate

    def close(self) -> None:
        self._image.close()

    def _pages_of_one_size(self) -> list[int]:
        count = self._image.n_frames
        if count == self.announced:
            return list(range(count))
        size, pages = self._image.size, []
        for page in range(count):
            self._image.seek(page)
            if self._image.size == size:
                pages.append(page)
        return pages

    def _bits_used(self) -> int:
        """Bits of deep grey pictures that any of a few of them uses."""
        if self._image.mode not in _DEEP:
            return 8
        highest = 0
        for page in self._pages[:: -(-len(self._pages) // _SAMPLED)]:
            self._image.seek(page)
            highest = max(highest, int(np.asarray(self._image).max()))
        return bits_of(highest)


def _rgb(image: Image.Image, bits: int) -> np.ndarray:
    if image.mode in _DEEP:
        grey = np.clip(np.asarray(image).astype(np.int32) >> (bits - 8), 0, 255)
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))
