"""Clips with exact masks, composed of cut-outs and photographs: any folders, any number of clips.

    material = find_material(["cutouts", "bodies*4"], ["photographs"])
    clip = compose(material, seed=0, index=17)

The same material, seed and index give the same pixels.
"""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

from mavos.dataloaders.synthetic.composed.material import Material
from mavos.dataloaders.synthetic.composed.motion import Camera, draw_camera
from mavos.dataloaders.synthetic.composed.scene import (
    Light,
    Scene,
    draw_light,
    draw_stage,
    draw_things,
)
from mavos.dataloaders.synthetic.composed.things import Patch, directional_blur
from mavos.utils.errors import UserError
from mavos.utils.palette import davis_palette

SHAPES = ((16 / 9, 0.6), (4 / 3, 0.25), (1.0, 0.05), (3 / 4, 0.1))  # width / height, how often
LEAST_PIXELS = 150  # of objects, in half of the frames, or another scene is drawn
TRIES = 8


@dataclass(frozen=True)
class ComposedClip:
    """Frames and exact labels of one clip."""

    frames: np.ndarray  # (T, H, W, 3) uint8 RGB
    labels: np.ndarray  # (T, H, W) uint8, 0 where no object is


def compose(
    material: Material,
    seed: int,
    index: int,
    length: int = 16,
    side: int = 256,
    most_objects: int = 8,
) -> ComposedClip:
    """Clip ``index`` of ``seed``; side: the shorter one of its pictures, in pixels."""
    if length < 2 or side < 32 or not 1 <= most_objects <= 8:
        raise UserError(
            f"composed clips: length {length}, side {side}, most_objects {most_objects}; expected "
            "2 frames and 32 pixels at least, and 1 to 8 objects"
        )
    for attempt in range(TRIES):
        rng = np.random.default_rng([seed, index, attempt])
        clip = _compose_once(rng, material, length, side, most_objects)
        seen = (clip.labels > 0).sum((1, 2)) > LEAST_PIXELS * (side / 256) ** 2
        if seen.mean() >= 0.5:
            break
    return clip


def _compose_once(
    rng: Generator, material: Material, length: int, side: int, most_objects: int
) -> ComposedClip:
    ratios, shares = zip(*SHAPES, strict=True)
    ratio = rng.choice(ratios, p=shares)
    area = (side, round(side * ratio)) if ratio >= 1 else (round(side / ratio), side)
    camera = draw_camera(rng, length, side)
    scene = draw_stage(rng, material, area)
    scene.things = draw_things(rng, material, length, area, camera, most_objects)
    light = draw_light(rng, length, area)
    frames = np.empty((length, *area, 3), np.uint8)
    labels = np.zeros((length, *area), np.uint8)
    for t in range(length):
        picture = _background(scene, camera, light, t, area)
        for thing in scene.things:
            patch = thing.draw(t, area)
            if patch is None:
                continue
            if thing.reflects:
                _reflect(picture, patch, thing.reflects)
            if light.shadow and thing.casts_shadow:
                _shade(picture, patch, light)
            _lay(picture, patch)
            region = labels[t, patch.top :, patch.left :]
            height, width = patch.rgba.shape[:2]
            region[:height, :width][patch.rgba[..., 3] > 0.5] = thing.label
        frames[t] = _developed(rng, picture, light, t)
    return ComposedClip(frames, labels)


def _background(
    scene: Scene, camera: Camera, light: Light, t: int, area: tuple[int, int]
) -> np.ndarray:
    """(H, W, 3) what the camera sees of the photograph."""
    y, x = np.mgrid[0 : area[0], 0 : area[1]].astype(np.float32)
    x, y = x - area[1] / 2, y - area[0] / 2
    cos, sin = np.cos(camera.roll[t]) / camera.zoom[t], np.sin(camera.roll[t]) / camera.zoom[t]
    u = (cos * x - sin * y + (scene.focus[0] - camera.x[t])).astype(np.float32)
    v = (sin * x + cos * y + (scene.focus[1] - camera.y[t])).astype(np.float32)
    around = cv2.BORDER_REFLECT_101
    if scene.parallax:
        near = cv2.remap(scene.depth, u, v, cv2.INTER_LINEAR, borderMode=around)
        near *= np.float32(scene.parallax)
        u, v = u - near * np.float32(camera.x[t]), v - near * np.float32(camera.y[t])
    picture = cv2.remap(scene.stage, u, v, cv2.INTER_LINEAR, borderMode=around)
    before, after = max(t - 1, 0), min(t + 1, len(camera.x) - 1)
    motion = np.array([p[after] - p[before] for p in (camera.x, camera.y)]) / 2 * light.shutter
    return directional_blur(picture, motion) if np.hypot(*motion) > 1.5 else picture


