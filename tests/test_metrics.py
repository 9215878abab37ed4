"""J, F and their statistics equal what the official toolkit of DAVIS computes."""

import json

import numpy as np
import pytest
from shared_data import shared

from mavos.dataloaders.media.mask_files import list_masks, read_mask
from mavos.scoring.metrics import (
    boundary_accuracy,
    boundary_map,
    boundary_radius,
    region_similarity,
    statistics,
)

EXACT = {"abs": 1e-9, "rel": 0}


def _json(*parts: str) -> dict:
    return json.loads(shared("metrics", *parts).read_text())


def test_single_pairs_of_masks_equal_the_toolkit():
    folder = shared("metrics", "boundary", "masks")
    for case in _json("boundary", "expected.json")["cases"]:
        truth, predicted = (
            read_mask(folder / f"{case['name']}_{which}.png") > 0 for which in ("gt", "pred")
        )
        size, tolerance = truth.shape, case["bound_th"]
        # 1 and more are pixels already
        radius = boundary_radius(*size, tolerance) if tolerance < 1 else tolerance
        assert size == (case["height"], case["width"])
        assert radius == case["bound_pix"], case["name"]
        assert np.count_nonzero(boundary_map(truth)) == case["gt_boundary_pixels"]
        assert np.count_nonzero(boundary_map(predicted)) == case["pred_boundary_pixels"]
        assert region_similarity(predicted, truth) == pytest.approx(case["J"], **EXACT)
        assert boundary_accuracy(predicted, truth, radius) == pytest.approx(case["F"], **EXACT)
        if tolerance == 0.008:
            assert boundary_accuracy(predicted, truth) == pytest.approx(case["F"], **EXACT)


def test_radius_is_that_of_the_toolkit_at_every_size():
    for size, radius in _json("boundary", "expected.json")["bound_pix_by_size"].items():
        width, height = map(int, size.split("x"))
        assert boundary_radius(height, width) == radius, size


@pytest.mark.parametrize(
    ("case", "sequence"),
    [("osvos", "bmx-trees"), ("ids_swapped", "composite-3obj"), ("dilate", "car-shadow")],
)
def test_frames_of_a_video_equal_the_toolkit(case, sequence):
    dataset = "DAVIS17" if sequence == "composite-3obj" else "DAVIS"
    truths = list_masks(shared("data", dataset, "Annotations", "480p", sequence))
    predictions = list_masks(shared("metrics", "davis", "pred", case, sequence))
    frames = [(read_mask(predictions[name]), read_mask(truths[name])) for name in truths][1:-1]
    objects = _json("davis", "expected", f"{case}.json")["objects"]
    for name, expected in objects.items():
        if name.rpartition("_")[0] != sequence:
            continue
        n = int(name.rpartition("_")[2])
        for measure, key in ((region_similarity, "J"), (boundary_accuracy, "F")):
            values = [measure(predicted == n, truth == n) for predicted, truth in frames]
            assert values == pytest.approx(expected[key]["per_frame"], **EXACT), (name, key)
            of_toolkit = [expected[key][what] for what in ("mean", "recall", "decay")]
            assert statistics(values) == pytest.approx(of_toolkit, **EXACT)


def test_statistics_equal_the_toolkit_and_go_on_where_it_wraps():
    for vector in _json("statistics", "davis.json")["vectors"]:
        values = [float("nan") if value is None else value for value in vector["values"]]
        decay = vector.get("decay_without_8bit_wrap", vector["decay"])
        expected = (vector["mean"], vector["recall"], decay)
        assert statistics(values) == pytest.approx(expected, **EXACT), vector["n"]
    with pytest.raises(ValueError, match="no values"):
        statistics([])


def _plain_boundary_accuracy(predicted: np.ndarray, truth: np.ndarray, radius: int) -> float:
    """F from the distance between every two boundary pixels."""
    a, b = np.argwhere(boundary_map(predicted)), np.argwhere(boundary_map(truth))
    if not len(a) or not len(b):
        return float(len(a) == len(b))
    near = ((a[:, None] - b[None]) ** 2).sum(-1) <= radius**2
    precision, recall = near.any(1).mean(), near.any(0).mean()
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def test_looking_at_a_part_of_the_picture_changes_nothing():
    random = np.random.default_rng(0)
    for trial in range(300):
        masks = np.zeros((2, 23, 31), bool)
        for mask in masks:
            for _ in range(random.integers(0, 3)):
                top, left = random.integers(0, 23), random.integers(0, 31)
                mask[top : top + random.integers(1, 12), left : left + random.integers(1, 12)] ^= (
                    True
                )
        radius = int(random.integers(1, 5))
        plain = _plain_boundary_accuracy(*masks, radius)
        assert boundary_accuracy(*masks, radius) == pytest.approx(plain, **EXACT), trial


def test_empty_and_full_masks():
    empty, full = np.zeros((9, 9), bool), np.ones((9, 9), bool)
    for a, b, j, f in [(empty, empty, 1, 1), (full, empty, 0, 1), (full, full, 1, 1)]:
        assert (region_similarity(a, b), boundary_accuracy(a, b)) == (j, f)


@pytest.mark.parametrize("measure", [region_similarity, boundary_accuracy])
def test_masks_of_ids_or_of_two_sizes_are_refused(measure):
    mask = np.zeros((4, 6), bool)
    with pytest.raises(ValueError, match="bool"):
        measure(mask.astype(np.uint8), mask)
    with pytest.raises(ValueError, match=r"\(4, 5\)"):
        measure(mask[:, :5], mask)
