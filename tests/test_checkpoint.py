"""Weights on disk: official names, every shape of file, strict both ways."""

import parity_weights
import pytest
import torch
from shared_data import FIXTURES
from torchvision.models import mobilenet_v2, resnet50

from mavos import configs
from mavos.configs.models import MODELS
from mavos.networks import build_model
from mavos.networks.segmenter import Network
from mavos.networks.weights import MARKS, load_encoder, load_start, load_weights
from mavos.utils.checkpoint import official_state_dict, read_checkpoint, save_weights
from mavos.utils.errors import UserError
from mavos.utils.key_names import KeyNames

OFFICIAL = {"mavos": "mavos_mobilenetv2"} | {
    name: name for name in ("r50_mavos", "swinb_mavos", "aott", "aotl", "deaotl")
}


def manifest(model: str) -> dict:
    return parity_weights.load_manifest(FIXTURES / "parity" / OFFICIAL[model])


def build(model: str, *overrides: str):
    torch.manual_seed(0)
    return build_model(configs.load(model, overrides=overrides).model)


@pytest.fixture(scope="module")
def nano():
    return build("mavos_nano")


def changed(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The model's weights, each a little different: loading them must show."""
    return {k: v + 1 if v.is_floating_point() else v for k, v in official_state_dict(model).items()}


@pytest.mark.parametrize("model", OFFICIAL)
def test_keys_shapes_and_types_are_the_released_ones(model: str):
    network = build(model)
    ours = official_state_dict(network)
    listed = [[k, list(v.shape), str(v.dtype).removeprefix("torch.")] for k, v in ours.items()]
    unused = network.key_names.unused
    released = [row for row in manifest(model)["state_dict"] if not row[0].startswith(unused)]
    assert sorted(listed) == sorted(released)


@pytest.mark.parametrize("model", [*OFFICIAL, "mavos_nano"])
def test_names_survive_the_round_trip(model: str):
    network = build(model)
    names = network.state_dict().keys()
    on_disk = [network.key_names.to_disk(name) for name in names]
    assert [network.key_names.to_code(name) for name in on_disk] == list(names)
    assert len(set(on_disk)) == len(names)


def test_what_we_save_is_what_we_load(nano, tmp_path):
    save_weights(nano, tmp_path / "w.pth")
    other = build("mavos_nano")
    for parameter in other.parameters():
        torch.nn.init.zeros_(parameter)
    assert load_weights(other, tmp_path / "w.pth") == []
    for (name, a), b in zip(nano.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "optimizer": {"lr": 1.0}, "step": 3},
        lambda state: {"model": state},
        lambda state: {"network": state, "optimizer": {"lr": 1.0}, "it": 3},
        lambda state: {"weights": state},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
    ],
    ids=["bare", "state_dict", "model", "network", "weights", "module."],
)
def test_every_shape_of_file(nano, tmp_path, wrap):
    state = changed(nano)
    torch.save(wrap(state), tmp_path / "w.pth")
    model = build("mavos_nano")
    load_weights(model, tmp_path / "w.pth")
    loaded = official_state_dict(model)
    assert all(torch.equal(loaded[k], v) for k, v in state.items())


def test_missing_and_unexpected_keys_are_listed_and_refused(nano, tmp_path):
    state = changed(nano)
    before = {k: v.clone() for k, v in nano.state_dict().items()}
    del state["decoder.conv_out.bias"]
    state["decoder.conv_uot.bias"] = torch.zeros(11)
    state["encoder_projector.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError) as refused:
        load_weights(nano, tmp_path / "w.pth")
    message = str(refused.value)
    assert "1 missing: decoder.conv_out.bias" in message
    assert "1 unexpected: decoder.conv_uot.bias" in message
    assert "encoder_projector.bias (3,), expected (64,)" in message
    assert str(tmp_path / "w.pth") in message
    assert all(torch.equal(before[k], v) for k, v in nano.state_dict().items())


@pytest.mark.parametrize("model", OFFICIAL)
def test_a_file_of_another_network_is_recognised(nano, tmp_path, model: str):
    torch.save({row[0]: torch.zeros(1) for row in manifest(model)["state_dict"]}, tmp_path / "w")
    with pytest.raises(UserError, match=f"looks like one of {model};"):
        load_weights(nano, tmp_path / "w")


def test_a_deaot_file_may_lack_the_mca(nano, tmp_path):
    mca = "long_term_memory_attention."
    state = {k: v for k, v in changed(nano).items() if not k.startswith(mca)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"missing: long_term_memory_attention\.0\.0"):
        load_weights(build("mavos_nano"), tmp_path / "w.pth")
    kept = load_weights(build("mavos_nano"), tmp_path / "w.pth", to_start=True)
    assert kept and all(name.startswith(mca) for name in kept)
    assert load_start(build("mavos_nano"), tmp_path / "w.pth") == kept


def test_a_network_without_mca_leaves_a_mavos_files_mca_out(nano, tmp_path):
    save_weights(nano, tmp_path / "w.pth")
    network = build("mavos_nano", "model.memory=reference")
    assert load_weights(network, tmp_path / "w.pth") == []
    state = official_state_dict(nano) | {"long_term_memory.0.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "more.pth")
    with pytest.raises(UserError, match=r"1 unexpected: long_term_memory\.0\.weight"):
        load_weights(network, tmp_path / "more.pth")


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "cannot read"),
        (b"not a checkpoint", "cannot read"),
        ({"state_dict": {}}, "holds no weights"),
        ([1, 2], "holds no weights"),
        (None, "no checkpoint"),
    ],
    ids=["empty", "text", "no tensors", "a list", "absent"],
)
def test_what_is_no_checkpoint_is_named(tmp_path, content, reason: str):
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(UserError, match=f"(?s){reason}.*|.*w.pth.*{reason}"):
        read_checkpoint(path)


