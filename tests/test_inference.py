"""The inference form changes the speed, not the numbers."""

from dataclasses import replace

import pytest
import torch

from mavos import configs
from mavos.networks import build_model, onednn
from mavos.networks.inference import for_inference
from mavos.networks.mavos.fused import PackedEntry, unpacked
from mavos.networks.segmenter import one_hot

# Each encoder and each kind of block.
NETWORKS = ("mavos", "r50_mavos", "swinb_mavos", "mavos_nano", "aott", "aotl", "deaott", "deaotl")


def logits_and_memory(model, image):
    labels = (torch.arange(image.shape[-1]) * 3 // image.shape[-1]).expand(1, *image.shape[-2:])
    mask = one_hot(labels, 2)
    memory = model.start(model.encode(image), mask)
    for _ in range(3):
        out = model.segment(model.encode(image.flip(-1)), memory, (60, 70))
        memory = model.memorize(out, mask, memory)
    return out.logits, unpacked(memory.long_term[0]).values


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
    packed = [isinstance(entry, PackedEntry) for entry in memory.long_term]
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
                plain = tuple(map(unpacked, memory.long_term))
                memory = replace(memory, long_term=plain)
        return said

    torch.testing.assert_close(follow(True), follow(False), atol=1e-5, rtol=1e-5)
