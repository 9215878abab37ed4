"""Pasting the objects of one clip over another."""

import numpy as np

from mavos.dataloaders.clips.clip_objects import Clip
from mavos.dataloaders.clips.object_merging import merge


def clip(value: int, *boxes: tuple[int, int, int, int]) -> Clip:
    """Two frames of one colour with a box (top, bottom, left, right) for each identity."""
    labels = np.zeros((40, 40), np.uint8)
    for identity, (top, bottom, left, right) in enumerate(boxes, start=1):
        labels[top:bottom, left:right] = identity
    image = np.full((40, 40, 3), value, np.uint8)
    return Clip([image, image], [labels, labels.copy()], len(boxes), (str(value),))


def test_second_is_in_front():
    first, second = clip(10, (0, 20, 0, 20), (20, 40, 20, 40)), clip(90, (10, 30, 10, 30))
    second.labels[1][:] = 0
    second.labels[0][0] = 255  # void of the second is not pasted
    merged = merge(first, second, 20, 10, np.random.default_rng(0))
    assert merged.num_objects == 3 and merged.files == ("10", "90")
    assert (merged.labels[0][10:30, 10:30] == 3).all()
    assert (merged.images[0][10:30, 10:30] == 90).all()
    assert (merged.labels[0][0, :20] == 1).all() and (merged.images[0][0] == 10).all()
    assert (merged.labels[1] == first.labels[1]).all()  # the second's object has left
    assert (first.images[0] == 10).all()  # what came in is as it was


def test_hidden_objects_are_dropped_in_all_frames():
    first, second = clip(10, (0, 10, 0, 10), (20, 40, 20, 40)), clip(90, (0, 10, 0, 9))
    second.labels[1][:] = 0
    merged = merge(first, second, 20, 10, np.random.default_rng(0))
    assert merged.num_objects == 2
    assert (merged.labels[0][20:, 20:] == 1).all() and (merged.labels[0][:10, :9] == 2).all()
    assert not merged.labels[1][:10, :10].any()


def test_surplus_objects_are_chosen_at_random():
    first = clip(10, (0, 10, 0, 10), (0, 10, 20, 30))
    second = clip(90, (20, 30, 0, 10), (20, 30, 20, 30))
    rng, seen = np.random.default_rng(0), set()
    for _ in range(40):
        merged = merge(first, second, 20, 2, rng)
        assert merged.num_objects == 2
        assert set(np.unique(merged.labels[0]).tolist()) == {0, 1, 2}
        corners = merged.labels[0][[5, 5, 25, 25], [5, 25, 5, 25]]
        seen.add(tuple(np.flatnonzero(corners).tolist()))
    assert len(seen) == 6  # every pair of the four


def test_more_identities_than_eight_bits_hold():
    rows = [(k // 20 * 3, k // 20 * 3 + 2, k % 20 * 2, k % 20 * 2 + 1) for k in range(200)]
    first, second = clip(10, *rows), clip(90, *[(top + 1, *rest) for top, *rest in rows])
    merged = merge(first, second, 0, 254, np.random.default_rng(0))
    assert merged.num_objects == 254
    assert set(np.unique(merged.labels[0]).tolist()) == set(range(255))


def test_first_without_objects():
    merged = merge(clip(10), clip(90, (0, 20, 0, 20)), 20, 10, np.random.default_rng(0))
    assert merged.num_objects == 1 and (merged.labels[0][:20, :20] == 1).all()
