"""What goes to oneDNN, and what happens where it is not there or not exact."""

import copy
import logging
import pickle
from types import SimpleNamespace

import pytest
import torch
from test_inference import logits_and_memory

from mavos import configs
from mavos.networks import build_model, onednn
from mavos.networks.inference import for_inference

PRIVATE = ("_linear_pointwise", "_convolution_pointwise", "_reorder_linear_weight")


@pytest.fixture
def probed_anew():
    """Probes forget what they found, before and after."""
    probes = onednn.is_exact, onednn.routing_is_exact
    for probe in probes:
        probe.cache_clear()
    yield
    for probe in probes:
        probe.cache_clear()


def routing() -> str | None:
    """Where PyTorch sends its own products; None before 2.9."""
    return getattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision", None)


def test_products_stay_exact():
    onednn.route_products()
    a, b = torch.randn(700, 300), torch.randn(300, 900)
    torch.testing.assert_close((a @ b).double(), a.double() @ b.double(), atol=1e-4, rtol=1e-5)


def test_an_inexact_processor_keeps_its_usual_products(probed_anew, monkeypatch):
    before = routing()
    monkeypatch.setattr(onednn, "TOLERANCE", {torch.float32: 0.0})  # no processor is that exact
    assert not onednn.route_products()
    with onednn.routed:
        assert routing() == before
    assert routing() == before


@pytest.mark.parametrize("exact", [True, False])
def test_how_a_cpu_makes_its_products_is_logged(monkeypatch, caplog, exact):
    exact = exact and routing() is not None
    monkeypatch.setattr(onednn, "routing_is_exact", lambda: exact)
    with caplog.at_level(logging.INFO):
        assert onednn.route_products() == exact
    (line,) = caplog.messages
    assert ("oneDNN, which is exact here" in line) == exact and "fp32 products: " in line


def test_products_are_routed_for_a_while_only():
    before = routing()
    with onednn.routed, onednn.routed:
        within = routing()
    assert routing() == before
    onednn.route_products()
    assert within == routing()


def test_one_switch_for_both_uses(monkeypatch):
    monkeypatch.setattr(onednn, "_allowed", True)  # and as it was afterwards
    monkeypatch.setattr(onednn, "routing_is_exact", lambda: True)
    monkeypatch.setattr(onednn, "is_exact", lambda dtype: True)
    before = routing()
    onednn.allow(False)
    assert not onednn.suits(torch.float32) and not onednn.route_products()
    with onednn.routed:
        assert routing() == before


@pytest.mark.parametrize("name", PRIVATE)
def test_without_one_of_the_operators_the_numbers_are_the_same(probed_anew, monkeypatch, name):
    """PyTorch does not document them: a version may come without."""
    torch.manual_seed(0)
    model = build_model(configs.load("mavos_nano", overrides=["model.test_memory_gap=1"]).model)
    image = torch.randn(1, 3, 65, 81)
    fast = for_inference(model)
    has_ours = any(isinstance(m, onednn.Linear) for m in fast.modules())
    assert has_ours == onednn.is_exact(torch.float32)
    with torch.inference_mode():
        expected = logits_and_memory(fast, image)
    onednn.is_exact.cache_clear()

    there = {other: getattr(torch.ops.mkldnn, other) for other in PRIVATE if other != name}
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(**there))
    assert not onednn.is_exact(torch.float32)
    plain = for_inference(model)
    ours = onednn.Linear | onednn.Conv2d
    assert not any(isinstance(m, ours) or getattr(m, "on", False) for m in plain.modules())
    with torch.inference_mode():
        for value, right in zip(logits_and_memory(plain, image), expected, strict=True):
            torch.testing.assert_close(value, right, atol=1e-5, rtol=1e-4)


def test_the_probe_draws_no_random_numbers(probed_anew):
    before = torch.get_rng_state()
    onednn.is_exact(torch.float32), onednn.is_exact(torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_products_of_slices(dtype):
    """Rows of an odd length, as a slice of a merged product has them."""
    a, b = (torch.randn(40, 33).to(dtype)[:, :16] for _ in range(2))
    torch.testing.assert_close(onednn.matmul(a, b.t()), a @ b.t(), atol=1e-3, rtol=2e-2)


def test_inexact_onednn_operators_are_not_used(probed_anew, monkeypatch):
    monkeypatch.setattr(onednn, "TOLERANCE", {torch.float32: 0.0})  # nothing is that exact
    assert not onednn.is_exact(torch.float32)
    assert not onednn.is_exact(torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (130, 64), (99, 200)])
@torch.inference_mode()
def test_a_packed_matrix_is_the_same_matrix(dtype, shape):
    if not onednn.suits(dtype):
        pytest.skip(f"oneDNN's operators are not used here for {dtype}")
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(shape, generator=generator).to(dtype)
    rows = torch.randn(40, shape[0], generator=generator).to(dtype)
    packed = onednn.Packed.of(matrix)
    assert packed.plain().dtype == dtype and torch.equal(packed.plain(), matrix)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    for one in (packed, copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        product = onednn.matmul(rows, one)
        off = (product - rows @ matrix).abs().max() / product.abs().max()
        assert off <= tolerance
