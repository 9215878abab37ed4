"""Synthetic videos with exact labels: who is in one, what happens, and its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mavos.dataloaders.synthetic import motion
from mavos.dataloaders.synthetic import objects as things
from mavos.dataloaders.synthetic.motion import Visit
from mavos.utils.errors import unknown_name

_TRIES = 30  # to find a video that can be followed; the last one is taken as it is


@dataclass(frozen=True)
class SyntheticVideo:
    """A video and what is in it."""

    frames: np.ndarray  # (T, H, W, 3) uint8 RGB
    labels: np.ndarray  # (T, H, W) uint8 object ids 1..N, 0 elsewhere


@dataclass(frozen=True)
class Story:
    """What happens in a video; pairs are the least and the most, both included."""

    objects: tuple[int, int] = (1, 3)
    distractors: tuple[int, int] = (0, 3)  # things without a label
    twins: float = 0.25  # chance that a distractor has the shape of object 1
    late: bool = False  # the last object is not there at first
    away: float = 0.25  # chance that an object leaves the picture and comes back
    stay: tuple[int, int] = (9, 16)  # frames in the picture before leaving
    absence: tuple[int, int] = (5, 9)  # frames out of the picture
    turn: float = 0.04  # most that hues change in the course of the video, in turns
    changes: float = 0.15  # most that brightness and size change, natural logarithm
    decoy: bool = False  # object 1 changes and leaves; a distractor is near to its first look


STORIES = {
    "usual": Story(),
    "late": Story(objects=(2, 3), late=True),
    "changing": Story(away=0.6, stay=(7, 12), absence=(2, 6), turn=0.3, changes=0.4, twins=0.5),
    "return_soon": Story(
        objects=(1, 2),
        distractors=(1, 2),
        stay=(7, 9),
        absence=(2, 5),
        turn=0.3,
        changes=0.4,
        decoy=True,
    ),
    "long": Story(
        objects=(2, 3),
        distractors=(1, 2),
        away=1,
        stay=(35, 70),
        absence=(10, 30),
        turn=0.1,
        changes=0.3,
    ),
    "return": Story(
        objects=(1, 2),
        distractors=(1, 2),
        stay=(38, 46),
        absence=(44, 52),
        turn=0.35,
        changes=0.4,
        decoy=True,
    ),
}
_DECOY_HUE = 0.12  # from the first hue of object 1, in turns, away from where that one drifts
_SHORT_STAY = 15  # frames; to be out again by then a thing has to start by a border


@dataclass
class _Role:
    """What one thing is and does, before its poses are worked out."""

    label: int  # object id, 0 for a distractor
    radius: float  # of a circle of the same area, in sides
    hue: float  # of its texture, in turns
    skin_seed: int  # of its texture
    shift: float  # of the hue at first, in turns
    turn: float  # of the hue in the course of the video, in turns
    shape: things.Shape
    visits: list[Visit]
    start: np.ndarray | None  # (2,) x, y in sides; None: from beyond the border


@dataclass(frozen=True)
class _Actor:
    """One thing of a video, ready to be drawn."""

    role: _Role
    poses: tuple[things.Pose | None, ...]  # one per frame; None: it is not there


def render_video(
    seed: int | Sequence[int],
    length: int,
    size: tuple[int, int] = (256, 256),
    objects: int | None = None,
    story: str = "usual",
) -> SyntheticVideo:
    """The video of a seed; the same arguments give the same pixels.

    length: frames, 8 at least. size: (H, W), 32 at least. objects: 1 to 3; None: as many as the
    story draws. story: of ``STORIES``; UserError for another.
    """
    if story not in STORIES:
        raise unknown_name("story", story, STORIES)
    if length < 8 or min(size) < 32:
        raise ValueError(f"a video has 8 frames of 32x32 at least, not {length} of {size}")
    plot = STORIES[story]
    if objects is not None:
        plot = replace(plot, objects=(objects, objects))
    rng = np.random.default_rng(seed)
    for _ in range(_TRIES):
        cast = _cast(rng, plot, length, size)
        if _can_be_followed(cast, size):
            break
    return _film(rng, cast, length, size)


def _cast(
    rng: np.random.Generator, plot: Story, length: int, size: tuple[int, int]
) -> list[_Actor]:
    """The things of a video, from the back to the front."""
    side = min(size)
    area = (size[1] / side, size[0] / side)
    roles = _roles(rng, plot, length, area)
    actors = []
    for role in roles:
        path, first = np.full((length, 2), np.nan), role.start
        for visit in role.visits:
            where = slice(visit.start, visit.stop)
            path[where] = motion.visit_path(rng, visit, area, role.radius, first)
            first = None
        poses = _poses(rng, plot if role.label else Story(), role, path * side, role.radius * side)
        actors.append(_Actor(role, poses))
    return [actors[k] for k in rng.permutation(len(actors))]


def _roles(
    rng: np.random.Generator, plot: Story, length: int, area: tuple[float, float]
) -> list[_Role]:
    """Objects 1..N, then distractors."""
    num_objects = int(rng.integers(*plot.objects, endpoint=True))
    count = num_objects + int(rng.integers(*plot.distractors, endpoint=True))
    radii = rng.uniform(0.11, 0.155, count) * (1 - 0.06 * (num_objects - 1))
    # a circle of hues shared out, so that no two things of a video have quite the same
    hues = rng.uniform() + (rng.permutation(count) + rng.uniform(-0.2, 0.2, count)) / count
    starts = motion.apart(rng, area, radii)
    roles = []
    for k in range(count):
        label = k + 1 if k < num_objects else 0
        shape = things.Shape.random(rng)
        if not label and rng.uniform() < plot.twins:
            shape = roles[0].shape
        leaves = k == 0 if plot.decoy else bool(label) and rng.uniform() < plot.away
        visits = _visits(rng, plot, length, leaves)
        turn = plot.turn * rng.uniform(-1, 1) if label else 0.02
        if leaves and visits[0].stop < _SHORT_STAY:
            starts[k] = motion.near_border(starts[k], area, radii[k])
        skin_seed = int(rng.integers(1 << 32))
        roles.append(
            _Role(label, radii[k], hues[k], skin_seed, 0.0, turn, shape, visits, starts[k])
        )
    if plot.late:
        last = roles[num_objects - 1]
        last.visits = [Visit(int(rng.integers(length // 5, length // 2)), length)]
        last.start = motion.just_inside(rng, area, last.radius)
    if plot.decoy:
        hero, decoy = roles[0], roles[num_objects]
        hero.turn = rng.choice([-1, 1]) * plot.turn * rng.uniform(0.75, 1)
        decoy.radius, decoy.shape = hero.radius, hero.shape
        decoy.hue, decoy.skin_seed = hero.hue, hero.skin_seed
        decoy.shift = -np.sign(hero.turn) * _DECOY_HUE
        decoy.visits, decoy.start = [Visit(min(length // 8, 12), length)], None
    return roles


def _visits(rng: np.random.Generator, plot: Story, length: int, leaves: bool) -> list[Visit]:
    """When a thing is in the picture; the last visit lasts to the end."""
    visits, start = [], 0
    while leaves:
        stop = start + int(rng.integers(*plot.stay, endpoint=True))
        back = stop + int(rng.integers(*plot.absence, endpoint=True))
        if back > length - 8:
            break
        visits.append(Visit(start, stop, leaves=True))
        start = back
    return [*visits, Visit(start, length)]


def _poses(
    rng: np.random.Generator, plot: Story, role: _Role, path: np.ndarray, radius: float
) -> tuple[things.Pose | None, ...]:
    """Poses on a path (T, 2) in pixels, NaN where the thing is away; ``radius`` in pixels."""
    length = len(path)
    time, leaving = np.arange(length), 0.7 * role.visits[0].stop
    # Most of the change is done before a thing first leaves: the memory of its latest look is then
    # worth more than that of its first.
    done = np.interp(time, [0, leaving, length], [0, 0.85, 1])
    gains = np.exp(rng.uniform(-1, 0.6) * plot.changes * done + motion.wobble(rng, length, 0.05))
    growth = rng.uniform(0.2, 0.7) * plot.changes * rng.choice([-1, 1])
    radii = radius * np.exp(growth * done + motion.wobble(rng, length, 0.08))
    angles = rng.uniform(0, 2 * np.pi) + rng.uniform(-0.08, 0.08) * time
    angles += motion.wobble(rng, length, 0.4)
    return tuple(
        None
        if np.isnan(path[t, 0])
        else things.Pose(
            x=path[t, 0],
            y=path[t, 1],
            radius=radii[t],
            angle=angles[t],
            time=t,
            colours=things.colour_change(role.shift + role.turn * done[t], gains[t]),
        )
        for t in range(length)
    )


def _can_be_followed(cast: list[_Actor], size: tuple[int, int]) -> bool:
    """Whether every object is met with most of it in view, and is not hidden for long later on."""
    for actor in (actor for actor in cast if actor.role.label):
        around = [t for t, pose in enumerate(actor.poses) if pose is not None]
        if _share_in_view(cast, actor, around[0], size) < 0.6:
            return False
        inner = [t for t in around[::3] if _is_inside(actor.poses[t], size)]
        hidden = sum(_share_in_view(cast, actor, t, size) < 0.25 for t in inner)
        if hidden > 0.12 * len(inner):
            return False
    return True


def _is_inside(pose: things.Pose, size: tuple[int, int]) -> bool:
    return 0 <= pose.x < size[1] and 0 <= pose.y < size[0]


def _share_in_view(cast: list[_Actor], actor: _Actor, t: int, size: tuple[int, int]) -> float:
    """Share of an object's area that is in the picture and not covered, 0 to 1, at frame t."""
    labels = np.zeros(size, np.uint8)
    for other in cast:
        if other.poses[t] is not None:
            things.draw(labels, other.role.label, other.role.shape, other.poses[t])
    return np.count_nonzero(labels == actor.role.label) / (np.pi * actor.poses[t].radius ** 2)


