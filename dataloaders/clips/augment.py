"""Random scale, crop, flip and colours of a clip: one draw for all its frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.clips.clip_objects import Clip, keep_objects, objects_in, pixel_counts
from mavos.dataloaders.clips.colour import COLOURS_V2, apply_look, draw_look

FILL = (124, 116, 104)  # mean colour of ImageNet: next to zero for the network


@dataclass(frozen=True)
class Crop:
    """A window of a frame, scaled, flipped and padded to a square. Pixels."""

    top: int  # of the window, in the frame
    left: int
    height: int
    width: int
    scaled: tuple[int, int]  # (H, W) that the window is brought to
    pad: tuple[int, int]  # (rows above, columns to the left) up to the square
    side: int  # of the square
    flip: bool

    def image(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (side, side, 3)."""
        # cubic, as evaluation scales frames; a window costs half as much as the whole frame
        return self._take(frame, cv2.INTER_CUBIC, FILL)

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W) uint8 -> (side, side); what lies outside of the frame is background."""
        # exact: plain INTER_NEAREST is half a pixel off when it scales
        return self._take(frame, cv2.INTER_NEAREST_EXACT, 0)

    def _take(self, frame: np.ndarray, interpolation: int, fill: Sequence[int] | int) -> np.ndarray:
        window = frame[self.top : self.top + self.height, self.left : self.left + self.width]
        window = cv2.resize(window, self.scaled[::-1], interpolation=interpolation)
        if self.flip:
            window = cv2.flip(window, 1)
        below, right = (self.side - s - p for s, p in zip(self.scaled, self.pad, strict=True))
        if self.scaled == (self.side, self.side):
            return window
        return cv2.copyMakeBorder(
            window, self.pad[0], below, self.pad[1], right, cv2.BORDER_CONSTANT, value=fill
        )


def draw_crop(
    size: tuple[int, int], scale: float, side: int, flip: bool, rng: np.random.Generator
) -> Crop:
    """A crop at a random place of a frame of ``size`` (H, W) that is scaled by ``scale``.

    A frame that is too small after scaling is taken whole in that direction, and padded.
    """
    spans, scaled, starts, pads = [], [], [], []
    for length in size:
        span = min(length, max(1, round(side / scale)))
        out = side if length * scale >= side else max(1, round(length * scale))
        spans.append(span)
        scaled.append(out)
        starts.append(int(rng.integers(length - span, endpoint=True)))
        pads.append(int(rng.integers(side - out, endpoint=True)))
    return Crop(*starts, *spans, tuple(scaled), tuple(pads), side, flip)


def augment(
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    files: tuple[str, ...],
    train: TrainConfig,
    side: int,
    max_objects: int,
    rng: np.random.Generator,
) -> Clip:
    """A clip of ``side`` x ``side`` pixels from the frames of a video.

    images: T of (H, W, 3) uint8. labels: T of (H, W) uint8 object ids, 0, 255. The clip has no
    object if none of ``train.crop_tries`` places showed more than ``min_object_pixels`` of one.
    """
    size = labels[0].shape
    scale = train.short_edge / min(size) * rng.uniform(train.min_scale, train.max_scale)
    flip = bool(rng.random() < train.flip_prob)
    for _ in range(train.crop_tries):
        crop = draw_crop(size, scale, side, flip, rng)
        if objects_in(pixel_counts(crop.labels(labels[0])), train.min_object_pixels):
            break
    cropped, num_objects = keep_objects(
        [crop.labels(frame) for frame in labels], train.min_object_pixels, max_objects, rng
    )
    pictures = [crop.image(frame) for frame in images]
    if train.augmentation == "v2":
        look = draw_look(COLOURS_V2, rng)
        pictures = [apply_look(picture, look) for picture in pictures]
    return Clip(pictures, cropped, num_objects, files)
