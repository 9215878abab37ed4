"""What a composed clip shows: objects, what looks like them, what hides them, light and ground."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator

from mavos.dataloaders.synthetic.composed.looks import Look, draw_look, recoloured
from mavos.dataloaders.synthetic.composed.material import Material, read_photograph
from mavos.dataloaders.synthetic.composed.motion import (
    Camera,
    draw_path,
    keep_in_view,
    leave_for_a_while,
    log_uniform,
    smooth,
)
from mavos.dataloaders.synthetic.composed.things import Thing, make_thing

Area = tuple[int, int]


@dataclass
class Scene:
    """Things, the farthest first, before a photograph."""

    things: list[Thing]
    stage: np.ndarray  # (H', W', 3) float32, the photograph
    focus: tuple[float, float]  # x, y of it in the middle of the picture
    depth: np.ndarray  # (H', W') 0 to 1
    parallax: float


def draw_things(
    rng: Generator, material: Material, length: int, area: Area, camera: Camera, most: int
) -> list[Thing]:
    """One to ``most`` objects, each of one or two things, with all that goes about them."""
    usual = [0.42, 0.27, 0.15, 0.08, 0.04, 0.02, 0.01, 0.01][:most]
    count = 1 + int(rng.choice(len(usual), p=np.array(usual) / sum(usual)))
    side = min(area)
    objects, others = [], []
    for label in range(1, count + 1):
        size = side * log_uniform(rng, 0.1, 0.8) / count**0.25
        thing = _placed(rng, draw_look(rng, material, length, size), label, area, camera)
        keep_in_view(rng, thing.path, area)
        objects.append(thing)
        if rng.uniform() < 0.12:
            objects.append(_part(rng, material, thing, size))
        if rng.uniform() < 0.12:
            leave_for_a_while(rng, thing.path, area)
        if rng.uniform() < 0.25:
            others.append(_cover(rng, material, thing, size))
    others += _distractors(rng, material, objects, length, area, camera)
    things = objects + others
    things = [things[i] for i in rng.permutation(len(things))]
    if rng.uniform() < 0.2:
        things += [_wandering(rng, material, length, area)]
    return things


def _placed(rng: Generator, look: Look, label: int, area: Area, camera: Camera) -> Thing:
    """A thing on a path of its own that follows the camera's view more or less."""
    calm = 0.4 if rng.uniform() < 0.3 else 1.0
    path = draw_path(rng, len(camera.x), area, calm=calm)
    share = rng.choice([0.0, 1.0, rng.uniform()])
    path.x += share * camera.x
    path.y += share * camera.y
    thing = make_thing(rng, look, path, label)
    thing.reflects = rng.uniform(0.15, 0.6) if rng.uniform() < 0.12 else 0.0
    return thing


def _part(rng: Generator, material: Material, thing: Thing, size: float) -> Thing:
    """A second thing that belongs to an object: what it carries, wears or rides."""
    length = len(thing.path.x)
    look = draw_look(rng, material, length, size * rng.uniform(0.4, 1))
    own = draw_path(rng, length, (1, 1), at=(0, rng.normal(0, 0.35) * size), calm=0.1)
    path = replace(own, x=own.x * size * 0.2 + thing.path.x, y=own.y + thing.path.y)
    other = make_thing(rng, look, path, thing.label, calm=0.3)
    other.shutter = thing.shutter
    return other


def _cover(rng: Generator, material: Material, thing: Thing, size: float) -> Thing:
    """What half hides an object and then, in some, goes away: hidden surface comes to light."""
    length = len(thing.path.x)
    look = draw_look(rng, material, length, size * rng.uniform(0.5, 1.1))
    away = rng.normal(0, 0.12, 2) * size * np.linspace(0, 1, length)[:, None] * length / 4
    start = rng.normal(0, 0.45, 2) * size
    path = draw_path(rng, length, (1, 1), at=(0, 0), calm=0.1)
    path = replace(
        path, x=thing.path.x[0] + start[0] + away[:, 0], y=thing.path.y[0] + start[1] + away[:, 1]
    )
    if rng.uniform() < 0.5:  # both move on
        path.x, path.y = (
            path.x + thing.path.x - thing.path.x[0],
            path.y + thing.path.y - thing.path.y[0],
        )
    return make_thing(rng, look, path, 0, calm=0.5)


def _distractors(
    rng: Generator,
    material: Material,
    objects: list[Thing],
    length: int,
    area: Area,
    camera: Camera,
) -> list[Thing]:
    """Things that are no objects; many are of an object's kind, and some clips have a crowd."""
    is_crowd = rng.uniform() < 0.12
    count = (
        int(rng.integers(5, 10)) if is_crowd else int(rng.choice(5, p=[0.3, 0.25, 0.2, 0.15, 0.1]))
    )
    found = []
    for _ in range(count):
        if rng.uniform() < (0.7 if is_crowd else 0.4):
            look = _alike(rng, objects[rng.integers(len(objects))].look)
        else:
            look = draw_look(rng, material, length, min(area) * log_uniform(rng, 0.08, 0.55))
        found.append(_placed(rng, look, 0, area, camera))
    return found


