"""Things of a composed clip: a look, a way through the picture, and how it is drawn."""

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from mavos.dataloaders.synthetic.composed.bends import Joint, Warp, draw_joints, draw_warp
from mavos.dataloaders.synthetic.composed.looks import Look
from mavos.dataloaders.synthetic.composed.motion import Path2D

DISTANCE = 2.5  # from which a flat thing that turns is seen, in its own sizes
LEAST_BLUR = 1.5  # pixels of motion within a frame that show


class Patch(NamedTuple):
    """A drawn thing, cut to the picture."""

    top: int
    left: int
    rgba: np.ndarray  # (h, w, 4) float32, colours multiplied by alpha


@dataclass
class Thing:
    """One thing; those of label 0 are not objects."""

    look: Look
    path: Path2D
    label: int
    joints: list[Joint] = field(default_factory=list)
    warp: Warp | None = None
    shutter: float = 0.0  # share of a frame that the camera sees of its motion
    defocus: float = 0.0  # pixels
    reflects: float = 0.0  # share of its light in what lies below it
    casts_shadow: bool = True

    def draw(self, t: int, area: tuple[int, int]) -> Patch | None:
        """At frame t in a picture of ``area`` (H, W); None if it is out of it."""
        picture = self._padded(t)
        size = picture.shape[:2]
        to_area = self._homography(t, size)
        box = _box(to_area, size, area, self._blur(t))
        if box is None:
            return None
        top, left = box[:2]
        places = _sources(to_area, box)
        moves = np.zeros_like(places)
        for joint in self.joints:
            joint.add(moves, places, t)
        if self.warp is not None:
            self.warp.add(moves, places, t, size)
        places += moves
        rgba = cv2.remap(picture, places[..., 0], places[..., 1], cv2.INTER_LINEAR)
        blur = self._blur(t)
        if np.hypot(*blur) > LEAST_BLUR:
            rgba = directional_blur(rgba, blur)
        if self.defocus > 0.4:
            rgba = cv2.GaussianBlur(rgba, (0, 0), self.defocus)
        rgba[..., :3] *= np.float32(self.path.gain[t])
        first_row, first_column = max(top, 0), max(left, 0)
        rgba = rgba[first_row - top : area[0] - top, first_column - left : area[1] - left]
        return Patch(first_row, first_column, rgba) if rgba.size else None

    def _padded(self, t: int) -> np.ndarray:
        """Its picture with a margin into which it can bend, colours multiplied by alpha."""
        picture = self.look.at(t)
        margin = self.margin
        padded = cv2.copyMakeBorder(picture, *(margin,) * 4, cv2.BORDER_CONSTANT)
        padded[..., :3] *= padded[..., 3:]
        return padded

    @property
    def margin(self) -> int:
        soft = 0.3 if self.joints else 0.15
        return int(soft * max(self.look.size)) + 2

    def _blur(self, t: int) -> np.ndarray:
        return self.path.velocity(t) * self.shutter

    def _homography(self, t: int, size: tuple[int, int]) -> np.ndarray:
        """(3, 3) from pixels of the padded picture to those of the clip."""
        path, distance = self.path, DISTANCE * max(size)
        turned = _rotation(path.angle[t], path.yaw[t], path.pitch[t])
        project = np.array(
            [
                [*(path.scale[t] * distance * turned[0, :2]), 0],
                [*(path.scale[t] * distance * turned[1, :2]), 0],
                [*turned[2, :2], distance],
            ]
        )
        to_place = np.array([[1, 0, path.x[t]], [0, 1, path.y[t]], [0, 0, 1.0]])
        from_corner = np.array([[1, 0, -size[1] / 2], [0, 1, -size[0] / 2], [0, 0, 1.0]])
        return to_place @ project @ from_corner


def make_thing(rng: Generator, look: Look, path: Path2D, label: int, calm: float = 1.0) -> Thing:
    """A thing with joints and warps as suits its look; calm: below 1 it changes less."""
    thing = Thing(look, path, label, shutter=rng.uniform(0, 0.6) if rng.uniform() < 0.6 else 0.0)
    moves_by_itself = len({id(picture) for picture in look.pictures}) > 1
    if not moves_by_itself and rng.uniform() < 0.55 * calm:
        alpha = np.pad(look.at(0)[..., 3], thing.margin)
        joints = draw_joints(rng, len(path.x), alpha)
        before, thing.joints = thing.margin, joints
        for joint in joints:  # the margin grew
            joint.centre += thing.margin - before
    size = tuple(side + 2 * thing.margin for side in look.size)
    thing.warp = draw_warp(rng, len(path.x), size, (0.35 if moves_by_itself else 0.9) * calm)
    return thing


def directional_blur(picture: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Smeared along ``motion`` (2,) x, y in pixels."""
    half = max(1, round(float(np.hypot(*motion)) / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    dx, dy = (float(m) for m in motion / (np.hypot(*motion) + 1e-6) * half)
    start, stop = (round(half - dx), round(half - dy)), (round(half + dx), round(half + dy))
    cv2.line(kernel, start, stop, 1.0)
    return cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _rotation(angle: float, yaw: float, pitch: float) -> np.ndarray:
    (ca, sa), (cy, sy), (cp, sp) = ((np.cos(a), np.sin(a)) for a in (angle, yaw, pitch))
    roll = np.array([[ca, -sa, 0], [sa, ca, 0], [0, 0, 1.0]])
    tilt = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return roll @ tilt @ turn


def _box(
    to_area: np.ndarray, size: tuple[int, int], area: tuple[int, int], blur: np.ndarray
) -> tuple[int, int, int, int] | None:
    """Top, left, bottom, right of where a picture of ``size`` shows; a little beyond the border."""
    height, width = size
    corners = to_area @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1.0]])
    corners = corners[:2] / corners[2]
    margin = int(np.abs(blur).max()) + 2
    left, top = np.floor(corners.min(1)).astype(int) - margin
    right, bottom = np.ceil(corners.max(1)).astype(int) + margin
    top, left = max(top, -margin), max(left, -margin)
    bottom, right = min(bottom, area[0] + margin), min(right, area[1] + margin)
    seen = min(bottom, area[0]) - max(top, 0), min(right, area[1]) - max(left, 0)
    return (top, left, bottom, right) if min(seen) >= 3 else None


def _sources(to_area: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """(h, w, 2) float32 x, y in the picture of each pixel of a box."""
    top, left, bottom, right = box
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    back = np.linalg.inv(to_area).astype(np.float32)
    depth = back[2, 0] * x + back[2, 1] * y + back[2, 2]
    u = (back[0, 0] * x + back[0, 1] * y + back[0, 2]) / depth
    v = (back[1, 0] * x + back[1, 1] * y + back[1, 2]) / depth
    return np.dstack([u, v])
