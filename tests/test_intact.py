"""Weights are intact or refused: damaged bytes, odd numbers, other containers."""

import random

import pytest
import safetensors.torch
import torch

from mavos import configs
from mavos.networks import build_model
from mavos.networks.weights import load_weights
from mavos.training.state import _read
from mavos.utils.checkpoint import official_state_dict, read_checkpoint, save_weights
from mavos.utils.errors import UserError

KEY = "decoder.conv_out.weight"


@pytest.fixture(scope="module")
def nano():
    torch.manual_seed(0)
    return build_model(configs.load("mavos_nano").model)


def test_damaged_bytes_never_come_back_as_other_weights(tmp_path):
    path = tmp_path / "w.pth"
    state = {f"layer.{i}": torch.randn(50, 40) for i in range(6)}
    torch.save({"state_dict": state}, path)
    whole, rng = path.read_bytes(), random.Random(7)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            read = read_checkpoint(path)
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
        else:  # a byte that means nothing: padding, a time stamp
            assert read.keys() == state.keys()
            assert all(torch.equal(read[k], v) for k, v in state.items())
    assert refused > 100


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda v: v.index_fill(0, torch.tensor([0]), float("nan")), "not finite"),
        (lambda v: v * float("inf"), "not finite"),
        (lambda v: v.to(torch.complex64), "complex"),
        (lambda v: v.to_sparse(), "sparse"),
        (lambda v: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8), "quantised"),
        (lambda v: v.long(), "of another kind of number"),
    ],
    ids=["nan", "infinite", "complex", "sparse", "quantised", "integer"],
)
@pytest.mark.filterwarnings("ignore")
def test_odd_tensors_are_refused_by_name(nano, tmp_path, change, words):
    state = official_state_dict(nano)
    torch.save(state | {KEY: change(state[KEY])}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=f"(?s)(?=.*{KEY}).*{words}"):
        load_weights(nano, tmp_path / "w.pth")


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_weights_of_a_compiled_model_load(nano, tmp_path, prefix):
    state = official_state_dict(nano)
    torch.save({f"{prefix}{k}": v for k, v in state.items()}, tmp_path / "w.pth")
    assert read_checkpoint(tmp_path / "w.pth").keys() == state.keys()


def test_safetensors_are_written_and_read(nano, tmp_path):
    save_weights(nano, tmp_path / "w.safetensors")
    state = official_state_dict(nano)
    read = safetensors.torch.load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(read[k], v) for k, v in state.items())
    assert load_weights(nano, tmp_path / "w.safetensors") == []
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(UserError, match=r"cannot read .*w\.safetensors as safetensors"):
        load_weights(nano, tmp_path / "w.safetensors")


def test_a_training_checkpoint_of_weights_only_is_refused(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "save_step_3.pth")
    with pytest.raises(UserError, match="cannot be resumed from, it holds weights only"):
        _read(tmp_path / "save_step_3.pth")
