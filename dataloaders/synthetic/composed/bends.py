"""What changes the shape of a flat thing over the frames: joints that turn, local warps."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from mavos.dataloaders.synthetic.composed.motion import log_uniform, smooth

GRID_BLUR = 9  # pixels; the corners of the grid of a warp would show


@dataclass
class Joint:
    """A part of a picture that turns about a point; lengths in pixels of the picture."""

    centre: np.ndarray  # (2,) x, y
    towards: np.ndarray  # (2,) unit vector to the end of the part
    softness: float  # over which the turn grows to its full angle
    width: float  # of the part, across
    angles: np.ndarray  # (T,)

    def add(self, moves: np.ndarray, places: np.ndarray, t: int) -> None:
        """Add to moves (H, W, 2) where the colours of places (H, W, 2) x, y come from."""
        offset = places - self.centre
        along = offset @ self.towards
        across = offset @ np.array([-self.towards[1], self.towards[0]], np.float32)
        weight = np.clip(along / self.softness, 0, 1)
        reach = np.maximum(self.width, 0.9 * along)  # it sweeps a sector
        angle = -self.angles[t] * weight * np.clip(2.0 - np.abs(across) / reach, 0, 1)
        cos, sin = np.cos(angle) - 1, np.sin(angle)
        moves[..., 0] += cos * offset[..., 0] - sin * offset[..., 1]
        moves[..., 1] += sin * offset[..., 0] + cos * offset[..., 1]


@dataclass
class Warp:
    """Displacements on a coarse grid over a picture."""

    grids: np.ndarray  # (T, n, n, 2) pixels

    def add(self, moves: np.ndarray, places: np.ndarray, t: int, size: tuple[int, int]) -> None:
        """As ``Joint.add``; size (H, W) of the picture."""
        last = self.grids.shape[1] - 1
        u = np.clip(places[..., 0] * (last / size[1]), 0, last)
        v = np.clip(places[..., 1] * (last / size[0]), 0, last)
        moves += cv2.blur(cv2.remap(self.grids[t], u, v, cv2.INTER_LINEAR), (GRID_BLUR, GRID_BLUR))


def draw_warp(rng: Generator, length: int, size: tuple[int, int], strength: float) -> Warp:
    """strength: 1 for something soft; what moves by itself has less."""
    count = int(rng.integers(3, 6))
    amount = strength * rng.choice([0.02, 0.07, 0.14], p=[0.4, 0.35, 0.25]) * max(size)
    swing = rng.uniform(3, 14)
    paths = [smooth(rng, length, amount, swing) for _ in range(count * count * 2)]
    return Warp(np.stack(paths, 1).reshape(length, count, count, 2).astype(np.float32))


def draw_joints(rng: Generator, length: int, alpha: np.ndarray) -> list[Joint]:
    """One to four parts of the outline of alpha (H, W) that turn, each about a point within it."""
    rows, columns = np.nonzero(alpha > 0.5)
    if len(rows) < 50:
        return []
    points = np.stack([columns, rows], 1).astype(np.float32)
    middle = points.mean(0)
    joints = []
    for _ in range(int(rng.choice([1, 2, 3, 4]))):
        direction = rng.normal(size=2)
        tip = points[np.argmax((points - middle) @ direction)]
        reach = np.linalg.norm(tip - middle)
        if reach < 6:
            continue
        towards = ((tip - middle) / reach).astype(np.float32)
        centre = tip - towards * reach * rng.uniform(0.35, 0.95)
        swing = rng.choice([0.25, 0.6, 1.0]) * rng.uniform(0.5, 1)
        angles = smooth(rng, length, swing, log_uniform(rng, 3, 16))
        joints.append(
            Joint(
                centre.astype(np.float32),
                towards,
                float(reach * rng.uniform(0.15, 0.4)),
                float(reach * rng.uniform(0.2, 0.7)),
                (angles - angles[0] * (rng.uniform() < 0.5)).astype(np.float32),
            )
        )
    return joints