def test_a_cut_file_is_named(nano, tmp_path):
    save_weights(nano, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"cannot read .*w\.pth"):
        load_weights(nano, tmp_path / "w.pth")


@pytest.mark.parametrize("model, make", [("mavos", mobilenet_v2), ("r50_mavos", resnet50)])
def test_torchvision_imagenet_files(tmp_path, model: str, make):
    """A classifier's file, heads and batch norm counters included, fills the encoder."""
    torch.manual_seed(1)
    classifier = make()
    torch.save(classifier.state_dict(), tmp_path / "imagenet.pth")
    network = build(model)
    assert load_start(network, tmp_path / "imagenet.pth") == []  # known by its keys
    ours, theirs = network.encoder.state_dict(), classifier.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_original_swin_file(tmp_path):
    """The 22k file: original names, a head, a fourth stage, shift masks, no output norms."""
    network = build("swinb_mavos")
    state = {
        k.removeprefix("encoder."): torch.randn(v.shape) if v.is_floating_point() else v
        for k, v in official_state_dict(network).items()
        if k.startswith("encoder.") and not k.startswith("encoder.norm")
    }
    extra = {
        "norm.weight": 1024,
        "head.weight": 21841,
        "layers.3.blocks.0.norm1.weight": 1024,
        "layers.2.downsample.norm.weight": 2048,
        "layers.0.blocks.1.attn_mask": 64,
    }
    content = {"model": state | {k: torch.zeros(n) for k, n in extra.items()}}
    torch.save(content, tmp_path / "swin.pth")
    load_encoder(network, tmp_path / "swin.pth")
    loaded = official_state_dict(network)
    assert all(torch.equal(loaded[f"encoder.{k}"], v) for k, v in state.items())


def test_an_encoder_file_of_another_network_is_refused(tmp_path):
    torch.save(resnet50().state_dict(), tmp_path / "r50.pth")
    with pytest.raises(UserError, match="does not fit the model, it looks like one of r50_mavos;"):
        load_encoder(build("mavos"), tmp_path / "r50.pth")


class Foreign(Network):
    """A small network of another method: its own key names, its own kind of file."""

    key_names = KeyNames(
        renames=(("decoder.{}.pred.", "heads.{}."), ("decoder.", "blocks.")),
        square=("table",),
        unused=("auxiliary.",),
        anew=("flow.",),
        wrapper="",
    )

    def __init__(self):
        super().__init__()
        self.heads = torch.nn.ModuleList(torch.nn.Linear(2, 3) for _ in range(2))
        self.blocks, self.flow = torch.nn.Linear(4, 4), torch.nn.Linear(1, 1)
        self.register_buffer("table", torch.arange(9))


def test_what_a_prefix_means_is_the_methods_own(tmp_path):
    network = Foreign()
    save_weights(network, tmp_path / "w.pth")
    content = torch.load(tmp_path / "w.pth")
    assert content.keys() == {
        *(f"decoder.{i}.pred.{kind}" for i in range(2) for kind in ("weight", "bias")),
        *(f"{part}.{kind}" for part in ("decoder", "flow") for kind in ("weight", "bias")),
        "table",
    }
    assert content["table"].shape == (3, 3)
    started = {k: v + 1 for k, v in content.items() if not k.startswith("flow.")}
    torch.save(started | {"auxiliary.weight": torch.zeros(1)}, tmp_path / "start.pth")
    other = Foreign()
    with pytest.raises(UserError, match=r"2 missing: flow\.weight, flow\.bias\)"):
        load_weights(other, tmp_path / "start.pth")
    assert load_weights(other, tmp_path / "start.pth", to_start=True) == [
        "flow.weight",
        "flow.bias",
    ]
    assert torch.equal(other.heads[1].weight, network.heads[1].weight + 1)
    assert torch.equal(other.table, torch.arange(9) + 1)


def test_a_part_has_its_names_within_those_of_the_network():
    part = KeyNames(renames=(("stem.", "parts.0."),), derived=(".mask",), unused=("head.",))
    names = KeyNames(renames=(("dec.", "decoder."),)).joined(part.within("encoder."))
    assert names.to_code("encoder.stem.weight") == "encoder.parts.0.weight"
    assert names.to_code("stem.weight") == "stem.weight"
    assert names.to_disk("decoder.encoder.parts.0.x") == "dec.encoder.parts.0.x"
    assert names.derived == (".mask",) and not names.unused


def test_marks_name_models_that_are_there():
    assert {model for model, _ in MARKS} <= MODELS.keys()


def test_safetensors_are_written_and_read(tmp_path):
    torch.manual_seed(0)
    model, other = (build_model(configs.load("mavos_nano").model) for _ in range(2))
    path = tmp_path / "nano.safetensors"
    save_weights(model, path)
    assert load_weights(other, path) == []
    wanted = model.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in other.state_dict().items())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"nano\.safetensors as safetensors: .*download it again"):
        load_weights(other, path)
