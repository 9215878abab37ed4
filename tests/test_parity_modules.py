"""Single modules against the reference's, with explicit inputs; ``-s`` shows the differences."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from parity import Recorded
from shared_data import FIXTURES
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from mavos.networks.aot.attention import LongTermAttention, SelfAttention, ShortTermAttention
from mavos.networks.aot.lstt import GridActivation, LSTTBlock
from mavos.networks.aot.position import position_embedding
from mavos.networks.layers import to_map, to_tokens
from mavos.networks.lstt.decoder import FPNDecoder
from mavos.networks.lstt.key_names import NAMES
from mavos.networks.lstt.memory import Entry
from mavos.networks.mavos.elstt import ELSTTBlock
from mavos.networks.mavos.fused import FusedCrossAttention
from mavos.networks.mavos.mca import ModulatedAttention, ModulatedCrossAttention
from mavos.networks.mavos.propagation import (
    LongTermPropagation,
    SelfPropagation,
    ShortTermPropagation,
)

recorded = partial(Recorded, FIXTURES / "parity" / "modules")
recorded_aot = partial(Recorded, FIXTURES / "parity" / "aot_modules")


@pytest.mark.parametrize("form", [lambda mca: mca, FusedCrossAttention], ids=["training", "fused"])
@torch.inference_mode()
def test_mca(form):
    r = recorded("mca")
    mca = r.load(
        ModulatedCrossAttention(
            r.params["dim"], partial(ModulatedAttention, heads=r.params["heads"])
        ),
        lambda key: key.removeprefix("joint_modulation."),
    )
    r.check_tokens(form(mca)(r.tokens("latents"), r.tokens("context"), r.size))


@torch.inference_mode()
def test_long_term_propagation():
    r = recorded("gated_propagation")
    module = r.load(LongTermPropagation(2 * r.params["d_vu"], r.params["d_vu"]))
    r.check_tokens(module(*(r.tokens(k) for k in "qkvu"), r.size))


@torch.inference_mode()
def test_short_term_propagation():
    r = recorded("local_gated_propagation")
    window = 2 * r.params["radius"] + 1
    module = r.load(
        ShortTermPropagation(r.params["d_att"], 2 * r.params["d_vu"], r.params["d_vu"], window)
    )
    query, key, value = (to_tokens(r.map(k)) for k in "qkv")
    r.check_tokens(module(query, key, value, r.tokens("u"), r.size))


@torch.inference_mode()
def test_self_propagation():
    r = recorded("gated_propagation_self")
    module = r.load(SelfPropagation(r.params["d_vu"], r.params["d_att"], 2 * r.params["d_vu"]))
    visual, identity = r.tokens("x").chunk(2, dim=-1)
    r.check_tokens(module(visual, identity, r.size))


@torch.inference_mode()
def test_self_propagation_with_heads():
    r = recorded("gated_propagation_multihead")
    dim, heads = r.params["d_vu"], r.params["heads"]
    module = r.load(SelfPropagation(dim, heads * r.params["d_att"], 2 * dim, heads))
    visual, identity = r.tokens("x").chunk(2, dim=-1)
    r.check_tokens(module(visual, identity, r.size))


@pytest.mark.parametrize("layer", [0, 1])
@torch.inference_mode()
def test_block(layer: int):
    r = recorded(f"gpm_layer{layer}")
    block = ELSTTBlock(r.params["d_model"], 15, is_first=layer == 0, drop_path=0.0)
    r.load(block, lambda k: NAMES.to_code(f"LSTT.layers.0.{k}").removeprefix("elstt.blocks.0."))
    visual, id_embedding = r.tokens("tgt"), r.tokens("id_emb")
    identity = r.tokens("tgt_id") if layer else None

    reference = block(visual, identity, r.size, id_embedding=id_embedding)
    entry = block.entry(reference[2], id_embedding)
    for key, ours in {
        "ref_tgt": reference[0],
        "ref_tgt_id": reference[1],
        "ref_k": entry.key,
        "ref_v": entry.value,
        "ref_id_v": entry.id_value,
    }.items():
        r.check_tokens(ours, key)

    def values(prefix: str, read) -> Tensor:
        return torch.cat([read(f"{prefix}_v"), read(f"{prefix}_id_v")], dim=-1)

    def from_map(key: str) -> Tensor:
        return to_tokens(r.map(key))

    long_term = Entry(r.tokens("long_k"), values("long", r.tokens))
    short_term = Entry(from_map("short_k"), values("short", from_map))
    visual, identity, seen = block(visual, identity, r.size, long_term, short_term)
    r.check_tokens(visual, "match_tgt")
    r.check_tokens(identity, "match_tgt_id")
    r.check_tokens(block.entry(seen, id_embedding).id_value, "match_fused_id_v")


@pytest.mark.parametrize("name", ["decoder", "decoder_no_align"])
@torch.inference_mode()
def test_decoder(name: str):
    r = recorded(name)
    x, skips = r.map("lstt"), [r.map(k) for k in ("x4", "x8", "x16")]
    channels = tuple(s.shape[1] for s in skips)
    decoder = FPNDecoder(x.shape[1], r.map("proj").shape[1], channels, 11, name == "decoder")
    r.check(r.load(decoder)(x, skips))


@torch.inference_mode()
def test_frozen_batch_norm():
    r = recorded("frozen_bn")
    r.check(r.load(FrozenBatchNorm2d(r.params["n"]))(r.map("x")))


@torch.inference_mode()
def test_norm_over_tokens():
    """Our stack normalises a map; the reference a sequence: the same numbers."""
    r = recorded("gn1d")
    norm = nn.GroupNorm(r.params["groups"], r.params["dim"])
    r.load(norm, lambda key: key.removeprefix("gn."))
    tokens = r.tokens("x")
    r.check_tokens(to_tokens(norm(to_map(tokens, (5, 8)))))


@torch.inference_mode()
def test_position_embedding():
    r = recorded("position_embedding")
    ours = position_embedding(r.size, r.params["dim"], None)
    r.check(to_map(ours, r.size))


@torch.inference_mode()
def test_aot_attention():
    r = recorded_aot("multihead_attention")
    module = r.load(SelfAttention(r.params["d_model"], r.params["num_head"]))
    layers = {"q": module.linear_Q, "k": module.linear_K, "v": module.linear_V}
    projected = (layer(r.tokens(key)) for key, layer in layers.items())
    r.check_tokens(LongTermAttention.forward(module, *projected))


@torch.inference_mode()
def test_aot_short_term_attention():
    r = recorded_aot("multihead_local_attention")
    module = r.load(ShortTermAttention(r.params["d_model"], r.params["num_head"], window=15))
    r.check_tokens(module(*(to_tokens(r.map(key)) for key in "qkv"), r.size))


@torch.inference_mode()
def test_aot_activation():
    r = recorded_aot("gn_act_dwconv")
    r.check_tokens(r.load(GridActivation(r.params["dim"]))(r.tokens("x"), r.size))


@torch.inference_mode()
def test_aot_block():
    r = recorded_aot("transformer_block")
    block = LSTTBlock(r.params["d_model"], r.params["heads"], 15, r.params["ff"], drop_path=0.0)
    r.load(block, lambda k: NAMES.to_code(f"LSTT.layers.0.{k}").removeprefix("elstt.blocks.0."))
    x, position, id_embedding = (r.tokens(key) for key in ("tgt", "pos", "id_emb"))

    reference, seen = block(x, position, r.size, id_embedding=id_embedding)
    entry = block.entry(seen, id_embedding)
    for key, ours in {"ref": reference, "ref_k": entry.key, "ref_v": entry.values}.items():
        r.check_tokens(ours, key)

    long_term = Entry(r.tokens("long_k"), r.tokens("long_v"))
    short_term = Entry(*(to_tokens(r.map(key)) for key in ("short_k", "short_v")))
    r.check_tokens(block(x, position, r.size, long_term, short_term)[0], "match")


def test_unused_levels_change_the_gates():
    """One, two and three focal levels build and differ; two is the paper's."""
    torch.manual_seed(0)
    x = torch.randn(1, 12, 32)
    for levels in (1, 2, 3):
        mca = ModulatedCrossAttention(32, partial(ModulatedAttention, focal_levels=levels)).eval()
        assert mca.attn.f_context.out_features == 32 + levels + 1
        assert [f[0].kernel_size[0] for f in mca.attn.focal_layers] == [3, 5, 7][:levels]
        assert F.mse_loss(mca(x, x, (3, 4)), x) > 0
