"""A clip from one picture that is moved, turned and stretched anew for each frame."""

import math

import cv2
import numpy as np

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.clips.augment import FILL
from mavos.dataloaders.clips.clip_objects import Clip, keep_objects
from mavos.dataloaders.clips.colour import COLOURS_STATIC_V1, COLOURS_V2, apply_look, draw_look

FLIP_ALL_PROB = 0.5
FLIP_PROB = 0.3  # of each frame after the first
MAX_DEGREES = 20.0
MAX_SHIFT = 0.1  # of the picture's sides
SCALES = (0.9, 1.1)
MAX_SHEAR = 10.0  # degrees
CROP_AREAS = (0.8, 1.0)  # of the picture
CROP_RATIOS = (3 / 4, 4 / 3)  # width by height
_CROP_TRIES = 10


def static_clip(
    image: np.ndarray,
    labels: np.ndarray,
    file: str,
    train: TrainConfig,
    side: int,
    max_objects: int,
    rng: np.random.Generator,
) -> Clip:
    """A clip of ``side`` x ``side`` pixels of the picture (H, W, 3) with labels (H, W), both uint8.

    Frame 0 is cropped only; objects of at most ``train.min_object_pixels`` there are dropped.
    """
    image, labels = _shrink(image, labels, 2 * side)
    ranges = COLOURS_V2 if train.augmentation == "v2" else COLOURS_STATIC_V1
    mirror = _flip(labels.shape) if rng.random() < FLIP_ALL_PROB else np.eye(3)
    pictures, masks = [], []
    for index in range(train.clip_length):
        motion = mirror if index == 0 else draw_motion(labels.shape, rng) @ mirror
        matrix = _of_pixel_centres(draw_crop(labels.shape, side, rng) @ motion)
        picture = _warp(image, matrix, side, cv2.INTER_LINEAR, FILL)
        pictures.append(apply_look(picture, draw_look(ranges, rng)))
        masks.append(_warp(labels, matrix, side, cv2.INTER_NEAREST, 0))
    masks, num_objects = keep_objects(masks, train.min_object_pixels, max_objects, rng)
    return Clip(pictures, masks, num_objects, (file,))


def draw_motion(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(3, 3) map of points (x, y, 1) of a picture of ``size`` (H, W): a random affine motion."""
    height, width = size
    angle = math.radians(rng.uniform(-MAX_DEGREES, MAX_DEGREES))
    shear = math.tan(math.radians(rng.uniform(-MAX_SHEAR, MAX_SHEAR)))
    scale = rng.uniform(*SCALES)
    shift = _move(*(rng.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * (width, height)))
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    stretch = np.array([[scale, scale * shear, 0], [0, scale, 0], [0, 0, 1]])
    centre = _move(width / 2, height / 2)
    flip = _flip(size) if rng.random() < FLIP_PROB else np.eye(3)
    return shift @ centre @ turn @ stretch @ np.linalg.inv(centre) @ flip


def draw_crop(size: tuple[int, int], side: int, rng: np.random.Generator) -> np.ndarray:
    """(3, 3) map of points: a random window of the picture, stretched to ``side`` x ``side``."""
    height, width = size
    for _ in range(_CROP_TRIES):
        area = rng.uniform(*CROP_AREAS) * height * width
        ratio = math.exp(rng.uniform(*np.log(CROP_RATIOS)))
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if w <= width and h <= height:
            break
    else:  # a long picture: the largest window of an allowed ratio
        low, high = CROP_RATIOS
        w, h = min(width, high * height), min(height, width / low)
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return np.diag((side / w, side / h, 1.0)) @ _move(-left, -top)


def _shrink(image: np.ndarray, labels: np.ndarray, edge: int) -> tuple[np.ndarray, np.ndarray]:
    """Both with a short edge of at most ``edge``; warping would skip pixels of larger ones."""
    height, width = labels.shape
    factor = edge / min(height, width)
    if factor >= 1:
        return image, labels
    size = (round(width * factor), round(height * factor))
    return (
        cv2.resize(image, size, interpolation=cv2.INTER_AREA),
        cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT),
    )


def _move(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _flip(size: tuple[int, int]) -> np.ndarray:
    """Left and right of a picture of ``size`` (H, W) exchanged."""
    return np.array([[-1, 0, size[1]], [0, 1, 0], [0, 0, 1]], np.float64)


def _of_pixel_centres(matrix: np.ndarray) -> np.ndarray:
    """The same map for OpenCV, to which (0, 0) is the centre of the first pixel, not a corner."""
    return _move(-0.5, -0.5) @ matrix @ _move(0.5, 0.5)


def _warp(
    picture: np.ndarray, matrix: np.ndarray, side: int, interpolation: int, fill: object
) -> np.ndarray:
    return cv2.warpAffine(
        picture,
        matrix[:2],
        (side, side),
        flags=interpolation,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill,
    )
