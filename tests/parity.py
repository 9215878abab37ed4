"""Reads the recorded outputs of the reference implementation and rebuilds the weights they used."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import parity_weights
import torch
from torch import Tensor

import configs
from dataloaders.resize import to_input
from networks import build_model
from networks.mavos.memory import Entry
from networks.mavos.model import MAVOS
from utils.checkpoint import load_weights

LOGITS = {"atol": 5e-4, "rtol": 1e-4}
INTERMEDIATES = {"atol": 1e-3, "rtol": 1e-4}
MODULES = {"atol": 2e-5, "rtol": 1e-5}

# How the fixtures were thinned out: every 8th channel of keys, every 32nd of values.
MEMORY_PARTS = {
    "k": lambda e: e.key[..., ::8],
    "v": lambda e: e.value[..., ::32],
    "id_v": lambda e: e.id_value[..., ::32],
}


@dataclass
class Case:
    """One recorded video."""

    name: str
    manifest: dict
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]

    @property
    def video(self) -> dict:
        return self.manifest["video"]

    def image(self, t: int) -> Tensor:
        """Frame t as network input (1, 3, H, W)."""
        frame = self.inputs["frames"][t]
        return to_input(frame, frame.shape[:2])[None]

    def labels(self, row: int) -> Tensor:
        return torch.from_numpy(self.inputs["masks"][row].astype(np.int64))[None]


def read_case(folder: Path) -> Case:
    arrays = [dict(np.load(folder / f"{name}.npz")) for name in ("inputs", "io")]
    return Case(folder.name, parity_weights.load_manifest(folder), *arrays)


def save_seeded_checkpoint(manifest: dict, path: Path) -> Path:
    """The fixture's weights as a checkpoint file of the released code."""
    state = parity_weights.seeded_state_dict(manifest)
    assert parity_weights.state_dict_sha256(state) == manifest["weights"]["sha256"]
    torch.save({"state_dict": state}, path)
    return path


def seeded_model(manifest: dict, checkpoint: Path, *overrides: str) -> MAVOS:
    cfg = configs.load(manifest["model"]["config"], overrides=overrides)
    model = build_model(cfg.model).eval()
    load_weights(model, checkpoint)
    return model


def worst(ours: Tensor, expected: np.ndarray) -> float:
    """Largest absolute difference, for the record."""
    return float(np.abs(np.asarray(ours) - expected.astype(np.float32)).max())


def assert_close(ours: Tensor, expected: np.ndarray, what: str, atol: float, rtol: float) -> None:
    np.testing.assert_allclose(np.asarray(ours), expected, atol=atol, rtol=rtol, err_msg=what)


def check_memory(case: Case, long_term: tuple[Entry, ...], key: str) -> float | None:
    """Compare every recorded part of the memory ``key``; the worst difference, None if none is."""
    differences = []
    for block, entry in enumerate(long_term):
        for part, pick in MEMORY_PARTS.items():
            expected = case.expected.get(f"{key}_l{block}_{part}")
            if expected is not None:
                ours = pick(entry)[0]
                assert_close(ours, expected[:, 0], f"{key} block {block} {part}", **INTERMEDIATES)
                differences.append(worst(ours, expected[:, 0]))
    return max(differences, default=None)