def _lay(picture: np.ndarray, patch: Patch, share: float = 1.0) -> None:
    height, width = patch.rgba.shape[:2]
    under = picture[patch.top : patch.top + height, patch.left : patch.left + width]
    over = patch.rgba[: under.shape[0], : under.shape[1]] * np.float32(share)
    under *= 1 - over[..., 3:]
    under += over[..., :3]


def _reflect(picture: np.ndarray, patch: Patch, share: float) -> None:
    """Its mirror image below it, as in water or on a floor; it is no part of the object."""
    rows = np.flatnonzero(patch.rgba[..., 3].max(1) > 0.5)
    if not len(rows):
        return
    mirrored = cv2.GaussianBlur(patch.rgba[: rows[-1] + 1][::-1], (0, 0), 1.0)
    top = patch.top + int(rows[-1])
    if top < len(picture):
        _lay(picture, Patch(top, patch.left, mirrored), share)


def _shade(picture: np.ndarray, patch: Patch, light: Light) -> None:
    """The soft shadow that a thing throws behind itself."""
    dark = light.shadow * cv2.GaussianBlur(patch.rgba[..., 3], (0, 0), light.shadow_blur)
    top, left = patch.top + light.shadow_at[0], patch.left + light.shadow_at[1]
    dark = dark[max(0, -top) :, max(0, -left) :]
    under = picture[max(0, top) :, max(0, left) :][: dark.shape[0], : dark.shape[1]]
    under *= 1 - dark[: under.shape[0], : under.shape[1], None]


def _developed(rng: Generator, picture: np.ndarray, light: Light, t: int) -> np.ndarray:
    """(H, W, 3) uint8: light, focus and noise of the camera."""
    height, width = picture.shape[:2]
    picture *= light.gain[t]
    if light.shade is not None:
        top, left = light.shade_at[t]
        picture *= light.shade[top : top + height, left : left + width, None]
    if light.softness:
        picture = cv2.GaussianBlur(picture, (0, 0), light.softness)
    grain = rng.standard_normal((height // 2, width // 2, 3), np.float32)
    picture += cv2.resize(grain, (width, height)) * np.float32(light.noise)
    return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def write_clips(
    root: Path,
    material: Material,
    seed: int,
    indices: Sequence[int],
    processes: int = 1,
    **options: int,
) -> list[Path]:
    """Write clips as ``root``/JPEGImages/<clip>/00000.jpg and Annotations/<clip>/00000.png.

    Those that are there stay as they are, so that an interrupted call can be made again. options:
    of ``compose``. Returns the folders of pictures.
    """
    write = partial(_write_clip, Path(root), material, seed, options)
    if processes <= 1:
        return [write(index) for index in indices]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(write, indices, chunksize=4))


def _write_clip(root: Path, material: Material, seed: int, options: dict, index: int) -> Path:
    name = f"{seed:02d}_{index:06d}"
    pictures, masks = root / "JPEGImages" / name, root / "Annotations" / name
    if pictures.is_dir():  # made last
        return pictures
    clip = compose(material, seed, index, **options)
    quality = int(np.random.default_rng([seed, index]).integers(55, 96))
    partial_pictures = pictures.with_name(f".{name}")
    for folder in (partial_pictures, masks):
        folder.mkdir(parents=True, exist_ok=True)
    palette = davis_palette().tobytes()
    for t, (frame, labels) in enumerate(zip(clip.frames, clip.labels, strict=True)):
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        (partial_pictures / f"{t:05d}.jpg").write_bytes(data)
        image = Image.fromarray(labels)
        image.putpalette(palette)
        image.save(masks / f"{t:05d}.png")
    return partial_pictures.rename(pictures)
