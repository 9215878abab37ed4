"""AOT at a small size: what it shares with MAVOS works with its blocks, too."""

import pytest
import torch
from eval_tool import ids_in, make_video, members
from eval_tool import run as evaluate
from torch import Tensor

from mavos import configs
from mavos.networks import build_model
from mavos.networks.aot.attention import ShortTermAttention
from mavos.networks.attention.tiles import outside
from mavos.networks.inference import for_inference
from mavos.networks.layers import join_heads, split_heads
from mavos.networks.lstt.memory import POLICIES
from mavos.networks.segmenter import hard_labels, one_hot
from mavos.networks.wrappers import ObjectGroups
from mavos.utils.checkpoint import official_state_dict
from mavos.utils.errors import UserError

SMALL = (
    *("model.encoder=nano", "model.dim=32", "model.depth=2", "model.heads=4"),
    *("model.short_term_window=3", "model.max_objects=3", "model.test_memory_gap=1"),
)
SIZE = (49, 65)


def build(*overrides: str):
    torch.manual_seed(0)
    model = build_model(configs.load("aott", overrides=[*SMALL, *overrides]).model).eval()
    for block in model.elstt.blocks:  # each part must show in the logits
        torch.nn.init.normal_(block.short_term.relative_emb_v)
    return model


def stripes(count: int) -> Tensor:
    """Labels (1, H, W): vertical stripes 0, 1, …, count."""
    return (torch.arange(SIZE[1]) * (count + 1) // SIZE[1]).expand(1, *SIZE).long()


def run(model, count: int, frames: int = 9) -> tuple[Tensor, object]:
    """Logits of the last frame and the memory after it; own predictions are fed back."""
    rng = torch.Generator().manual_seed(1)
    images = torch.randn(frames, 1, 3, *SIZE, generator=rng)
    memory = model.start(model.encode(images[0]), one_hot(stripes(count), count))
    for image in images[1:]:
        out = model.segment(model.encode(image), memory, SIZE)
        memory = model.memorize(out, one_hot(hard_labels(out.logits), count), memory)
    return out.logits, memory


def frames_held(memory) -> int:
    return memory.long_term[0].key.shape[1] // memory.short_term[0][0].key.shape[1]


@pytest.mark.parametrize("policy", sorted(POLICIES.keys() - {"mca"}))
@torch.inference_mode()
def test_memory_policies(policy: str):
    logits, memory = run(build(f"model.memory={policy}"), 2)
    assert logits.shape == (1, 3, *SIZE) and logits.isfinite().all()
    expected = {
        "reference": 1,
        "previous": 1,
        "reference_previous": 2,
        "last": 6,
        "first": 7,
        "all": 9,
    }
    assert frames_held(memory) == expected[policy]


def test_mca_is_refused():
    with pytest.raises(UserError, match="the memory mca needs"):
        build("model.memory=mca")


@pytest.mark.parametrize("name", ["aott", "deaott"])
@torch.inference_mode()
def test_annotated_frames_enter_a_memory_that_is_never_updated(name: str):
    torch.manual_seed(0)
    small = [s for s in SMALL if "gap" not in s]
    model = build_model(configs.load(name, overrides=small).model).eval()
    feats = model.encode(torch.randn(1, 3, *SIZE))
    memory = model.start(feats, one_hot(stripes(1), 1))
    for new_objects, held in ((False, 1), (True, 2), (False, 2)):
        count = 1 if held == 1 else 2
        out = model.segment(feats, memory, SIZE)
        memory = model.memorize(out, one_hot(stripes(count), count), memory, new_objects)
        assert frames_held(memory) == held
    assert model.segment(feats, memory, SIZE).logits.shape[1] == 3


@torch.inference_mode()
def test_more_objects_than_identities():
    model = ObjectGroups(build())
    logits, memory = run(model, 5, frames=3)
    assert logits.shape[1] == 6 and len(memory) == 2


@torch.inference_mode()
def test_half_precision_is_near():
    model = build()
    exact, _ = run(model, 2, frames=4)
    half, memory = run(for_inference(model, torch.bfloat16), 2, frames=4)
    assert half.dtype == torch.float32 and memory.long_term[0].values.dtype == torch.bfloat16
    assert (half - exact).abs().max() < 0.05 * exact.abs().max()


def test_a_published_file_through_the_command_line(tmp_path):
    """Such files hold one tensor more, which nothing uses."""
    make_video(tmp_path / "data", "moving", 4, ids=(1, 2))
    state = official_state_dict(build()) | {"LSTT.mask_token": torch.zeros(1, 1, 32)}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    data = ("--dataset", "generic", "--data_root", tmp_path / "data", "--output", tmp_path / "out")
    weights = ("--model", "aott", "--ckpt_path", tmp_path / "w.pth", "--device", "cpu")
    masks = members(evaluate(*data, *weights, "--max_resolution", 60, *SMALL).archive)
    assert sorted(masks) == [f"moving/{t:05d}.png" for t in range(4)]
    assert all(ids_in(png) <= {0, 1, 2} for png in masks.values())


def attend_by_definition(module: ShortTermAttention, query, key, value, size) -> Tensor:
    """Every window written out."""
    heads, window = module.heads, module.window
    query, key, value = (split_heads(x, heads) for x in (query, key, value))
    (height, width), reach, c = size, window // 2, query.shape[-1]
    to_bias = module.relative_emb_k.weight.view(heads, window * window, c)
    bias = torch.einsum("bhlc,hwc->bhlw", query, to_bias)
    bias = bias + module.relative_emb_k.bias.view(heads, 1, -1)
    out = []
    for cell in range(height * width):
        scores, values = [], []
        for place in range(window * window):
            y = cell // width + place // window - reach
            x = cell % width + place % window - reach
            inside = 0 <= y < height and 0 <= x < width
            near = y * width + x if inside else 0
            scores.append((query[:, :, cell] * key[:, :, near]).sum(-1) * c**-0.5)
            values.append(value[:, :, near] + module.relative_emb_v[:, :, place])
        scores = torch.stack(scores, -1) + bias[:, :, cell] + outside(size, window, bias)[cell]
        out.append(torch.einsum("bhw,bhwc->bhc", scores.softmax(-1), torch.stack(values, 2)))
    return module.projection(join_heads(torch.stack(out, 2)))


@pytest.mark.parametrize("size", [(4, 5), (2, 7)])
def test_short_term_attention_by_definition(size: tuple[int, int]):
    """Results and gradients, with windows larger and smaller than the grid."""
    torch.manual_seed(0)
    module = ShortTermAttention(8, heads=2, window=5).double()
    torch.nn.init.normal_(module.relative_emb_v)
    inputs = [torch.randn(2, size[0] * size[1], 8, dtype=torch.float64) for _ in range(3)]
    inputs = [x.requires_grad_() for x in inputs]
    ours, expected = module(*inputs, size), attend_by_definition(module, *inputs, size)
    torch.testing.assert_close(ours, expected)
    wanted = [*inputs, *module.parameters()]
    weights = torch.randn_like(ours)
    grads = (torch.autograd.grad((out * weights).sum(), wanted) for out in (ours, expected))
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs)
