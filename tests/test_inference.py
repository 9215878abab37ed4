"""The inference form and the processor's settings change the speed, not the numbers."""

import pytest
import torch

import configs
from configs.models import MODELS
from networks import build_model
from networks.inference import for_inference
from networks.segmenter import one_hot
from utils import device as devices


def logits_and_memory(model, image):
    labels = (torch.arange(image.shape[-1]) * 3 // image.shape[-1]).expand(1, *image.shape[-2:])
    mask = one_hot(labels, 2)
    memory = model.start(model.encode(image), mask)
    for _ in range(3):
        out = model.segment(model.encode(image.flip(-1)), memory, (60, 70))
        memory = model.memorize(out, mask, memory)
    return out.logits, memory.long_term[0].values


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_the_inference_form_is_the_same_function(name: str):
    torch.manual_seed(0)
    model = build_model(configs.load(name, overrides=["model.test_memory_gap=1"]).model).eval()
    for module in model.modules():  # statistics that make a difference
        if hasattr(module, "running_var"):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    extra = 1 if model.align_corners else 0
    image = torch.randn(1, 3, 64 + extra, 80 + extra)
    fast = for_inference(model)
    assert not any("BatchNorm" in type(m).__name__ for m in fast.modules())
    expected, ours = logits_and_memory(model, image), logits_and_memory(fast, image)
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_the_original_stays_as_it_is():
    model = build_model(configs.load("mavos_nano").model)
    keys = model.state_dict().keys()
    for_inference(model)
    assert model.state_dict().keys() == keys and model.training


@pytest.fixture
def matmul_settings():
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if settings is None:
        yield None
        return
    before = settings.fp32_precision
    yield settings
    settings.fp32_precision = before


def test_products_stay_exact(matmul_settings):
    devices.route_products_to_onednn()
    a, b = torch.randn(700, 300), torch.randn(300, 900)
    torch.testing.assert_close((a @ b).double(), a.double() @ b.double(), atol=1e-4, rtol=1e-5)


def test_an_inexact_processor_keeps_its_usual_products(matmul_settings):
    before = matmul_settings and matmul_settings.fp32_precision
    assert not devices.route_products_to_onednn(tolerance=0.0)  # no processor is that exact
    assert (matmul_settings and matmul_settings.fp32_precision) == before
