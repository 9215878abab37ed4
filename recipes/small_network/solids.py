"""A small z-buffer: textured triangles to RGBA pictures, with numpy and OpenCV alone.

V vertices, F faces, P parts with a texture each. Axes as in MakeHuman: x to the left of a body that
looks at -y, z up.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

OVERSAMPLING = 2  # then brought down, so that edges are smooth
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)  # samples along the edge of a triangle
TEXELS = 256


@dataclass
class Solid:
    """What stays the same while a solid moves."""

    faces: np.ndarray  # (F, 3)
    parts: np.ndarray  # (F,) number of the texture
    places: np.ndarray  # (V, 2) in the texture; 1 is its side, and it repeats
    textures: np.ndarray  # (P, S, S, 3) float32, 0 to 1


@dataclass
class View:
    """A camera that looks at the origin, and a light."""

    tilt: float  # up or down, radians
    distance: float
    light: np.ndarray  # (3,) unit vector to it
    ambient: float
    gloss: float


def draw_view(rng: Generator, size: float) -> View:
    """size: of the solid, in the units of its vertices."""
    light = rng.normal(size=3) * (1, 1, 0.6) + (0, -0.6, 0.9)
    return View(
        rng.normal(0.05, 0.15) + (0.5 * rng.uniform() if rng.uniform() < 0.15 else 0),
        size * rng.uniform(1.6, 5),
        light / np.linalg.norm(light),
        rng.uniform(0.35, 0.8),
        rng.uniform(0, 0.5) if rng.uniform() < 0.3 else 0.0,
    )


def render(vertices: np.ndarray, solid: Solid, view: View, size: float, height: int) -> np.ndarray:
    """vertices (T, V, 3) -> (T, h, w, 4) uint8 RGBA on one canvas, ``size`` about ``height``."""
    points, depth = _project(vertices, view, height * OVERSAMPLING / size)
    low, high = np.floor(points.min((0, 1))) - 4, np.ceil(points.max((0, 1))) + 4
    width, rows = (int(v) for v in (high - low))
    width, rows = (v + -v % OVERSAMPLING for v in (width, rows))
    pictures = []
    for flat, near, at in zip(points - low, depth, vertices, strict=True):
        picture = _draw(flat, near, at, solid, view, (rows, width))
        small = (width // OVERSAMPLING, rows // OVERSAMPLING)
        pictures.append(cv2.resize(picture, small, interpolation=cv2.INTER_AREA))
    result = np.stack(pictures)
    result[..., :3] /= np.maximum(result[..., 3:], 1e-3)
    return np.clip(result * 255 + 0.5, 0, 255).astype(np.uint8)


def _project(vertices: np.ndarray, view: View, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (T, V, 2) x, y about the origin, and depth (T, V)."""
    cos, sin = np.cos(view.tilt), np.sin(view.tilt)
    x, y, z = np.moveaxis(vertices, -1, 0)
    y, z = cos * y - sin * z, sin * y + cos * z
    depth = y + view.distance
    factor = scale * view.distance / depth
    return np.stack([-x * factor, -z * factor], -1), depth  # its left is our right


def _draw(
    points: np.ndarray,
    depth: np.ndarray,
    vertices: np.ndarray,
    solid: Solid,
    view: View,
    size: tuple[int, int],
) -> np.ndarray:
    """(H, W, 4) float32, colours multiplied by alpha, not yet smooth."""
    corners = points[solid.faces]
    edges = corners[:, 1:] - corners[:, :1]
    front = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0] > 0
    lengths = np.abs(corners - np.roll(corners, 1, 1)).max((1, 2))
    wanted = np.searchsorted(STEPS, np.minimum(lengths + 1, STEPS[-1]))
    at, far, faces, shares = [], [], [], []
    for k in np.unique(wanted[front]):
        chosen = np.flatnonzero(front & (wanted == k))
        grid = _barycentric(STEPS[k])
        at.append(np.einsum("sb,fbc->fsc", grid, corners[chosen]).reshape(-1, 2))
        far.append((depth[solid.faces[chosen]] @ grid.T).ravel())
        faces.append(np.repeat(chosen, len(grid)))
        shares.append(np.tile(grid, (len(chosen), 1)))
    at, far, faces, shares = (np.concatenate(a) for a in (at, far, faces, shares))
    pixels = at[:, 1].astype(int) * size[1] + at[:, 0].astype(int)
    order = np.argsort(-far)
    winner = np.full(size[0] * size[1], -1)
    winner[pixels[order]] = order  # the nearest comes last
    winner = _fill_holes(winner.reshape(size)).ravel()
    seen = np.flatnonzero(winner >= 0)
    sample = winner[seen]
    colours = _shaded(vertices, solid, view, faces[sample], shares[sample])
    picture = np.zeros((size[0] * size[1], 4), np.float32)
    picture[seen, :3], picture[seen, 3] = colours, 1
    return picture.reshape(*size, 4)


