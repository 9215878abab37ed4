"""Animals, vehicles and other solids that move and turn, as sequences of RGBA cut-outs.

    python make_creatures.py OUT PHOTOGRAPHS SEED FIRST LAST

Each is a few tapered capsules and boxes on a skeleton of its own, dressed in photographs.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from solids import Solid, about, draw_view, piece_of, plain, render, write_sequence

from mavos.dataloaders.synthetic.composed.motion import smooth

FRAMES = 20
HEIGHT = 190  # pixels of the largest extent
RING, STATIONS = 14, 9  # vertices about and along a capsule


@dataclass
class Piece:
    """A tapered capsule or box that hangs on another piece; lengths in those of the body."""

    length: float
    radii: tuple[float, float]  # at its root and at its end
    parent: int | None
    at: float  # where on the parent it is fixed, 0 root to 1 end
    rest: np.ndarray  # (3, 3), its direction is x, seen from the parent
    offset: tuple[float, float, float] = (0, 0, 0)  # from there, in the parent's frame
    flat: tuple[float, float] = (1, 1)  # of the cross-section
    texture: int = 0
    turns: np.ndarray | None = None  # (T, 3, 3)
    is_box: bool = False


@dataclass
class Creature:
    pieces: list[Piece] = field(default_factory=list)

    def add(self, *args, **options) -> int:
        self.pieces.append(Piece(*args, **options))
        return len(self.pieces) - 1

    def vertices(self, length: int) -> np.ndarray:
        """(T, V, 3) of all pieces."""
        frames, roots, all_vertices = [], [], []
        for piece in self.pieces:
            turn = np.tile(piece.rest, (length, 1, 1))
            if piece.turns is not None:
                turn = piece.turns @ turn
            root = np.zeros((length, 3))
            if piece.parent is not None:
                parent, turned = self.pieces[piece.parent], frames[piece.parent]
                local = np.array(piece.offset) + (piece.at * parent.length, 0, 0)
                root, turn = roots[piece.parent] + turned @ local, turned @ turn
            frames.append(turn)
            roots.append(root)
            local = _surface(piece)
            all_vertices.append(np.einsum("tij,vj->tvi", turn, local) + root[:, None])
        return np.concatenate(all_vertices, 1)

    def solid(self, textures: list[np.ndarray], scale: float) -> Solid:
        faces, places, parts, count = [], [], [], 0
        one, place = _topology()
        for piece in self.pieces:
            faces.append(one + count)
            along = piece.length + sum(piece.radii)
            places.append(place * (1, along * scale) + (0.37 * len(places), 0.21 * len(places)))
            parts.append(np.full(len(one), piece.texture))
            count += len(place)
        return Solid(
            np.concatenate(faces),
            np.concatenate(parts),
            np.concatenate(places),
            np.stack(textures),
        )


def _surface(piece: Piece) -> np.ndarray:
    """(V, 3) of a capsule along x, or of a box with round edges."""
    first, last = piece.radii
    s = np.linspace(0, np.pi, STATIONS)
    across = np.abs(np.sin(s)) ** (0.25 if piece.is_box else 0.7)
    share = (1 - np.cos(s)) / 2
    x = -first * 0.8 + share * (piece.length + 0.8 * (first + last))
    radius = across * (first + (last - first) * share)
    turn = np.linspace(0, 2 * np.pi, RING, endpoint=False) + np.pi / 4
    y, z = np.cos(turn), np.sin(turn)
    if piece.is_box:
        bulge = np.maximum(np.abs(y), np.abs(z))
        y, z = y / bulge, z / bulge
    ring = np.stack([y * piece.flat[0], z * piece.flat[1]], 1)
    return np.concatenate(
        [np.column_stack([np.full(RING, a), ring * r]) for a, r in zip(x, radius, strict=True)]
    )


def _topology() -> tuple[np.ndarray, np.ndarray]:
    """Faces (F, 3), and places in the texture (V, 2)."""
    faces = []
    for k in range(STATIONS - 1):
        for j in range(RING):
            a, b = k * RING + j, k * RING + (j + 1) % RING
            faces += [(a, b, a + RING), (b, b + RING, a + RING)]
    around = np.abs(np.linspace(-1, 1, RING, endpoint=False))  # to and fro: no seam
    along = np.linspace(0, 1, STATIONS)
    places = np.stack(np.meshgrid(around, along), -1).reshape(-1, 2)
    return np.array(faces), places


def turned(axis: int, angle: float) -> np.ndarray:
    return about(axis, np.array([angle]))[0]


def quadruped(rng: Generator) -> Creature:
    """Walks or runs; from a dachshund to a giraffe. It looks along x, z is up."""
    c, fat = Creature(), rng.uniform(0.1, 0.24)
    phase = rng.uniform(0, 6.3) + np.arange(FRAMES) * rng.uniform(0.1, 0.9)
    reach, period = rng.uniform(0.1, 0.9), rng.uniform(5, 18)

    def sway(amount: float) -> np.ndarray:
        return smooth(rng, FRAMES, amount, period)

    back = about(1, 0.15 * reach * np.sin(phase) + sway(0.15)) @ about(2, sway(0.25))
    hips = c.add(0.5, (fat, fat * rng.uniform(0.85, 1.1)), None, 0, np.eye(3), flat=(0.8, 1))
    chest = c.add(
        0.4, (fat, fat * rng.uniform(0.9, 1.3)), hips, 1, np.eye(3), turns=back, flat=(0.8, 1)
    )
    neck_up, long = rng.uniform(0.0, 1.2), rng.uniform(0.15, 0.6)
    nod = about(1, sway(0.35)) @ about(2, sway(0.4))
    neck = c.add(long, (fat * 0.75, fat * 0.5), chest, 0.95, turned(1, -neck_up), turns=nod)
    head = c.add(
        rng.uniform(0.12, 0.3),
        (fat * rng.uniform(0.5, 0.8), fat * rng.uniform(0.2, 0.5)),
        neck,
        1,
        turned(1, neck_up + rng.uniform(-0.2, 0.6)),
        turns=about(1, sway(0.4)) @ about(2, sway(0.5)),
        texture=1,
    )
    ear = rng.uniform(0.05, 0.25)
    for sign in (-1, 1):
        up = turned(2, sign * 0.5) @ turned(1, -rng.uniform(0.8, 2.2))
        at = (0, sign * fat * 0.35, fat * 0.35)
        c.add(ear, (0.03, 0.02), head, 0.1, up, at, turns=about(1, sway(0.3)), texture=1)
    leg, thick = rng.uniform(0.2, 0.55), fat * rng.uniform(0.25, 0.45)
    for parent, shift, at in ((hips, 0.0, 0.05), (chest, rng.uniform(0, 6.3), 0.75)):
        for sign in (-1, 1):
            step = phase + shift + (np.pi if sign > 0 else 0) * rng.uniform(0.3, 1)
            swing = about(1, reach * np.sin(step) + sway(0.2))
            upper = c.add(
                leg * 0.5,
                (thick * 1.5, thick),
                parent,
                at,
                turned(1, np.pi / 2),
                (0, sign * fat * 0.6, -fat * 0.5),
                turns=swing,
            )
            bend = about(1, reach * 0.6 * (1 + np.sin(step + 1.8)) * (1 if at < 0.5 else -1))
            lower = c.add(
                leg * 0.5, (thick, thick * 0.7), upper, 1, np.eye(3), turns=bend, texture=2
            )
            c.add(0.06, (thick * 0.8, thick * 0.6), lower, 1, turned(1, -1.4), texture=2)
    parent, tail = hips, rng.uniform(0.0, 0.25)
    wag = rng.uniform(0.1, 0.7)
    for k in range(3 if tail > 0.05 else 0):
        rest = turned(1, np.pi + rng.uniform(-0.9, 0.9)) if k == 0 else np.eye(3)
        turns = about(2, smooth(rng, FRAMES, wag, 4)) @ about(1, sway(0.3))
        parent = c.add(tail, (0.04, 0.03), parent, 0.0 if k == 0 else 1.0, rest, turns=turns)
    return c


def bird(rng: Generator) -> Creature:
    """Swims, stands or flies."""
    c, fat = Creature(), rng.uniform(0.15, 0.28)
    period = rng.uniform(5, 18)

    def sway(amount: float) -> np.ndarray:
        return smooth(rng, FRAMES, amount, period)

    body = c.add(
        0.5, (fat * 0.7, fat), None, 0, np.eye(3), turns=about(1, sway(0.15)), flat=(0.85, 1)
    )
    neck, up = body, rng.uniform(0.3, 1.5)
    for k in range(int(rng.integers(1, 5))):  # from a pigeon to a swan
        bend = turned(1, -up) if k == 0 else turned(1, rng.uniform(-0.5, 0.7))
        turns = about(1, sway(0.3)) @ about(2, sway(0.3))
        neck = c.add(0.14, (fat * 0.4, fat * 0.33), neck, 0.95, bend, turns=turns)
    head = c.add(
        0.1,
        (fat * 0.45, fat * 0.35),
        neck,
        1,
        turned(1, up * 0.8),
        turns=about(2, sway(0.6)),
        texture=1,
    )
    c.add(rng.uniform(0.05, 0.25), (fat * 0.15, 0.015), head, 1, np.eye(3), texture=2)
    c.add(
        rng.uniform(0.1, 0.35),
        (fat * 0.5, fat * 0.4),
        body,
        0,
        turned(1, np.pi + 0.2),
        flat=(1, 0.25),
    )
    beat = rng.choice([0.05, 0.3, 1.0]) * np.sin(np.arange(FRAMES) * rng.uniform(0.3, 1.5))
    is_folded = rng.uniform() < 0.5
    for sign in (-1, 1):
        rest = turned(2, sign * (2.9 if is_folded else rng.uniform(1.3, 1.9)))
        flap = about(0, -sign * (0.1 if is_folded else 1) * (beat + sway(0.2)))
        at = (0, sign * fat * 0.7, fat * 0.3)
        wing = c.add(
            0.4, (fat * 0.8, fat * 0.6), body, 0.8, rest, at, (1, 0.18), turns=flap, texture=1
        )
        if not is_folded:
            c.add(
                0.35,
                (fat * 0.6, fat * 0.2),
                wing,
                1,
                np.eye(3),
                flat=(1, 0.15),
                turns=flap,
                texture=2,
            )
    legs = rng.uniform(0.05, 0.5) if rng.uniform() < 0.6 else 0.0
    for sign in (-1, 1) if legs else ():
        swing = about(1, 0.5 * np.sin(np.arange(FRAMES) * 0.6 + sign) * rng.uniform())
        c.add(
            legs,
            (0.03, 0.02),
            body,
            0.4,
            turned(1, np.pi / 2),
            (0, sign * 0.08, -fat * 0.6),
            turns=swing,
            texture=2,
        )
    return c


def vehicle(rng: Generator) -> Creature:
    """Boxes on wheels."""
    c = Creature()
    long, wide, high = rng.uniform(0.6, 1.3), rng.uniform(0.2, 0.32), rng.uniform(0.08, 0.2)
    body = c.add(long, (wide, wide), None, 0, np.eye(3), flat=(1, high / wide), is_box=True)
    if rng.uniform() < 0.85:
        start, cabin = rng.uniform(0.05, 0.4), rng.uniform(0.3, 0.6) * long
        tall = rng.uniform(0.08, 0.3)
        c.add(
            cabin,
            (wide * 0.85, wide * rng.uniform(0.7, 0.9)),
            body,
            start,
            np.eye(3),
            (0, 0, high + tall * 0.6),
            (1, tall / wide),
            texture=1,
            is_box=True,
        )
    wheel, spin = rng.uniform(0.08, 0.16), rng.uniform(0.2, 1.2) * np.arange(FRAMES)
    for at in (rng.uniform(0, 0.2), rng.uniform(0.8, 1)):
        for sign in (-1, 1):
            rest = turned(2, np.pi / 2)
            place = (0, sign * wide * 0.95 - 0.04, -high)
            c.add(
                0.05,
                (wheel, wheel),
                body,
                at,
                rest,
                place,
                turns=about(1, spin),
                texture=2,
                is_box=False,
            )
    return c


def lump(rng: Generator) -> Creature:
    """Some pieces stuck together: a toy, a tool, a plant."""
    c = Creature()
    for k in range(int(rng.integers(1, 7))):
        rest = turned(2, rng.uniform(-3, 3)) @ turned(1, rng.uniform(-3, 3))
        turns = about(1, smooth(rng, FRAMES, rng.choice([0.0, 0.5]), rng.uniform(4, 15)))
        radii = tuple(rng.uniform(0.04, 0.3, 2))
        flat = tuple(rng.uniform(0.3, 1, 2))
        parent = int(rng.integers(k)) if k else None
        c.add(
            rng.uniform(0.05, 0.7),
            radii,
            parent,
            rng.uniform(),
            rest,
            (0, 0, 0),
            flat,
            int(rng.integers(3)),
            turns,
            bool(rng.uniform() < 0.4),
        )
    return c


KINDS = ((quadruped, 0.5), (bird, 0.2), (vehicle, 0.2), (lump, 0.1))


def coat(rng: Generator, photographs: list[Path]) -> list[np.ndarray]:
    """Textures of body, head and ends."""
    textures = []
    for k in range(3):
        if k and rng.uniform() < 0.6:
            textures.append(textures[0])
        elif rng.uniform() < 0.4:
            colour = rng.uniform(0.03, 1) * (0.6 + 0.4 * rng.uniform(0.2, 1, 3))
            textures.append(plain(rng, colour, rng.uniform(0.03, 0.3)))
        else:
            piece = piece_of(rng, photographs)
            mean = piece.mean((0, 1))
            textures.append(mean + (piece - mean) * rng.uniform(0.3, 1))
    return textures


def main(out: str, photographs: str, seed: str, first: str, last: str) -> None:
    cv2.setNumThreads(1)
    pictures = sorted(p for p in Path(photographs).rglob("*") if p.suffix in (".jpg", ".png"))
    kinds, shares = zip(*KINDS, strict=True)
    for index in range(int(first), int(last)):
        rng = np.random.default_rng([int(seed), 77, index])
        kind = kinds[rng.choice(len(kinds), p=shares)]
        folder = Path(out) / f"{kind.__name__}_{index:05d}"
        if folder.is_dir():
            continue
        creature = kind(rng)
        vertices = creature.vertices(FRAMES)
        vertices -= vertices.mean((0, 1))
        yaw = rng.uniform(0, 6.3) + rng.normal(0, 0.1) * np.arange(FRAMES)
        yaw = yaw + smooth(rng, FRAMES, rng.choice([0.1, 0.5, 1.2]), rng.uniform(5, 20))
        whole = about(1, smooth(rng, FRAMES, 0.12, 8)) @ about(2, yaw)
        vertices = np.einsum("tij,tvj->tvi", whole, vertices)
        size = float(np.ptp(vertices, axis=1).max())
        solid = creature.solid(coat(rng, pictures), rng.uniform(0.8, 2))
        write_sequence(folder, render(vertices, solid, draw_view(rng, size), size, HEIGHT))


if __name__ == "__main__":
    main(*sys.argv[1:])
