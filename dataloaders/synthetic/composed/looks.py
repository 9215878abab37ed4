"""The look of a thing over the frames of a clip: RGBA pictures, one or T of them.

Pictures are (H, W, 4) float32 in 0 to 1, colours not multiplied by alpha.
"""

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.random import Generator

from mavos.dataloaders.synthetic.composed.material import (
    Cutout,
    Material,
    read_cutout,
    read_frame,
    read_photograph,
)
from mavos.dataloaders.synthetic.composed.motion import log_uniform, smooth
from mavos.utils.errors import UserError

WORK_SIDE = 420  # pixels; a moving look is not made larger


@dataclass
class Look:
    """What a thing is like: one picture for all frames, or one for each."""

    pictures: list[np.ndarray]

    def at(self, t: int) -> np.ndarray:
        return self.pictures[t % len(self.pictures)]

    @property
    def size(self) -> tuple[int, int]:
        return self.pictures[0].shape[:2]


def draw_look(rng: Generator, material: Material, length: int, size: float) -> Look:
    """A random look of about ``size`` x ``size`` opaque pixels."""
    if rng.uniform() < 0.08:
        return _turned(rng, material, length, made_up_shape(rng, material, size))
    cutout = material.cutouts[rng.integers(len(material.cutouts))]
    if cutout.moves:
        return moving_look(rng, cutout, length, size)
    picture = scaled(_as_float(read_cutout(cutout.frames[0])), size)
    if rng.uniform() < 0.14:  # its shape, another look
        grey = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2GRAY)[..., None]
        texture = draw_texture(rng, material, picture.shape[:2])
        picture[..., :3] = texture * (0.55 + 0.45 * grey)
    picture = np.ascontiguousarray(picture[:, ::-1] if rng.uniform() < 0.5 else picture)
    kind = rng.uniform()
    if kind < 0.12:
        return _turned(rng, material, length, picture)
    if kind < 0.2:
        other = material.cutouts[rng.integers(len(material.cutouts))]
        if not other.moves:
            return morph(
                rng, picture, scaled(_as_float(read_cutout(other.frames[0])), size), length
            )
    return Look([recoloured(rng, picture, rng.choice([0.12, 0.45]))])


def moving_look(rng: Generator, cutout: Cutout, length: int, size: float) -> Look:
    """A moving cut-out, from some frame on, forwards or backwards, at its own or half the pace."""
    pace = rng.choice([0.5, 1.0, 1.0, 1.5]) * rng.choice([-1.0, 1.0])
    count = len(cutout.frames)
    places = np.floor(rng.uniform(0, count) + pace * np.arange(length)).astype(int)
    places = np.abs((places + count - 1) % max(1, 2 * count - 2) - (count - 1))  # to and fro
    read = {k: _as_float(read_frame(cutout.frames[k])) for k in sorted(set(places.tolist()))}
    if len({picture.shape for picture in read.values()}) > 1:
        raise UserError(f"{cutout.frames[0].parent}: its frames must be pictures of one size")
    areas = [float((p[..., 3] > 0.5).sum()) for p in read.values()]
    first = next(iter(read.values()))
    factor = min(size / max(1.0, np.mean(areas)) ** 0.5, WORK_SIDE / max(first.shape[:2]))
    flip, strength = rng.uniform() < 0.5, rng.choice([0.0, 0.12, 0.45])
    colour = partial(recoloured, strength=strength)
    seed = int(rng.integers(1 << 31))  # one change of colour for all frames
    done = {}
    for k, picture in read.items():
        picture = resized(picture, factor)
        picture = np.ascontiguousarray(picture[:, ::-1] if flip else picture)
        done[k] = colour(np.random.default_rng(seed), picture)
    return Look([done[k] for k in places.tolist()])