def _film(
    rng: np.random.Generator, cast: list[_Actor], length: int, size: tuple[int, int]
) -> SyntheticVideo:
    """Draw the frames: the things over a background that drifts, light that changes, and grain."""
    height, width = size
    spare = min(size) // 4
    stage_size = (height + 2 * spare, width + 2 * spare)
    colours = things.background_colours(rng, [actor.role.hue for actor in cast])
    stage = things.texture(rng, stage_size, colours, rng.uniform(5, 10))
    skins = [_skin(actor.role, min(size)) for actor in cast]
    shifts = [spare + motion.wobble(rng, length, 0.8 * spare, rng.uniform(30, 90)) for _ in "xy"]
    lights = 1 + motion.wobble(rng, length, 0.08)
    # one sheet of noise, shifted at random: fresh noise would take longer than all the rest
    grain = rng.standard_normal((height + 32, width + 32, 3), dtype=np.float32)
    grain *= np.float32(rng.uniform(2, 5))
    frames = np.empty((length, height, width, 3), np.uint8)
    labels = np.zeros((length, height, width), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for t in range(length):
        window = np.float32([[1, 0, shifts[0][t]], [0, 1, shifts[1][t]]])
        picture = cv2.warpAffine(stage, window, (width, height), flags=flags)
        for actor, skin in zip(cast, skins, strict=True):
            if actor.poses[t] is not None:
                role, pose = actor.role, actor.poses[t]
                things.draw(labels[t], role.label, role.shape, pose, picture, skin)
        y, x = rng.integers(0, 33, 2)
        picture *= np.float32(lights[t])
        picture += grain[y : y + height, x : x + width]
        frames[t] = np.clip(picture + np.float32(0.5), 0, 255, out=picture)
    return SyntheticVideo(frames, labels)


def _skin(role: _Role, side: int) -> np.ndarray:
    return things.skin(np.random.default_rng(role.skin_seed), role.radius * side, role.hue)