def _alike(rng: Generator, look: Look) -> Look:
    """Another one of the kind: mirrored, a little differently coloured, at another moment."""
    flip, seed = rng.uniform() < 0.5, int(rng.integers(1 << 31))
    strength = rng.choice([0.0, 0.15, 0.4])
    start = int(rng.integers(len(look.pictures)))
    done: dict[int, np.ndarray] = {}
    for picture in look.pictures:
        if id(picture) not in done:
            changed = np.ascontiguousarray(picture[:, ::-1]) if flip else picture
            done[id(picture)] = recoloured(np.random.default_rng(seed), changed, strength)
    pictures = [done[id(picture)] for picture in look.pictures]
    return Look(pictures[start:] + pictures[:start][::-1])


def _wandering(rng: Generator, material: Material, length: int, area: Area) -> Thing:
    """Something large that passes in front of everything."""
    look = draw_look(rng, material, length, min(area) * log_uniform(rng, 0.2, 0.6))
    path = draw_path(rng, length, area)
    way = np.linspace(-0.6, 1.6, length) * area[1]
    path.x = way if rng.uniform() < 0.5 else way[::-1].copy()
    thing = make_thing(rng, look, path, 0)
    thing.defocus = rng.uniform(0, 4)
    return thing


def draw_stage(rng: Generator, material: Material, area: Area) -> Scene:
    """A photograph, larger than the picture, without things yet."""
    photo = read_photograph(material.photographs[rng.integers(len(material.photographs))])
    height, width = area
    least = max(height / photo.shape[0], width / photo.shape[1])
    factor = least / log_uniform(rng, 0.3, 1.0)
    factor = max(min(factor, 1.3) if rng.uniform() < 0.9 else factor, 1.02 * least)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    stage = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=how)
    stage = stage.astype(np.float32) / 255
    if rng.uniform() < 0.3:
        stage = recoloured(rng, stage, 0.3)
    if rng.uniform() < 0.5:
        stage = stage[:, ::-1]
    if rng.uniform() < 0.3:
        stage = cv2.GaussianBlur(stage, (0, 0), rng.uniform(0.6, 3.0))
    rows, columns = stage.shape[:2]
    focus = (
        rng.uniform(width / 2, max(width / 2 + 1, columns - width / 2)),
        rng.uniform(height / 2, max(height / 2 + 1, rows - height / 2)),
    )
    coarse = rng.uniform(0, 1, (4, 6)).astype(np.float32)
    depth = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    parallax = rng.uniform(0, 0.5) if rng.uniform() < 0.6 else 0.0
    return Scene([], np.ascontiguousarray(stage), focus, depth, parallax)


@dataclass
class Light:
    """What the camera makes of a picture; (T,) where it changes."""

    gain: np.ndarray  # (T, 3)
    shade: np.ndarray | None  # (2 H, 2 W) a pattern of light that drifts over the picture
    shade_at: np.ndarray  # (T, 2) top, left
    noise: float
    softness: float  # pixels
    shutter: float  # of the camera's own motion
    shadow: float  # how dark the shadows of things are
    shadow_at: tuple[int, int]  # down, right
    shadow_blur: float


def draw_light(rng: Generator, length: int, area: Area) -> Light:
    side, (height, width) = min(area), area
    gain = np.exp(smooth(rng, length, rng.uniform(0, 0.25), rng.uniform(5, 20)))
    gain = gain[:, None] * np.exp(rng.normal(0, 0.06, 3))
    if rng.uniform() < 0.1:  # a lamp, a cloud, another exposure: all of a sudden
        start, stop = np.sort(rng.integers(1, length + 6, 2))
        gain[start:stop] *= np.exp(rng.normal(0, 0.4) + rng.normal(0, 0.08, 3))
    shade = None
    if rng.uniform() < 0.4:
        coarse = rng.uniform(0.6, 1.3, (3, 4)).astype(np.float32)
        shade = cv2.resize(coarse, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    at = [s / 2 + smooth(rng, length, s / 2, 12) for s in (height, width)]
    return Light(
        gain.astype(np.float32),
        shade,
        np.stack([np.clip(a, 0, s) for a, s in zip(at, (height, width), strict=True)], 1).astype(
            int
        ),
        rng.uniform(0, 0.035) if rng.uniform() < 0.6 else 0.004,
        rng.uniform(0.3, 1.1) if rng.uniform() < 0.4 else 0.0,
        rng.uniform(0, 0.5) if rng.uniform() < 0.4 else 0.0,
        rng.uniform(0.2, 0.65) if rng.uniform() < 0.5 else 0.0,
        (int(rng.uniform(0, 0.12) * side), int(rng.normal(0, 0.06) * side)),
        rng.uniform(1, 6),
    )
