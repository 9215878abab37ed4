"""Crops, colours and motions: picture and labels stay together, identities are consecutive."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tv
from train_data import colours_of

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.clips import colour
from mavos.dataloaders.clips.augment import FILL, augment, draw_crop
from mavos.dataloaders.clips.clip_objects import keep_objects
from mavos.dataloaders.clips.static_motion import static_clip

# what has no colours changed can be compared with its labels
PLAIN = TrainConfig(augmentation="v1", short_edge=96, min_object_pixels=20, clip_length=3)
NO_COLOURS = colour.ColourRanges(0, 0, 0, 0)


def scene(size=(80, 120)) -> np.ndarray:
    """(H, W) uint8 with objects 1, 2 and 3, of which 3 is small."""
    labels = np.zeros(size, np.uint8)
    labels[10:50, 8:50] = 1
    labels[30:70, 60:110] = 2
    labels[2:7, 100:105] = 3
    return labels


def check_aligned(image: np.ndarray, labels: np.ndarray, wrong: float = 0.03) -> None:
    """That colours are those of labels but along edges and in the padding."""
    far = np.abs(image.astype(int) - colours_of(labels)).max(axis=-1) > 60
    padding = np.abs(image.astype(int) - FILL).max(axis=-1) < 3
    assert (far & ~padding).mean() < wrong
    assert not labels[padding].any()


@pytest.mark.parametrize("side", [64, 129])
def test_crops_of_picture_and_labels_agree(side):
    images, labels = [colours_of(scene())] * 3, [scene()] * 3
    flips = pads = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        # object 3 stays, so that no identity has a new colour
        train = replace(PLAIN, min_object_pixels=0)
        clip = augment(images, labels, ("f",), train, side, 10, rng)
        assert [picture.shape for picture in clip.images] == [(side, side, 3)] * 3
        if clip.num_objects == 3:
            check_aligned(clip.images[0], clip.labels[0])
        else:
            check_aligned(clip.images[0] * 0 + colours_of(clip.labels[0]), clip.labels[0])
        for picture, found in zip(clip.images, clip.labels, strict=True):  # one draw for all
            assert (picture == clip.images[0]).all() and (found == clip.labels[0]).all()
        columns = [np.flatnonzero((clip.labels[0] == i).any(axis=0)) for i in (1, 2)]
        if clip.num_objects == 3:
            flips += columns[0].mean() > columns[1].mean()
        pads += (clip.images[0] == FILL).all(axis=-1).any()
    assert 0 < flips < 20 or side == 64
    assert (pads > 0) == (side == 129)


def test_crop_is_part_of_the_scaled_frame():
    """Against resizing the whole frame first, as far as rounding to whole pixels allows."""
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
    for seed in range(10):
        crop = draw_crop((100, 200), 1.3, 65, False, np.random.default_rng(seed))
        got = crop.image(ramp)[:, 2:-2, 0].astype(float)
        expected = crop.left + (np.arange(65)[2:-2] + 0.5) / 1.3 - 0.5
        assert np.abs(got - expected).max() < 1.6
        assert 0 <= crop.left <= 200 - crop.width and 0 <= crop.top <= 100 - crop.height


def test_small_and_surplus_objects_are_dropped():
    labels = scene()
    labels[75:] = 255
    rng = np.random.default_rng(0)
    (found,), count = keep_objects([labels], 25, 10, rng)
    assert count == 2 and set(np.unique(found).tolist()) == {0, 1, 2, 255}
    chosen = set()
    for _ in range(20):
        (found,), count = keep_objects([labels], 0, 1, rng)
        assert count == 1 and (found == 255).sum() == (labels == 255).sum()
        chosen.add(int(labels[found == 1][0]))
    assert chosen == {1, 2, 3}


def test_crop_is_tried_again_until_it_shows_an_object():
    labels = np.zeros((100, 300), np.uint8)
    labels[20:60, 280:] = 7
    image = colours_of(labels)

    def shown(tries: int) -> int:
        train = replace(PLAIN, short_edge=100, min_scale=1, max_scale=1, crop_tries=tries)
        clips = (
            augment([image], [labels], (), train, 65, 10, np.random.default_rng(seed))
            for seed in range(30)
        )
        return sum(clip.num_objects for clip in clips)

    assert shown(10) > 1.5 * shown(1) > 0


def as_torchvision(function, image: np.ndarray, *args) -> np.ndarray:
    return function(torch.from_numpy(image).permute(2, 0, 1), *args).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("content", ["noise", "smooth"])
@pytest.mark.parametrize(
    ("ours", "theirs", "values"),
    [
        (colour.brightness, tv.adjust_brightness, (0.6, 1.0, 1.4)),
        (colour.contrast, tv.adjust_contrast, (0.6, 1.4)),
        (colour.saturation, tv.adjust_saturation, (0.8, 1.2)),
        (colour.hue, tv.adjust_hue, (-0.5, -0.1, 0.0, 0.03, 0.1, 0.5)),
    ],
)
def test_colours_are_those_of_torchvision(content, ours, theirs, values):
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    if content == "smooth":
        image = colour.blur(image, 2.0)
    for value in values:
        expected = as_torchvision(theirs, image, value).astype(int)
        assert np.abs(ours(image, value) - expected).max() <= 2


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_blur_is_that_of_torchvision(sigma):
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    side = 2 * int(np.ceil(3 * sigma)) + 1
    expected = as_torchvision(tv.gaussian_blur, image, [side, side], [sigma, sigma])
    assert np.abs(colour.blur(image, sigma) - expected.astype(int)).max() <= 2


def test_looks_come_as_often_as_said():
    rng = np.random.default_rng(0)
    looks = [colour.draw_look(colour.COLOURS_V2, rng) for _ in range(1000)]
    assert 0.76 < np.mean([bool(look.jitter) for look in looks]) < 0.84
    assert 0.16 < np.mean([look.grey for look in looks]) < 0.24
    sigmas = [look.sigma for look in looks if look.sigma]
    assert 0.26 < len(sigmas) / 1000 < 0.34 and min(sigmas) >= 0.1 and max(sigmas) <= 2
    orders = {tuple(name for name, _ in look.jitter) for look in looks}
    assert len(orders) == 25  # of four operations, and none
    hues = [dict(look.jitter)["hue"] for look in looks if look.jitter]
    assert -0.1 <= min(hues) < -0.09 and 0.09 < max(hues) <= 0.1


def test_v2_changes_colours_of_all_frames_alike():
    images, labels = [colours_of(scene())] * 2, [scene()] * 2
    changed = 0
    for seed in range(10):
        v1 = augment(images, labels, (), PLAIN, 64, 10, np.random.default_rng(seed))
        train = replace(PLAIN, augmentation="v2")
        v2 = augment(images, labels, (), train, 64, 10, np.random.default_rng(seed))
        assert (v1.labels[0] == v2.labels[0]).all()
        assert (v2.images[0] == v2.images[1]).all()
        changed += (v1.images[0] != v2.images[0]).any()
    assert changed >= 7


@pytest.mark.parametrize("size", [(80, 120), (300, 450), (40, 60)])
def test_static_clip_moves_picture_and_labels_together(size, monkeypatch):
    monkeypatch.setattr("mavos.dataloaders.clips.static_motion.COLOURS_STATIC_V1", NO_COLOURS)
    labels = np.zeros(size, np.uint8)
    height, width = size
    labels[height // 4 : height // 2, width // 6 : width // 2] = 1
    labels[height // 2 :, width // 2 : width * 3 // 4] = 2
    train = replace(PLAIN, min_object_pixels=0, clip_length=6)
    clip = static_clip(colours_of(labels), labels, "f", train, 65, 10, np.random.default_rng(1))
    assert clip.num_objects == 2 and len(clip.images) == len(clip.labels) == 6
    for image, found in zip(clip.images, clip.labels, strict=True):
        assert image.shape == (65, 65, 3) and found.shape == (65, 65)
        check_aligned(image, found, wrong=0.1)
    assert (clip.labels[0] != clip.labels[1]).any()
    assert any((image == FILL).all(axis=-1).any() for image in clip.images[1:])
    assert not (clip.images[0] == FILL).all(axis=-1).any()


def test_static_colours_change_from_frame_to_frame():
    image = np.full((80, 120, 3), 120, np.uint8)
    labels = scene()
    for augmentation in ("v1", "v2"):
        train = replace(PLAIN, augmentation=augmentation, clip_length=6)
        clip = static_clip(image, labels, "f", train, 65, 10, np.random.default_rng(0))
        assert len({int(picture[32, 32, 0]) for picture in clip.images}) > 2


def test_static_window_of_a_long_picture_lies_inside():
    image, labels = np.full((40, 300, 3), 9, np.uint8), np.zeros((40, 300), np.uint8)
    train = replace(PLAIN, clip_length=2)
    for seed in range(5):
        clip = static_clip(image, labels, "f", train, 33, 10, np.random.default_rng(seed))
        assert np.abs(clip.images[0].astype(int) - 9).max() < 3 and clip.num_objects == 0