def made_up_shape(rng: Generator, material: Material, size: float) -> np.ndarray:
    """A smooth random outline filled with a piece of a photograph."""
    side = int(np.clip(size * 1.5, 16, WORK_SIDE))
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    radius = 1 + sum(
        rng.normal() * 0.5 / k**0.9 * np.cos(k * turn + rng.uniform(0, 6.3)) for k in range(1, 8)
    )
    radius = np.clip(radius, 0.25, None)
    points = np.stack([radius * np.cos(turn) * rng.uniform(0.4, 1), radius * np.sin(turn)], 1)
    points = (points - points.min(0)) / np.ptp(points, 0).max() * (side - 4) + 2
    alpha = np.zeros((side, side), np.uint8)
    cv2.fillPoly(alpha, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    colours = draw_texture(rng, material, (side, side))
    return np.dstack([colours, alpha.astype(np.float32) / 255])


def _turned(rng: Generator, material: Material, length: int, picture: np.ndarray) -> Look:
    """A thing that turns round: new surface comes in at one side and old goes at the other."""
    height, width = picture.shape[:2]
    speed = rng.normal(0, 1.2) * width / 16
    shift = speed * np.arange(length) + smooth(rng, length, 0.25 * width, rng.uniform(5, 16))
    shift -= shift.min()
    band = width + int(np.ceil(shift.max())) + 2
    surface = draw_texture(rng, material, (height, min(band, 8 * width)))
    if rng.uniform() < 0.6:  # it begins as what the cut-out shows
        where = int(shift[0])
        surface[:, where : where + width] = picture[:, : surface.shape[1] - where, :3]
        surface = cv2.GaussianBlur(surface, (0, 0), 0.6)
    # as on a cylinder: what is near the sides is narrower
    across = np.linspace(-1, 1, width)
    bulge = (np.arcsin(across * 0.95) / np.arcsin(0.95) + 1) / 2 * (width - 1)
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, 1)
    pictures = []
    for offset in shift:
        columns = np.repeat((bulge + offset).astype(np.float32)[None], height, 0)
        colours = cv2.remap(
            surface, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        pictures.append(np.dstack([colours, picture[..., 3]]))
    return Look(pictures)


def morph(rng: Generator, first: np.ndarray, second: np.ndarray, length: int) -> Look:
    """One cut-out becomes another: outline and surface go over from the first to the second."""
    height, width = (max(a, b) for a, b in zip(first.shape[:2], second.shape[:2], strict=True))
    pair = [_centred(p, (height, width)) for p in (first, second)]
    depths = [_signed_distance(p[..., 3]) for p in pair]
    start, stop = np.sort(rng.uniform(-0.2, 0.8, 2))
    shares = np.clip((np.linspace(0, 1, length) - start) / max(stop - start, 0.3), 0, 1)
    shares = shares * rng.uniform(0.5, 1)  # not always all the way
    pictures = []
    for share in shares:
        depth = (1 - share) * depths[0] + share * depths[1]
        weights = [(1 - share) * pair[0][..., 3:] + 0.02, share * pair[1][..., 3:]]
        colours = (weights[0] * pair[0][..., :3] + weights[1] * pair[1][..., :3]) / sum(weights)
        pictures.append(np.dstack([colours, np.clip(depth + 0.5, 0, 1)]).astype(np.float32))
    return Look(pictures)


def _centred(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """In the middle of a transparent picture of ``size`` whose colours go on beyond its edge."""
    top, left = ((a - b) // 2 for a, b in zip(size, picture.shape[:2], strict=True))
    bottom, right = size[0] - top - picture.shape[0], size[1] - left - picture.shape[1]
    colours = cv2.copyMakeBorder(picture[..., :3], top, bottom, left, right, cv2.BORDER_REPLICATE)
    alpha = cv2.copyMakeBorder(picture[..., 3], top, bottom, left, right, cv2.BORDER_CONSTANT)
    return np.dstack([colours, alpha])


def _signed_distance(alpha: np.ndarray) -> np.ndarray:
    """Pixels to the outline, positive within."""
    inside = (alpha > 0.5).astype(np.uint8)
    distances = [cv2.distanceTransform(m, cv2.DIST_L2, 3) for m in (inside, 1 - inside)]
    return distances[0] - distances[1]


def draw_texture(rng: Generator, material: Material, size: tuple[int, int]) -> np.ndarray:
    """A random piece of a photograph, (H, W, 3)."""
    picture = read_photograph(material.photographs[rng.integers(len(material.photographs))])
    zoom = log_uniform(rng, 1.0, 4.0)
    height, width = (
        min(have, int(want * zoom) + 2) for have, want in zip(picture.shape, size, strict=False)
    )
    top = rng.integers(picture.shape[0] - height + 1)
    left = rng.integers(picture.shape[1] - width + 1)
    piece = picture[top : top + height, left : left + width]
    return cv2.resize(piece, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def recoloured(rng: Generator, picture: np.ndarray, strength: float) -> np.ndarray:
    """Another hue, saturation, gamma and gain; alpha, where there is any, stays."""
    if not strength:
        return picture
    hsv = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-180, 180) * strength * rng.uniform() ** 2) % 360
    hsv[..., 1] = np.clip(hsv[..., 1] * np.exp(rng.uniform(-1, 0.4) * strength), 0, 1)
    colours = np.clip(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), 0, 1)
    colours **= np.float32(np.exp(rng.uniform(-0.6, 0.6) * strength))
    colours = np.clip(colours * np.float32(np.exp(rng.uniform(-0.4, 0.25) * strength)), 0, 1)
    return np.dstack([colours, picture[..., 3:]]) if picture.shape[2] == 4 else colours


def scaled(picture: np.ndarray, size: float) -> np.ndarray:
    """So large that about ``size`` x ``size`` pixels are opaque; long and thin things less."""
    factor = size / np.sqrt(max(1, (picture[..., 3] > 0.5).sum()))
    return resized(picture, min(factor, 2.6 * size / max(picture.shape[:2])))


def resized(picture: np.ndarray, factor: float) -> np.ndarray:
    height, width = (max(8, round(side * factor)) for side in picture.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, height), interpolation=how)


def _as_float(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255
