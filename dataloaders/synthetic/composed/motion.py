"""Smooth random paths over the frames of a clip: of cameras, of things, of light.

T: frames of a clip. Lengths are in pixels, angles in radians.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator


def smooth(rng: Generator, length: int, amplitude: float, period: float) -> np.ndarray:
    """(T,) a path of about +- ``amplitude`` that turns about once in ``period`` frames."""
    knots = max(3, int(np.ceil(length / period)) + 3)
    values = rng.uniform(-1, 1, knots) * amplitude
    at = np.arange(length) / period + rng.uniform(0, 1)
    first = at.astype(int)
    s = at - first
    a, b, c, d = (values[np.clip(first + k, 0, knots - 1)] for k in (-1, 0, 1, 2))
    # Catmull-Rom
    return 0.5 * (
        2 * b + (c - a) * s + (2 * a - 5 * b + 4 * c - d) * s**2 + (3 * b - a - 3 * c + d) * s**3
    )


def log_uniform(rng: Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@dataclass
class Camera:
    """Where the camera looks; (T,) each."""

    x: np.ndarray
    y: np.ndarray
    zoom: np.ndarray
    roll: np.ndarray


def draw_camera(rng: Generator, length: int, side: float) -> Camera:
    """side: the shorter one of the picture. From a tripod to a hand that runs."""
    calm = log_uniform(rng, 0.03, 1.0)
    time, period = np.linspace(-0.5, 0.5, length) * length / 16, rng.uniform(5, 20)
    shake = 0.05 * side * rng.uniform() if rng.uniform() < 0.2 else 0.012 * side * rng.uniform()
    x, y = (
        rng.normal(0, 0.6) * calm * side * time
        + smooth(rng, length, 0.25 * calm * side, period)
        + smooth(rng, length, shake, rng.uniform(1.2, 3))
        for _ in range(2)
    )
    zoom = rng.normal(0, 0.35) * calm * np.clip(time, -1, 1) + smooth(
        rng, length, 0.06 * calm, period
    )
    roll = rng.normal(0, 0.15) * calm * np.clip(time, -1, 1) + smooth(
        rng, length, 0.04 * calm, period
    )
    return Camera(x, y, np.exp(zoom), roll)


@dataclass
class Path2D:
    """How a flat thing is held in the picture; (T,) each."""

    x: np.ndarray  # of its middle
    y: np.ndarray
    scale: np.ndarray
    angle: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    gain: np.ndarray  # of its light

    def velocity(self, t: int) -> np.ndarray:
        """(2,) pixels a frame."""
        before, after = max(t - 1, 0), min(t + 1, len(self.x) - 1)
        way = (self.x[after] - self.x[before], self.y[after] - self.y[before])
        return np.array(way) / max(1, after - before)


def draw_path(
    rng: Generator,
    length: int,
    area: tuple[int, int],
    at: tuple[float, float] | None = None,
    calm: float = 1.0,
) -> Path2D:
    """A path through a picture of ``area`` (H, W).

    at: where its middle is in the mean; None: somewhere in the picture. calm: below 1 all of it
    moves less.
    """
    height, width = area
    side = min(area)
    speed = calm * log_uniform(rng, 0.02, 1.1)
    middle = at or (rng.uniform(0.12, 0.88) * width, rng.uniform(0.15, 0.85) * height)
    drift = rng.normal(0, 0.35, 2) * speed * side
    time, period = np.linspace(-0.5, 0.5, length) * length / 16, rng.uniform(5, 20)
    if rng.uniform() < 0.3:  # walks up and down, or jumps
        drift[1] *= 0.3
    x = middle[0] + drift[0] * time + smooth(rng, length, 0.25 * speed * side, period)
    y = middle[1] + drift[1] * time + smooth(rng, length, 0.18 * speed * side, period)
    wild = calm * log_uniform(rng, 0.1, 1.0)
    time = np.clip(time, -1, 1)
    return Path2D(
        x,
        y,
        np.exp(rng.normal(0, 0.35) * wild * time + smooth(rng, length, 0.18 * wild, period)),
        rng.normal(0, 0.2)
        + rng.normal(0, 0.7) * wild * time
        + smooth(rng, length, 0.3 * wild, period),
        np.clip(
            rng.normal(0, 0.2)
            + rng.normal(0, 0.9) * wild * time
            + smooth(rng, length, 0.4 * wild, period),
            -1.1,
            1.1,
        ),
        np.clip(smooth(rng, length, 0.3 * wild, period), -0.8, 0.8),
        np.exp(rng.normal(0, 0.25) * wild * time + smooth(rng, length, 0.1, period)),
    )


def keep_in_view(rng: Generator, path: Path2D, area: tuple[int, int]) -> None:
    """Shift a path so that its middle is in the picture at some frame."""
    t = int(rng.integers(len(path.x)))
    path.x += np.clip(path.x[t], 0.12 * area[1], 0.88 * area[1]) - path.x[t]
    path.y += np.clip(path.y[t], 0.12 * area[0], 0.88 * area[0]) - path.y[t]


def leave_for_a_while(rng: Generator, path: Path2D, area: tuple[int, int]) -> None:
    """Send a thing out of the picture, and back some frames later."""
    length = len(path.x)
    start = rng.uniform(0.15, 0.5) * length
    stop = start + rng.uniform(0.2, 0.5) * length
    t = np.arange(length)
    out = np.clip(np.minimum(t - start, stop - t) / 2.5, 0, 1)
    along, side = (path.x, area[1]) if rng.uniform() < 0.7 else (path.y, area[0])
    along += out * rng.choice([-1.0, 1.0]) * 1.6 * side
