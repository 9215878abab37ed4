"""Reads the recorded outputs of the reference implementation and rebuilds the weights they used."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import parity_weights
import torch
from torch import Tensor, nn

from mavos import configs
from mavos.dataloaders.inputs import InputRule
from mavos.networks import build_model
from mavos.networks.lstt.memory import Entry
from mavos.networks.lstt.model import LongShortTermSegmenter
from mavos.networks.mavos.fused import unpacked
from mavos.networks.weights import load_weights

LOGITS = {"atol": 5e-4, "rtol": 1e-4}
INTERMEDIATES = {"atol": 1e-3, "rtol": 1e-4}
MODULES = {"atol": 2e-5, "rtol": 1e-5}

# How the fixtures were thinned out: every 8th channel of keys, every 32nd of values.
MEMORY_PARTS = {
    "k": lambda e: e.key[..., ::8],
    "v": lambda e: e.value[..., ::32],
    "id_v": lambda e: e.id_value[..., ::32],
}
# AOT has one value, with the ID embedding in it.
AOT_MEMORY_PARTS = {"k": MEMORY_PARTS["k"], "v": lambda e: e.values[..., ::32]}


@dataclass
class Case:
    """One recorded video."""

    name: str
    manifest: dict
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    policy: str | None = None  # of the memory, where the model's own was replaced

    @property
    def video(self) -> dict:
        return self.manifest["video"]

    def image(self, t: int) -> Tensor:
        """Frame t as network input (1, 3, H, W)."""
        frame = self.inputs["frames"][t]
        return InputRule(16, 1).prepare(frame, frame.shape[:2])[None]

    def labels(self, row: int) -> Tensor:
        return torch.from_numpy(self.inputs["masks"][row].astype(np.int64))[None]


def read_case(folder: Path, policy: str | None = None) -> Case:
    """policy: which of the memory policies that the case was recorded with, if it has several."""
    inputs, expected = (dict(np.load(folder / f"{name}.npz")) for name in ("inputs", "io"))
    name = folder.name
    if policy is not None:
        start, name = f"{policy}__", f"{name}, {policy}"
        expected = {k.removeprefix(start): v for k, v in expected.items() if k.startswith(start)}
    return Case(name, parity_weights.load_manifest(folder), inputs, expected, policy)


def save_seeded_checkpoint(manifest: dict, path: Path) -> Path:
    """The fixture's weights as a checkpoint file of the released code."""
    state = parity_weights.seeded_state_dict(manifest)
    assert parity_weights.state_dict_sha256(state) == manifest["weights"]["sha256"]
    torch.save({"state_dict": state}, path)
    return path


def seeded_model(manifest: dict, checkpoint: Path, *overrides: str) -> LongShortTermSegmenter:
    cfg = configs.load(manifest["model"]["config"], overrides=overrides)
    model = build_model(cfg.model).eval()
    load_weights(model, checkpoint)
    return model


class Recorded:
    """Inputs and expected outputs of one module; the reference puts tokens before the batch."""

    def __init__(self, folder: Path, name: str):
        listed = parity_weights.load_manifest(folder)["modules"][name]
        self.name, self.params, self._state = name, listed["params"], listed["state_dict"]
        self._inputs, self._outputs = (np.load(folder / f"{n}.npz") for n in ("inputs", "io"))

    @property
    def size(self) -> tuple[int, int]:
        return self.params["h"], self.params["w"]

    def map(self, key: str) -> Tensor:
        return torch.from_numpy(self._inputs[f"{self.name}/{key}"])

    def tokens(self, key: str) -> Tensor:
        return self.map(key).transpose(0, 1)

    def load(self, module: nn.Module, rename=lambda key: key) -> nn.Module:
        state = parity_weights.seeded_state_dict(self._state, seed=0)
        module.load_state_dict({rename(k): v for k, v in state.items()})
        return module.eval()

    def check(self, ours: Tensor, key: str = "out") -> None:
        expected = self._outputs[f"{self.name}/{key}"]
        print(f"\n{self.name}/{key}: {worst(ours, expected):.1e}")
        assert_close(ours, expected, f"{self.name}/{key}", **MODULES)

    def check_tokens(self, ours: Tensor, key: str = "out") -> None:
        self.check(ours.transpose(0, 1), key)


def worst(ours: Tensor, expected: np.ndarray) -> float:
    """Largest absolute difference, for the record."""
    return float(np.abs(np.asarray(ours) - expected.astype(np.float32)).max())


def assert_close(ours: Tensor, expected: np.ndarray, what: str, atol: float, rtol: float) -> None:
    np.testing.assert_allclose(np.asarray(ours), expected, atol=atol, rtol=rtol, err_msg=what)


def check_memory(case: Case, long_term: tuple[Entry, ...], key: str) -> float | None:
    """Compare every recorded part of the memory ``key``; the worst difference, None if none is."""
    differences = []
    is_aot = case.manifest["model"]["vos"] == "aot"
    for block, entry in enumerate(map(unpacked, long_term)):
        for part, pick in (AOT_MEMORY_PARTS if is_aot else MEMORY_PARTS).items():
            expected = case.expected.get(f"{key}_l{block}_{part}")
            if expected is not None:
                ours = pick(entry)[0]
                assert_close(ours, expected[:, 0], f"{key} block {block} {part}", **INTERMEDIATES)
                differences.append(worst(ours, expected[:, 0]))
    return max(differences, default=None)