def _shaded(
    vertices: np.ndarray, solid: Solid, view: View, faces: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Colours (N, 3) of points given by their faces (N,) and barycentric shares (N, 3)."""
    normals = vertex_normals(vertices, solid.faces)
    corners = solid.faces[faces]
    normal = np.einsum("nb,nbc->nc", shares, normals[corners])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    place = np.einsum("nb,nbc->nc", shares, solid.places[corners])
    texel = np.floor(place * TEXELS).astype(int) % TEXELS
    colours = solid.textures[solid.parts[faces], texel[:, 1], texel[:, 0]]
    lit = view.ambient + (1.15 - view.ambient) * np.clip(normal @ view.light, 0, 1)
    shine = view.gloss * np.clip(normal @ (view.light + (0, -1, 0)) / 1.9, 0, 1) ** 12
    return np.clip(colours * lit[:, None] + shine[:, None], 0, 1)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3), outwards where the corners of faces run counter-clockwise."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    summed = [
        np.bincount(faces.ravel(), np.repeat(normal[:, k], 3), len(vertices)) for k in range(3)
    ]
    summed = np.stack(summed, 1)
    return summed / (np.linalg.norm(summed, axis=1, keepdims=True) + 1e-12)


def _barycentric(steps: int) -> np.ndarray:
    """(N, 3) shares of points spread over a triangle."""
    a, b = np.meshgrid(np.arange(steps), np.arange(steps), indexing="ij")
    inside = a + b < steps
    a, b = (a[inside] + 1 / 3) / steps, (b[inside] + 1 / 3) / steps
    return np.stack([1 - a - b, a, b], 1)


def about(axis: int, angles: np.ndarray) -> np.ndarray:
    """(T,) -> rotations (T, 3, 3) about x, y or z."""
    cos, sin = np.cos(angles), np.sin(angles)
    turn = np.tile(np.eye(3), (len(angles), 1, 1))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn[:, a, a], turn[:, a, b], turn[:, b, a], turn[:, b, b] = cos, -sin, sin, cos
    return turn


def _fill_holes(winner: np.ndarray) -> np.ndarray:
    """Give single pixels that no sample met the sample of a neighbour."""
    covered = (winner >= 0).astype(np.uint8)
    closed = cv2.morphologyEx(covered, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    grown = cv2.dilate((winner + 1).astype(np.float64), np.ones((3, 3))).astype(int) - 1
    return np.where((closed > 0) & (covered == 0), grown, winner)


def piece_of(rng: Generator, photographs: list[Path]) -> np.ndarray:
    """A texture (S, S, 3) float32 that repeats without a seam: a mirrored piece of a photograph."""
    picture = cv2.imread(str(photographs[rng.integers(len(photographs))]), cv2.IMREAD_COLOR)
    side = int(min(picture.shape[:2]) * rng.uniform(0.15, 0.7))
    top, left = (rng.integers(n - side + 1) for n in picture.shape[:2])
    piece = cv2.resize(picture[top : top + side, left : left + side], (TEXELS // 2,) * 2)
    piece = piece[..., ::-1].astype(np.float32) / 255
    piece = np.concatenate([piece, piece[:, ::-1]], 1)
    return np.concatenate([piece, piece[::-1]], 0)


def plain(rng: Generator, colour: np.ndarray, roughness: float) -> np.ndarray:
    """A texture (S, S, 3) of one colour with spots of several sizes."""
    spots = np.zeros((TEXELS, TEXELS), np.float32)
    for cells in (6, 20, 70):
        noise = rng.standard_normal((cells, cells)).astype(np.float32)
        spots += cv2.resize(noise, (TEXELS, TEXELS), interpolation=cv2.INTER_CUBIC) / 2
    return np.clip(colour * (1 + roughness * spots[..., None]), 0, 1).astype(np.float32)


def write_sequence(folder: Path, pictures: np.ndarray) -> None:
    """(T, h, w, 4) RGBA as a folder of PNG files, which appears when it is complete."""
    partial = folder.with_name(f".{folder.name}")
    partial.mkdir(parents=True, exist_ok=True)
    for t, picture in enumerate(pictures):
        bgra = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA)
        cv2.imwrite(str(partial / f"{t:03d}.png"), bgra, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    partial.rename(folder)
