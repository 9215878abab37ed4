"""Frozen parts of an encoder in training: the same maps, no gradients, nothing left behind."""

import copy

import pytest
import torch
from torch import nn

from mavos.networks.encoders import build_encoder
from mavos.networks.frozen import FrozenParts


def frozen_encoder(name: str, parts: int) -> nn.Module:
    torch.manual_seed(0)
    encoder = build_encoder(name, frozen_bn=True).train()
    encoder.freeze(parts)
    return encoder


def image_of(encoder: nn.Module) -> torch.Tensor:
    extra = int(encoder.align_corners)
    return torch.randn(1, 3, 32 + extra, 64 + extra)


@pytest.mark.parametrize("parts", [2, 9])
@pytest.mark.parametrize("name", ["mobilenetv2", "resnet50"])
def test_the_maps_are_the_same(name, parts):
    encoder = frozen_encoder(name, parts)
    image, before = image_of(encoder), copy.deepcopy(encoder.state_dict())
    with torch.no_grad():
        wanted = encoder(image)
    with FrozenParts(encoder, torch.float32).in_use():
        maps = encoder(image)
    for ours, plain in zip(maps, wanted, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3 * plain.abs().max().item())
    after = encoder.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", ["mobilenetv2", "resnet50", "swin_base"])
def test_what_learns_still_does(name):
    encoder = frozen_encoder(name, 2)
    with FrozenParts(encoder, torch.float32).in_use():
        sum(m.float().square().mean() for m in encoder(image_of(encoder))).backward()
    for key, parameter in encoder.named_parameters():
        assert (parameter.grad is None) != parameter.requires_grad, key


def test_half_precision_is_for_the_frozen_parts_alone():
    encoder = frozen_encoder("mobilenetv2", 9)
    with FrozenParts(encoder, torch.bfloat16).in_use():
        assert {m.dtype for m in encoder(image_of(encoder))} == {torch.bfloat16}
    assert {m.dtype for m in encoder(image_of(encoder))} == {torch.float32}


def test_batch_norm_that_counts_is_left_alone():
    torch.manual_seed(0)
    encoder = build_encoder("mobilenetv2", frozen_bn=False).train()
    encoder.freeze(9)
    before = encoder.features[0][1].running_mean.clone()
    with FrozenParts(encoder, torch.float32).in_use():
        encoder(image_of(encoder))
    assert not torch.equal(encoder.features[0][1].running_mean, before)


def test_copies_made_meanwhile_are_plain():
    encoder = frozen_encoder("mobilenetv2", 9)
    parts = FrozenParts(encoder, torch.bfloat16)
    with parts.in_use():
        pass
    assert "forward" not in vars(copy.deepcopy(encoder))
