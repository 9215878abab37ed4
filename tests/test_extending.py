"""The examples of docs/extending.md run as they stand there, and do what they say."""

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mavos.configs.models import MODELS
from mavos.dataloaders.listings.datasets import EVAL_DATASETS
from mavos.dataloaders.listings.eval_datasets import list_videos
from mavos.networks import METHODS
from mavos.networks.encoders import ENCODERS
from mavos.networks.lstt.memory import Entry
from mavos.networks.segmenter import one_hot
from mavos.utils.paths import PROJECT

PAGE = (PROJECT / "docs/extending.md").read_text(encoding="utf-8")
BLUE, GREY = (40, 60, 220), (120, 120, 120)


@pytest.fixture(autouse=True)
def registries_as_they_were() -> Iterator[None]:
    registries = METHODS, MODELS, ENCODERS, EVAL_DATASETS
    before = [dict(registry) for registry in registries]
    yield
    for registry, rows in zip(registries, before, strict=True):
        registry.clear()
        registry.update(rows)


def example(title: str) -> dict:
    """What the code under a heading defines."""
    (text,) = (part for part in PAGE.split("\n## ") if part.startswith(f"{title}\n"))
    names: dict = {"__name__": "example"}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), names)
    return names


def picture(left: int) -> tuple[np.ndarray, np.ndarray]:
    """A blue square on grey, and its mask."""
    mask = np.zeros((64, 96), np.uint8)
    mask[16:48, left : left + 32] = 1
    return np.where(mask[..., None] > 0, BLUE, GREY).astype(np.uint8), mask


def test_a_method_is_driven_by_what_drives_the_others():
    tracker = example("A method")["tracker"]
    tracker.add(*picture(left=8))
    frame, mask = picture(left=48)
    found = tracker.step(frame)
    wrong = (found.labels != mask).mean()
    assert wrong < 0.02 and found.presence[1] > 0.5
    second = np.zeros_like(mask)
    second[:8, :8] = 2
    assert set(tracker.add(frame, second).ids) == {1, 2}


def test_a_dataset_is_found_and_its_first_masks_are_given(tmp_path: Path):
    example("A dataset")
    for kind in ("frames", "masks"):
        (tmp_path / "Night" / kind / "owl").mkdir(parents=True)
    for index in range(2):
        for kind, image in zip(("frames", "masks"), picture(8 * index), strict=True):
            cv2.imwrite(str(tmp_path / "Night" / kind / f"owl/{index:05d}.png"), image)
    (tmp_path / "Night/val.txt").write_text("owl\n")
    (video,) = list_videos("night", None, tmp_path)
    assert (video.name, video.error, video.length) == ("owl", None, 2)
    assert list(video.masks) == ["00000"]


def test_an_encoder_states_what_it_gives_and_a_network_uses_it():
    names = example("An encoder")
    encoder, network = names["Plain"](torch.nn.BatchNorm2d), names["network"].eval()
    maps = encoder(torch.zeros(1, 3, 65, 97))
    assert tuple(m.shape[1] for m in maps) == encoder.channels
    assert [m.shape[-2:] for m in maps] == [(64 // s + 1, 96 // s + 1) for s in encoder.strides]
    mask = one_hot(torch.from_numpy(picture(8)[1])[None], 1)
    with torch.inference_mode():
        feats = network.encode(torch.zeros(1, 3, 65, 97))
        out = network.segment(feats, network.start(feats, mask), (64, 96))
    assert out.logits.shape == (1, 2, 64, 96)


def test_a_fusion_operator_takes_in_the_old_frame():
    fusion = example("A fusion operator")["fusion"].eval()
    torch.manual_seed(0)
    new, old, other = (Entry(torch.randn(1, 12, 32), torch.randn(1, 12, 256)) for _ in range(3))
    fused, otherwise = fusion(new, old, (3, 4)), fusion(new, other, (3, 4))
    for part in range(2):
        assert fused[part].shape == new[part].shape
        assert not torch.equal(fused[part], otherwise[part])
