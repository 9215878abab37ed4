"""The inference form and the processor's settings change the speed, not the numbers."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch

from mavos import configs
from mavos.networks import build_model, onednn
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import one_hot
from mavos.utils import device as devices

# Each encoder and each kind of block.
NETWORKS = ("mavos", "r50_mavos", "swinb_mavos", "mavos_nano", "aott", "aotl", "deaott", "deaotl")


def logits_and_memory(model, image):
    labels = (torch.arange(image.shape[-1]) * 3 // image.shape[-1]).expand(1, *image.shape[-2:])
    mask = one_hot(labels, 2)
    memory = model.start(model.encode(image), mask)
    for _ in range(3):
        out = model.segment(model.encode(image.flip(-1)), memory, (60, 70))
        memory = model.memorize(out, mask, memory)
    return out.logits, memory.long_term[0].plain().values


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_the_inference_form_is_the_same_function(name: str):
    torch.manual_seed(0)
    model = build_model(configs.load(name, overrides=["model.test_memory_gap=1"]).model).eval()
    for module in model.modules():  # statistics that make a difference
        if hasattr(module, "running_var"):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    extra = model.size_rule.remainder
    image = torch.randn(1, 3, 64 + extra, 80 + extra)
    fast = for_inference(model)
    assert not any("BatchNorm" in type(m).__name__ for m in fast.modules())
    expected, ours = logits_and_memory(model, image), logits_and_memory(fast, image)
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("form", ["training", "inference"])
@torch.inference_mode()
def test_memory_in_half_precision(form: str):
    """Half the bytes, nearly the same masks; computing stays in float32."""
    image, found = torch.randn(1, 3, 65, 81), {}
    for kept in ("same", "bf16"):
        torch.manual_seed(0)
        options = ["model.test_memory_gap=1", f"model.memory_dtype={kept}"]
        model = build_model(configs.load("mavos_nano", overrides=options).model).eval()
        model = for_inference(model) if form == "inference" else model
        found[kept] = logits_and_memory(model, image)
    assert [logits.dtype for logits, _ in found.values()] == [torch.float32] * 2
    assert [values.dtype for _, values in found.values()] == [torch.float32, torch.bfloat16]
    (exact, values), (logits, rounded) = found.values()
    assert 0 < (logits - exact).abs().max() < 0.02 * exact.abs().max()
    torch.testing.assert_close(rounded.float(), values, atol=0.05, rtol=0.05)


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


@torch.inference_mode()
def test_weights_are_shared_with_the_original():
    """Nothing is held twice that stays what it is, and the original keeps its precision."""
    model = build_model(configs.load("mavos_nano").model)
    fast = for_inference(model)
    weight = model.elstt.blocks[0].long_term.projection.weight
    shared = fast.elstt.blocks[0].long_mix.projection.weight
    assert shared.data_ptr() == weight.data_ptr() and not shared.requires_grad
    half = for_inference(model, torch.bfloat16)
    assert half.projector.weight.dtype == torch.bfloat16
    assert half.decoder.conv_out.weight.dtype == torch.float32
    assert all(p.dtype == torch.float32 and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_half_precision_gives_nearly_the_same_logits(name: str):
    torch.manual_seed(0)
    model = build_model(configs.load(name, overrides=["model.test_memory_gap=1"]).model).eval()
    extra = model.size_rule.remainder
    image = torch.randn(1, 3, 64 + extra, 80 + extra)
    exact, _ = logits_and_memory(for_inference(model), image)
    half, values = logits_and_memory(for_inference(model, torch.bfloat16), image)
    assert half.dtype == torch.float32 and values.dtype == torch.bfloat16
    assert 0 < (half - exact).abs().max() < 0.1 * exact.abs().max()


@pytest.fixture
def onednn_probes():
    onednn.is_exact.cache_clear()
    yield
    onednn.is_exact.cache_clear()


def test_without_onednn_operators_the_numbers_are_the_same(onednn_probes, monkeypatch):
    torch.manual_seed(0)
    model = build_model(configs.load("mavos_nano", overrides=["model.test_memory_gap=1"]).model)
    image = torch.randn(1, 3, 65, 81)
    fast = for_inference(model)
    has_ours = any(isinstance(m, onednn.Linear) for m in fast.modules())
    assert has_ours == onednn.is_exact(torch.float32)
    with torch.inference_mode():
        expected = logits_and_memory(fast, image)
    onednn.is_exact.cache_clear()

    def missing(*_):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(onednn, "_linear", missing)
    assert not onednn.is_exact(torch.float32)
    plain = for_inference(model)
    assert not any(isinstance(m, onednn.Linear | onednn.Conv2d) for m in plain.modules())
    with torch.inference_mode():
        for ours, right in zip(logits_and_memory(plain, image), expected, strict=True):
            torch.testing.assert_close(ours, right, atol=1e-5, rtol=1e-4)


def test_the_probe_draws_no_random_numbers(onednn_probes):
    before = torch.get_rng_state()
    onednn.is_exact(torch.float32), onednn.is_exact(torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_products_of_slices(dtype):
    """Rows of an odd length, as a slice of a merged product has them."""
    a, b = (torch.randn(40, 33).to(dtype)[:, :16] for _ in range(2))
    torch.testing.assert_close(onednn.matmul(a, b.t()), a @ b.t(), atol=1e-3, rtol=2e-2)


def test_inexact_onednn_operators_are_not_used(onednn_probes, monkeypatch):
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


@pytest.mark.parametrize(
    "overrides, packs",
    [([], True), (["model.memory_dtype=bf16"], False), (["model.memory=all"], False)],
)
@torch.inference_mode()
def test_long_term_memory_is_packed_after_an_update(overrides, packs):
    settings = ["model.test_memory_gap=1", *overrides]
    torch.manual_seed(0)
    model = build_model(configs.load("mavos_nano", overrides=settings).model)
    image, mask = torch.randn(1, 3, 65, 81), one_hot(torch.zeros(1, 65, 81, dtype=torch.long), 1)
    fast = for_inference(model)
    memory = fast.start(fast.encode(image), mask)
    memory = fast.memorize(fast.segment(fast.encode(image), memory, (65, 81)), mask, memory)
    packed = [isinstance(entry.values, onednn.Packed) for entry in memory.long_term]
    assert packed == [packs and onednn.suits(torch.float32)] * len(memory.long_term)


@pytest.mark.parametrize("policy", ["mca", "reference", "previous", "reference_previous", "last"])
@torch.inference_mode()
def test_a_packed_memory_says_what_a_plain_one_says(policy):
    settings = ["model.test_memory_gap=1", f"model.memory={policy}", "model.late_masks=reference"]
    torch.manual_seed(0)
    fast = for_inference(build_model(configs.load("mavos_nano", overrides=settings).model))
    images = torch.randn(6, 1, 3, 65, 81)
    mask = one_hot((torch.arange(81) // 41).expand(1, 65, 81), 1)

    def follow(packs: bool) -> list[torch.Tensor]:
        memory, said = fast.start(fast.encode(images[0]), mask), []
        for number, image in enumerate(images[1:]):
            out = fast.segment(fast.encode(image), memory, (65, 81))
            said.append(out.logits)
            memory = fast.memorize(out, mask, memory, new_objects=number == 3)
            if not packs:
                plain = tuple(entry.plain() for entry in memory.long_term)
                memory = replace(memory, long_term=plain)
        return said

    torch.testing.assert_close(follow(True), follow(False), atol=1e-5, rtol=1e-5)
