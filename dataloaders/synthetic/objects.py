"""Things to draw for synthetic videos: textures, shapes with lobes, and one picture of a thing."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

CORNERS = 96  # of the polygon that stands for an outline
SUBPIXELS = 4  # an outline is filled on a grid this much finer in each direction
EXTENT = 1.9  # half the side of a texture, in radii; no outline reaches farther
_GREY = np.full((3, 3), 1 / 3, np.float32)
_CROSS = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], np.float32) / np.sqrt(3, dtype=np.float32)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """(H, W) float32 of unit variance, about, that changes over a ``cells``-th of the side."""
    grid = rng.standard_normal((cells + 1, cells + 1), dtype=np.float32)
    return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC)


def layered_noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """(H, W) float32: noise at four scales from ``cells`` on, the coarse ones strongest."""
    return sum(smooth_noise(rng, size, cells << k) * 0.6**k for k in range(4))


def pattern(rng: np.random.Generator, size: tuple[int, int], repeats: float) -> np.ndarray:
    """(H, W) float32 in 0..1: stripes, checks, spots or patches of noise, ``repeats`` a side."""
    height, width = size
    side = min(size)
    y, x = np.mgrid[:height, :width].astype(np.float32) * np.float32(np.pi * repeats / side)
    bend = 0.5 * layered_noise(rng, size, 2)
    angle = rng.uniform(0, np.pi)
    u = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y + bend
    v = np.float32(np.cos(angle)) * y - np.float32(np.sin(angle)) * x + bend
    match rng.integers(4):
        case 0:
            field = 3 * np.sin(u)
        case 1:
            field = 6 * np.sin(0.8 * u) * np.sin(0.8 * v)
        case 2:
            field = 4 * (np.cos(u) + np.cos(v) - 0.6)
        case _:
            field = 3 * layered_noise(rng, size, max(2, round(repeats)))
    return 0.5 + 0.5 * np.tanh(field)


def texture(
    rng: np.random.Generator, size: tuple[int, int], colours: np.ndarray, repeats: float
) -> np.ndarray:
    """(H, W, 3) float32 RGB, 0..255: a pattern in two colours, patches of the third, fine noise.

    colours: (3, 3) float32 RGB, 0..255.
    """
    two = pattern(rng, size, repeats)[..., None]
    patches = 0.5 + 0.5 * np.tanh(4 * smooth_noise(rng, size, 3) - 2)[..., None]
    shade = 1 + 0.1 * layered_noise(rng, size, 6)[..., None]
    mixed = colours[0] + (colours[1] - colours[0]) * two
    return np.clip((mixed + (colours[2] - mixed) * patches) * shade, 0, 255, dtype=np.float32)


def object_colours(rng: np.random.Generator, hue: float) -> np.ndarray:
    """(3, 3) float32 RGB, 0..255: strong colours around a hue (in turns), one of them far off."""
    far = hue + rng.choice([0.0, 0.0, 0.33, 0.5])
    bright = rng.uniform(0.75, 1)
    return _rgb(
        (hue, rng.uniform(0.7, 1), bright),
        (far, rng.uniform(0.5, 1), rng.choice([0.35, 1]) * bright),
        (hue + rng.uniform(0.08, 0.12) * rng.choice([-1, 1]), rng.uniform(0.4, 0.9), bright),
    )


def background_colours(rng: np.random.Generator, taken: Sequence[float]) -> np.ndarray:
    """(3, 3) float32 RGB, 0..255: dull colours, the farthest from the hues ``taken`` of a few."""
    hues, light = rng.uniform(size=4), rng.uniform(0.3, 0.65)
    gaps = np.abs((hues[:, None] - np.array(taken) + 0.5) % 1 - 0.5).min(1)
    hue = hues[gaps.argmax()]
    return _rgb(
        *(
            (hue + rng.uniform(-0.15, 0.15), rng.uniform(0.05, 0.4), light + shift)
            for shift in (-0.12, 0.12, rng.uniform(-0.2, 0.25))
        )
    )


def _rgb(*hsv: tuple[float, float, float]) -> np.ndarray:
    return np.array([colorsys.hsv_to_rgb(h % 1, s, v) for h, s, v in hsv], np.float32) * 255


def colour_change(turn: float, gain: float) -> np.ndarray:
    """(3, 3) float32 matrix that turns the hue (in turns) and multiplies the brightness."""
    angle = 2 * np.pi * turn
    return np.float32(gain) * (
        _GREY
        + np.float32(np.cos(angle)) * (np.eye(3, dtype=np.float32) - _GREY)
        - np.float32(np.sin(angle)) * _CROSS
    )


@dataclass(frozen=True)
class Shape:
    """A closed outline around the origin: a circle with waves, each of which swells and shrinks."""

    waves: np.ndarray  # (K,) waves on the outline
    heights: np.ndarray  # (K,) relative to the radius
    phases: np.ndarray  # (K,) radians
    rates: np.ndarray  # (K,) radians a frame, of the swelling
    flatness: float  # height over width, at most 1

    @staticmethod
    def random(rng: np.random.Generator) -> "Shape":
        """A few lobes with dents between them."""
        waves = np.array([rng.integers(2, 6), 2, 3, 5, 7])
        heights = np.array([rng.uniform(0.2, 0.38), *rng.uniform(0, (0.15, 0.12, 0.1, 0.05))])
        phases = rng.uniform(0, 2 * np.pi, 5)
        rates = rng.uniform(0.04, 0.16, 5) * rng.choice([-1, 1], 5)
        return Shape(waves, heights, phases, rates, rng.uniform(0.65, 1))

    def outline(self, time: float) -> np.ndarray:
        """(CORNERS, 2) x, y in units of the radius of a circle of the same area."""
        angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)[:, None]
        heights = self.heights * (0.75 + 0.25 * np.cos(self.phases * 3 + self.rates * time))
        swing = 0.35 * np.sin(self.rates * time)  # lobes also move along the outline
        radius = 1 + (heights * np.cos(self.waves * angles + self.phases + swing)).sum(1)
        radius = np.maximum(radius, 0.3)
        radius /= np.sqrt(np.mean(radius**2))
        unit = np.column_stack([np.cos(angles[:, 0]), np.sin(angles[:, 0]) * self.flatness])
        return np.clip(unit * radius[:, None] / np.sqrt(self.flatness), -EXTENT, EXTENT)


@dataclass(frozen=True)
class Pose:
    """Where and how a thing is in one frame."""

    x: float  # pixels, of the centre
    y: float
    radius: float  # pixels, of a circle of the same area
    angle: float  # radians
    time: float  # argument of ``Shape.outline``
    colours: np.ndarray  # (3, 3) float32, ``colour_change``


def skin(rng: np.random.Generator, radius: float, hue: float) -> np.ndarray:
    """(S, S, 3) float32 texture for a thing of ``radius`` pixels, ``EXTENT`` radii to each side."""
    side = int(2.2 * EXTENT * radius)
    return texture(rng, (side, side), object_colours(rng, hue), rng.uniform(5, 9))


def draw(
    labels: np.ndarray,
    label: int,
    shape: Shape,
    pose: Pose,
    picture: np.ndarray | None = None,
    skin: np.ndarray | None = None,
) -> None:
    """Put one thing in front of what is there, in place.

    labels: (H, W) uint8, set to ``label`` where the thing covers half of a pixel or more. picture:
    (H, W, 3) float32 RGB, drawn with smooth edges; None for labels only. skin: what ``skin`` made.
    """
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    turn = np.array([[cos, sin], [-sin, cos]]) * pose.radius
    corners = shape.outline(pose.time) @ turn + (pose.x, pose.y)
    height, width = labels.shape
    left, top = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, (width, height))
    if left >= right or top >= bottom:
        return
    fine = np.zeros(((bottom - top) * SUBPIXELS, (right - left) * SUBPIXELS), np.uint8)
    points = (corners - (left, top) + 0.5) * SUBPIXELS - 0.5
    cv2.fillPoly(fine, [np.round(points * 16).astype(np.int32)], 255, shift=4)
    cover = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    labels[top:bottom, left:right][cover >= 128] = label
    if picture is None:
        return
    scale = skin.shape[0] / (2 * EXTENT * pose.radius)
    to_skin = np.array([[cos, sin, 0], [-sin, cos, 0]]) * scale
    to_skin[:, 2] = to_skin[:, :2] @ (left - pose.x, top - pose.y) + (skin.shape[0] - 1) / 2
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(
        skin, to_skin, cover.shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT
    )
    patch = np.clip(cv2.transform(patch, pose.colours), 0, 255, out=patch)
    region = picture[top:bottom, left:right]
    region += (patch - region) * (cover.astype(np.float32) / 255)[..., None]
