"""Fixtures that several test files share."""

from pathlib import Path

import pytest
import torch

import configs
from networks import build_model
from utils.checkpoint import official_state_dict


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of ``mavos_nano``, always the same."""
    path = tmp_path_factory.mktemp("weights") / "nano.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(configs.load("mavos_nano").model)
    torch.save({"state_dict": official_state_dict(model)}, path)
    return path
