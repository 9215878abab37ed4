"""The operators that stand beside MCA: all take in the new frame, none as another does."""

from itertools import combinations
from typing import get_args, get_type_hints

import pytest
import torch
from test_networks import build, image_of, labels_of

from mavos import configs
from mavos.configs.schema import MavosConfig
from mavos.networks.inference import for_inference
from mavos.networks.lstt.memory import Entry
from mavos.networks.mavos import build_operator
from mavos.networks.mavos.mca import EntryFusion, ModulatedCrossAttention
from mavos.networks.segmenter import one_hot

FUSIONS = get_args(get_type_hints(MavosConfig)["fusion"])
SIZE = (3, 4)


def operator(fusion: str, *overrides: str):
    overrides = (f"model.fusion={fusion}", *overrides)
    return build_operator(configs.load("mavos", overrides=overrides).model)


def layer(fusion: str, *overrides: str) -> ModulatedCrossAttention:
    torch.manual_seed(0)
    return ModulatedCrossAttention(32, operator(fusion, *overrides), drop_path=0.0)


def frames(size: tuple[int, int] = SIZE) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, size[0] * size[1], 32, requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_part_gets_a_gradient(fusion: str):
    module, (new, old) = layer(fusion), frames()
    fused = module(new, old, SIZE)
    assert fused.shape == new.shape
    fused.square().sum().backward()
    assert new.grad.abs().min() > 0 and old.grad.abs().max() > 0
    assert [n for n, p in module.named_parameters() if p.grad is None] == []


def test_they_differ():
    results = {fusion: layer(fusion)(*frames(), SIZE) for fusion in FUSIONS}
    for a, b in combinations(FUSIONS, 2):
        assert (results[a] - results[b]).abs().max() > 1e-3, (a, b)


@pytest.mark.parametrize("fusion", ["mca", "focal_modulation"])
def test_focal_levels(fusion: str):
    """A level more, a kernel more, and another result."""
    results = []
    for levels in (1, 2, 3):
        module = layer(fusion, f"model.focal_levels={levels}")
        assert [f[0].kernel_size[0] for f in module.attn.focal_layers] == [3, 5, 7][:levels]
        results.append(module(*frames(), SIZE))
    assert all((a - b).abs().max() > 1e-3 for a, b in combinations(results, 2))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_where_a_cell_of_the_old_frame_is_felt(fusion: str):
    """Attention carries it everywhere, without regard to its place; the modulator most to its
    neighbours; global context within its window only, by place. MCA mixes places and channels on
    purpose."""
    size = (9, 10) if fusion == "global_context" else SIZE
    module, (new, old) = layer(fusion).eval(), frames(size)
    with torch.no_grad():
        moved = old.clone()
        moved[:, 0] += 1 + torch.arange(32) % 3
        change = (module.attn(new, moved, size) - module.attn(new, old, size)).norm(dim=-1)[0]
        shuffled = torch.randperm(len(change))
        placeless = (module.attn(new, old[:, shuffled], size) - module.attn(new, old, size)).abs()
    assert (placeless.max() < 1e-5) == (fusion == "cross_attention")
    if fusion == "global_context":
        window = torch.zeros(size, dtype=torch.bool)
        window[:7, :7] = True
        assert torch.equal(change > 0, window.flatten())
        return
    assert (change > 0).all()
    if fusion == "focal_modulation":
        assert change[0] > 2 * change[-1]


@torch.no_grad()
def test_global_context_sees_all_of_the_new_frame_and_no_filling():
    size = (9, 10)
    module, (new, old) = layer("global_context").eval().attn, frames(size)
    moved = new.clone()
    moved[:, 0] += 5
    change = (module(moved, old, size) - module(new, old, size)).norm(dim=-1)[0]
    assert change.view(size)[7:, 7:].max() > 0  # windows whose own tokens are the same
    # what fills the last windows up has value zero, and no weight
    module.v.bias.fill_(100.0)
    module.v.weight.zero_(), module.proj.weight.copy_(torch.eye(32)), module.proj.bias.zero_()
    torch.testing.assert_close(module(new, old, size), torch.full_like(new, 200.0))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_key_value_and_id_value_are_fused_apart(fusion: str):
    torch.manual_seed(0)
    module = EntryFusion(16, 32, operator=operator(fusion)).eval()
    new, old = (Entry(torch.randn(1, 12, 16), torch.randn(1, 12, 64)) for _ in range(2))
    other = old._replace(values=torch.cat([old.value, torch.randn(1, 12, 32)], dim=-1))
    fused, changed = (module(new, entry, SIZE) for entry in (old, other))
    assert torch.equal(fused.key, changed.key) and torch.equal(fused.value, changed.value)
    assert not torch.allclose(fused.id_value, changed.id_value)


@pytest.mark.parametrize("fusion", FUSIONS)
@torch.inference_mode()
def test_networks_with_them_segment(fusion: str):
    """Also in the inference form, which is the same function."""
    model = build("mavos_nano", f"model.fusion={fusion}", "model.test_memory_gap=1").eval()
    image = image_of(model)
    mask = one_hot(labels_of(image, 2), 2)
    results = []
    for form in (model, for_inference(model)):
        memory = form.start(form.encode(image), mask)
        for _ in range(4):
            out = form.segment(form.encode(image.flip(-1)), memory, (40, 50))
            memory = form.memorize(out, mask, memory)
        assert memory.long_term[0].key.shape[1] == 2 * form.encode(image)[-1][0, 0].numel()
        results.append(out.logits)
    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-4)
