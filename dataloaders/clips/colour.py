"""Random changes of colour and sharpness, on uint8 pictures with OpenCV.

The operations are those of torchvision, whose results they keep within two grey levels; at 465x465
jitter takes 0.9 ms instead of 9.6 and the widest blur 1.0 instead of 4.9.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

_GREY_WEIGHTS = (0.299, 0.587, 0.114)  # of R, G, B


@dataclass(frozen=True)
class ColourRanges:
    """How far colours may go, and how often. Strengths are as of torchvision's ColorJitter."""

    brightness: float  # factors are 1 - that to 1 + that
    contrast: float
    saturation: float
    hue: float  # shift in turns of the colour circle, either way
    jitter_prob: float = 1.0
    grey_prob: float = 0.0
    blur_prob: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)  # pixels


COLOURS_V2 = ColourRanges(0.4, 0.4, 0.2, 0.1, jitter_prob=0.8, grey_prob=0.2, blur_prob=0.3)
COLOURS_STATIC_V1 = ColourRanges(0.1, 0.1, 0.1, 0.03)


@dataclass(frozen=True)
class Look:
    """One draw from ``ColourRanges``; the same for all frames of a clip, if they are a video."""

    jitter: tuple[tuple[str, float], ...] = ()  # operations of ``_JITTER`` in turn, with factors
    grey: bool = False
    sigma: float = 0.0  # of the blur, in pixels; 0: none


def draw_look(ranges: ColourRanges, rng: np.random.Generator) -> Look:
    jitter: tuple[tuple[str, float], ...] = ()
    if rng.random() < ranges.jitter_prob:
        factors = {
            "brightness": 1 + ranges.brightness * rng.uniform(-1, 1),
            "contrast": 1 + ranges.contrast * rng.uniform(-1, 1),
            "saturation": 1 + ranges.saturation * rng.uniform(-1, 1),
            "hue": ranges.hue * rng.uniform(-1, 1),
        }
        names = list(factors)
        jitter = tuple((names[i], factors[names[i]]) for i in rng.permutation(len(names)))
    grey = rng.random() < ranges.grey_prob
    sigma = rng.uniform(*ranges.blur_sigma) if rng.random() < ranges.blur_prob else 0.0
    return Look(jitter, grey, sigma)


def apply_look(image: np.ndarray, look: Look) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> the same, jittered, then greyed, then blurred."""
    for name, factor in look.jitter:
        image = _JITTER[name](image, factor)
    if look.grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if look.sigma > 0:
        image = blur(image, look.sigma)
    return image


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    return cv2.transform(image, factor * np.eye(3))


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Values drawn towards the mean grey of the picture, or away from it."""
    mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
    offset = np.full((3, 1), (1 - factor) * mean)
    return cv2.transform(image, np.hstack([factor * np.eye(3), offset]))


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Colours drawn towards their grey, or away from it."""
    return cv2.transform(image, factor * np.eye(3) + (1 - factor) * np.array([_GREY_WEIGHTS] * 3))


def hue(image: np.ndarray, turns: float) -> np.ndarray:
    """Colours moved around the colour circle."""
    # in float: 8 bits of hue and saturation are coarse enough to see, and save only 0.1 ms
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 0] += np.float32(360 * (turns % 1))  # OpenCV takes 360 and more, but no negatives
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian of ``sigma`` pixels, cut off at three of them."""
    side = 2 * math.ceil(3 * sigma) + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)


_JITTER = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
