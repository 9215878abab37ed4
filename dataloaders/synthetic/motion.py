"""Paths and slow changes for synthetic videos; a length of 1 is the shorter side of the picture."""

from dataclasses import dataclass

import numpy as np

TOP_SPEED = 0.05  # sides a frame, about


@dataclass(frozen=True)
class Visit:
    """A stretch of frames that a thing spends in the picture."""

    start: int
    stop: int  # exclusive
    leaves: bool = False  # is out again at ``stop``


def visit_path(
    rng: np.random.Generator,
    visit: Visit,
    area: tuple[float, float],
    radius: float,
    first: np.ndarray | None,
) -> np.ndarray:
    """(T, 2) x, y at each frame of a visit, the best of a few tries at a speed that is drawn first.

    area: width and height of the picture. first: where it starts; None: beyond a border.
    """
    length = visit.stop - visit.start
    wanted = rng.uniform(0.2, 0.6) * TOP_SPEED
    best, best_error = None, np.inf
    for _ in range(40):
        points = [outside(rng, area, radius) if first is None else first]
        least = 0 if visit.leaves and first is not None and length < 20 else 1
        points += [inside(rng, area, radius) for _ in range(rng.integers(least, 3 + length // 10))]
        if visit.leaves:
            points.append(_moved_to_border(points[-1], area, -1.5 * radius))
        travelled = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
        error = abs(travelled / length - wanted)
        if error < best_error:
            best, best_error = points, error
    return _along(rng, np.array(best), length)


def inside(rng: np.random.Generator, area: tuple[float, float], radius: float) -> np.ndarray:
    """(2,) x, y of a centre that keeps most of a thing in the picture."""
    margin = 0.8 * radius
    return rng.uniform(margin, np.array(area) - margin)


def outside(rng: np.random.Generator, area: tuple[float, float], radius: float) -> np.ndarray:
    """(2,) x, y of a centre beyond a random border, so that next to nothing is left to see."""
    return _at_border(rng, area, -1.5 * radius)


def just_inside(rng: np.random.Generator, area: tuple[float, float], radius: float) -> np.ndarray:
    """(2,) x, y of a centre by a random border, with most of the thing in the picture."""
    return _at_border(rng, area, 0.6 * radius)


def apart(rng: np.random.Generator, area: tuple[float, float], radii: np.ndarray) -> np.ndarray:
    """(K, 2) places inside the picture, the best of a few tries to keep K things off each other.

    radii: (K,) of the things.
    """
    best, best_gap = None, -np.inf
    for _ in range(60):
        places = np.array([inside(rng, area, radius) for radius in radii])
        gaps = np.linalg.norm(places[:, None] - places, axis=2) - radii[:, None] - radii
        gap = np.min(gaps + 9 * np.eye(len(radii)))
        if gap > best_gap:
            best, best_gap = places, gap
    return best


def near_border(point: np.ndarray, area: tuple[float, float], radius: float) -> np.ndarray:
    """The place (2,) x, y moved straight to the nearest border; the thing stays in the picture."""
    return _moved_to_border(point, area, 0.9 * radius)


def _moved_to_border(point: np.ndarray, area: tuple[float, float], distance: float) -> np.ndarray:
    """``point`` moved to ``distance`` from its nearest border; negative: beyond it."""
    gaps = np.concatenate([point, area - point])  # left, top, right, bottom
    side = int(gaps.argmin())
    moved, axis = point.copy(), side % 2
    moved[axis] = distance if side < 2 else area[axis] - distance
    return moved


def _at_border(rng: np.random.Generator, area: tuple[float, float], distance: float) -> np.ndarray:
    """A point at ``distance`` inside from a random border; negative: beyond it."""
    point = rng.uniform(0.15, 0.85, 2) * area
    axis = rng.integers(2)
    point[axis] = distance if rng.uniform() < 0.5 else area[axis] - distance
    return point


def _along(rng: np.random.Generator, points: np.ndarray, length: int) -> np.ndarray:
    """(T, 2) positions on the way from the first point to the last, at a speed that varies.

    Curved for most, else straight with turns at the points, as if it bounced.
    """
    steps = np.maximum(np.linalg.norm(np.diff(points, axis=0), axis=1), 1e-3)
    knots = np.concatenate([[0], np.cumsum(steps)]) / steps.sum()
    time = np.arange(length) / max(length - 1, 1)
    waves = rng.integers(1, 2 + length // 20)
    time = time + 0.6 / (2 * np.pi * waves) * np.sin(2 * np.pi * waves * time)
    if rng.uniform() < 0.3:
        return np.column_stack([np.interp(time, knots, points[:, k]) for k in range(2)])
    return _hermite(knots, points, time)


def _hermite(knots: np.ndarray, points: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Cubic curve through ``points`` (K, 2) at increasing ``knots`` (K,); (T, 2) at ``time``."""
    slopes = np.gradient(points, knots, axis=0)
    piece = np.clip(np.searchsorted(knots, time, side="right") - 1, 0, len(knots) - 2)
    width = (knots[piece + 1] - knots[piece])[:, None]
    s = (time - knots[piece])[:, None] / width
    return (
        (1 + 2 * s) * (1 - s) ** 2 * points[piece]
        + s * (1 - s) ** 2 * width * slopes[piece]
        + s**2 * (3 - 2 * s) * points[piece + 1]
        - s**2 * (1 - s) * width * slopes[piece + 1]
    )


def wobble(rng: np.random.Generator, length: int, size: float, period: float = 30) -> np.ndarray:
    """(T,) smooth values around 0, at most ``size`` from it, that change over ``period`` frames."""
    time = np.arange(length)
    waves = [np.sin(time * 2 * np.pi / (period * f) + rng.uniform(0, 6.3)) for f in (1, 2.3)]
    return size * (0.4 * waves[0] + 0.6 * waves[1])
