"""Input sizes equal the reference's for all recorded cases; normalisation is exact."""

import json

import cv2
import numpy as np
import pytest
import torch
from shared_data import shared

from mavos.dataloaders.inputs import InputRule


def test_sizes_equal_the_recorded_ones() -> None:
    manifest = shared("parity", "schedules", "manifest.json")
    table = json.loads(manifest.read_text())["resize"]
    assert len(table["rows"]) == 72
    for row in table["rows"]:
        case = dict(zip(table["columns"], row, strict=True))
        expected = [tuple(size) for size in case.pop("sizes")]
        size = (case.pop("height"), case.pop("width"))
        rule = InputRule(16, int(case.pop("align_corners")), **case)
        assert rule.sizes(size) == expected, row


@pytest.mark.parametrize("align_corners", [True, False])
def test_sides_are_never_less_than_one_stride(align_corners: bool) -> None:
    smallest = 17 if align_corners else 16
    rule = InputRule(16, int(align_corners), scales=(0.5, 1.0), max_long_edge=1040.0)
    for size in ((1, 1), (3, 2000), (17, 23)):
        for sides in rule.sizes(size):
            assert min(sides) >= smallest
            assert all(side % 16 == smallest - 16 for side in sides)


@pytest.mark.parametrize("size", [(65, 97), (33, 49), (50, 70)])
def test_input_is_the_cubic_resize_normalised_in_double_precision(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    expected = image.astype(np.float32)
    if size != (50, 70):
        expected = cv2.resize(expected, size[::-1], interpolation=cv2.INTER_CUBIC)
    expected = expected.astype(np.float64) / 255 - (0.485, 0.456, 0.406)
    expected = (expected / (0.229, 0.224, 0.225)).transpose(2, 0, 1)
    tensor = InputRule(16, 1).prepare(image, size)
    assert tensor.shape == (3, *size) and tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-6, rtol=0)
