"""Properties of every network: sizes, contract of the four verbs, gradients."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import FrozenBatchNorm2d

from mavos import configs
from mavos.configs.models import MODELS
from mavos.networks import build_model
from mavos.networks.encoders import ENCODERS, build_encoder
from mavos.networks.encoders.swin import WindowAttention
from mavos.networks.encoders.windows import FusedWindowAttention
from mavos.networks.inference import for_inference
from mavos.networks.lstt.memory import POLICIES
from mavos.networks.segmenter import one_hot


def build(name: str = "mavos_nano", *overrides: str):
    torch.manual_seed(0)
    return build_model(configs.load(name, overrides=overrides).model)


def image_of(model, cells: tuple[int, int] = (4, 5)) -> torch.Tensor:
    extra = model.size_rule.remainder
    return torch.randn(1, 3, *(16 * c + extra for c in cells))


def labels_of(image: torch.Tensor, objects: int) -> torch.Tensor:
    columns = torch.arange(image.shape[-1]) * (objects + 1) // image.shape[-1]
    return columns.expand(1, *image.shape[-2:]).long()


@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_keeps_its_word(name: str):
    """Channels, strides and a backward pass."""
    torch.manual_seed(0)
    encoder = build_encoder(name, frozen_bn=name != "nano").eval()
    extra = 1 if encoder.align_corners else 0
    maps = encoder(torch.randn(1, 3, 64 + extra, 96 + extra))
    assert tuple(m.shape[1] for m in maps) == tuple(encoder.channels)
    sizes = [(64 // s + extra, 96 // s + extra) for s in encoder.strides]
    assert [tuple(m.shape[-2:]) for m in maps] == sizes
    sum(m.square().mean() for m in maps).backward()
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_four_verbs(name: str):
    """Shapes; objects that enter; sizes asked for; a memory of two frames, or of all."""
    model = build(name, "model.test_memory_gap=1").eval()
    image = image_of(model)
    feats = model.encode(image)
    memory = model.start(feats, one_hot(labels_of(image, 2), 2))
    for objects in (2, 2, 3):
        out = model.segment(model.encode(image), memory, (50, 61))
        assert out.logits.shape == (1, 1 + memory.num_objects, 50, 61)
        mask = one_hot(labels_of(image, objects), objects)
        memory = model.memorize(out, mask, memory, new_objects=objects == 3)
    assert memory.num_objects == 3
    frames = {"mca": 2, "reference_previous": 2}.get(configs.load(name).model.memory, 4)
    assert memory.long_term[0].key.shape[1] == frames * feats[-1][0, 0].numel()


@pytest.mark.parametrize("heads", [2, 4])
@torch.inference_mode()
def test_heads_of_the_self_propagation(heads: int):
    """They change the result, and the inference form gives the same."""
    model, plain = (build("mavos_nano", f"model.heads={count}").eval() for count in (heads, 1))
    plain.load_state_dict(model.state_dict())
    image = image_of(model)
    results = []
    for form in (model, for_inference(model), plain):
        memory = form.start(form.encode(image), one_hot(labels_of(image, 2), 2))
        results.append(form.segment(form.encode(image.flip(-1)), memory, (40, 50)).logits)
    torch.testing.assert_close(results[0], results[1], atol=1e-4, rtol=1e-4)
    assert (results[0] - results[2]).abs().max() > 1e-3


# Million parameters, as the papers' tables have them.
PUBLISHED = {
    **{"aott": 5.7, "aots": 7.0, "aotb": 8.3, "aotl": 8.3, "r50_aotl": 14.9, "swinb_aotl": 65.4},
    **{"deaott": 7.2, "deaots": 10.2, "deaotb": 13.2, "deaotl": 13.2},
    **{"r50_deaotl": 19.8, "swinb_deaotl": 70.3},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_baselines_have_the_published_size(name: str):
    with torch.device("meta"):
        model = build(name)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert round(millions, 1) == PUBLISHED[name]


def test_nano_is_small():
    assert sum(p.numel() for p in build().parameters()) <= 3_000_000


@torch.inference_mode()
def test_segment_only_reads_the_memory():
    model = build().eval()
    image = image_of(model)
    feats = model.encode(image)
    memory = model.start(feats, one_hot(labels_of(image, 2), 2))
    kept = [t.clone() for entry in memory.long_term + memory.short_term[0] for t in entry]
    first, second = (model.segment(feats, memory, (40, 40)).logits for _ in range(2))
    assert torch.equal(first, second)
    now = [t for entry in memory.long_term + memory.short_term[0] for t in entry]
    assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=True))


@torch.inference_mode()
def test_videos_in_a_batch_do_not_mix():
    model = build("mavos_nano", "model.test_memory_gap=1").eval()
    images = [image_of(model) for _ in range(2)]
    masks = [one_hot(labels_of(images[0], 2), 2), one_hot(labels_of(images[0], 1), 2)]

    def run(image, mask):
        memory = model.start(model.encode(image), mask)
        for _ in range(3):
            out = model.segment(model.encode(image.flip(-1)), memory, (33, 33))
            memory = model.memorize(out, mask, memory)
        return out.logits

    together = run(torch.cat(images), torch.cat(masks))
    alone = torch.cat([run(i, m) for i, m in zip(images, masks, strict=True)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_mask_may_have_any_size():
    model = build().eval()
    image = image_of(model, (3, 3))
    feats, labels = model.encode(image), labels_of(image, 2)
    large = F.interpolate(labels[None].float(), scale_factor=3, mode="nearest")[0].long()
    small_memory = model.start(feats, one_hot(labels, 2))
    large_memory = model.start(feats, one_hot(large, 2))
    assert torch.equal(small_memory.long_term[0].values, large_memory.long_term[0].values)


def test_a_size_that_breaks_the_rule_is_refused():
    with pytest.raises(ValueError, match=r"16 k \+ 1"):
        build("mavos").encode(torch.zeros(1, 3, 64, 65))


@pytest.mark.parametrize("memory", POLICIES)
@torch.inference_mode()
def test_every_memory_policy_runs(memory: str):
    model = build("mavos_nano", f"model.memory={memory}", "model.test_memory_gap=1").eval()
    assert any("mca" in name for name, _ in model.named_parameters()) == (memory == "mca")
    image = image_of(model, (2, 2))
    mask = one_hot(labels_of(image, 1), 1)
    state = model.start(model.encode(image), mask)
    for _ in range(8):
        state = model.memorize(model.segment(model.encode(image), state, (9, 9)), mask, state)
    held = state.long_term[0].key.shape[1] // model.encode(image)[-1][0, 0].numel()
    expected = {
        "reference": 1,
        "previous": 1,
        "reference_previous": 2,
        "mca": 2,
        "last": 6,
        "first": 7,
    }
    assert held == expected.get(memory, 9)


def test_training_uses_its_own_gap_and_reaches_every_parameter():
    """A clip long enough to fuse gives each parameter a gradient."""
    model = build("mavos_nano", "model.depth=2", "model.train_memory_gap=2").train()
    image = image_of(model, (2, 3))
    mask = one_hot(labels_of(image, 3), 3)
    memory, loss = model.start(model.encode(image), mask), 0
    for _ in range(6):
        out = model.segment(model.encode(image), memory, (20, 20))
        loss = loss + out.logits.square().mean()
        memory = model.memorize(out, mask, memory)
    assert memory.updated_at == 6  # every second frame
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_batch_norm_is_frozen_where_the_paper_freezes_it():
    for name in ("mavos", "r50_mavos"):
        norms = [m for m in build(name).encoder.modules() if "BatchNorm" in type(m).__name__]
        assert norms and all(isinstance(m, FrozenBatchNorm2d) for m in norms)


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("size", [(7, 7), (4, 10), (16, 9)])
@torch.inference_mode()
def test_window_attention_by_definition(size: tuple[int, int], shift: int):
    """Cell by cell: pad, roll, attend within a window to cells of the same region."""
    torch.manual_seed(0)
    attention = WindowAttention(8, [7, 7], [shift, shift], num_heads=2).eval()
    for learned in (attention.relative_position_bias_table, attention.qkv.bias):
        torch.nn.init.normal_(learned)  # padding is where the bias of the product shows
    x = torch.randn(1, *size, 8)
    height, width = (-(-s // 7) * 7 for s in size)
    padded = torch.zeros(height, width, 8)
    padded[: size[0], : size[1]] = x[0]
    rolled = padded.roll((-shift, -shift), (0, 1))

    def region(position: int, length: int) -> int:
        return (position >= length - 7) + (position >= length - shift) if shift else 0

    query, key, value = (t.unflatten(-1, (2, 4)) for t in attention.qkv(rolled).chunk(3, dim=-1))
    table = attention.relative_position_bias_table
    out = torch.zeros(height, width, 8)
    for i, j in ((i, j) for i in range(height) for j in range(width)):
        scores, values = [], []
        for y in range(i // 7 * 7, i // 7 * 7 + 7):
            for z in range(j // 7 * 7, j // 7 * 7 + 7):
                bias = table[(i - y + 6) * 13 + (j - z + 6)]
                score = (query[i, j] * key[y, z]).sum(-1) * 4**-0.5 + bias
                same = region(i, height) == region(y, height) and region(j, width) == region(
                    z, width
                )
                scores.append(score if same else score - 100)
                values.append(value[y, z])
        weights = torch.stack(scores).softmax(0)[..., None]
        out[i, j] = (weights * torch.stack(values)).sum(0).flatten()
    expected = attention.proj(out).roll((shift, shift), (0, 1))[: size[0], : size[1]]
    for form in (attention, FusedWindowAttention(attention)):
        torch.testing.assert_close(form(x)[0], expected, atol=1e-5, rtol=1e-5)
        both = form(torch.cat([x.flip(1), x]))
        torch.testing.assert_close(both[1], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("late_masks", ["store", "reference"])
@torch.inference_mode()
def test_what_a_mask_in_mid_video_does(late_masks: str):
    overrides = ["model.test_memory_gap=1", f"model.late_masks={late_masks}"]
    model = build_model(configs.load("mavos_nano", overrides=overrides).model).eval()
    mask = torch.zeros(1, 3, 33, 49)
    mask[:, 1, :9], mask[:, 2, 9:20], mask[:, 0, 20:] = 1, 1, 1
    first, *later = (model.encode(torch.randn(1, 3, 33, 49)) for _ in range(4))
    memory = model.start(first, mask)
    reference = memory.long_term[0].key
    for number, feats in enumerate(later):
        out = model.segment(feats, memory, (33, 49))
        memory = model.memorize(out, mask, memory, new_objects=number == 2)
    length, newest = reference.shape[1], memory.short_term[0][0].key
    dynamic, kept = memory.long_term[0].key.split(length, dim=1)
    if late_masks == "reference":
        assert torch.equal(kept, newest) and torch.equal(dynamic, reference)
    else:
        assert torch.equal(kept, reference) and not torch.equal(dynamic, newest)
