"""Fixtures that several test files share."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mavos import configs
from mavos.networks import build_model
from mavos.utils.checkpoint import official_state_dict


@pytest.fixture(autouse=True)
def what_tools_set_for_their_process_goes() -> Iterator[None]:
    """Log handlers, log level and where products go, as they were: tests run in any order."""
    root, matmul = logging.getLogger(), getattr(torch.backends.mkldnn, "matmul", None)
    before, level, precision = root.handlers[:], root.level, matmul and matmul.fp32_precision
    yield
    for handler in root.handlers[:]:
        if type(handler).__module__ == "mavos.utils.logging" and handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)
    if matmul is not None:
        matmul.fp32_precision = precision


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of ``mavos_nano``, always the same."""
    path = tmp_path_factory.mktemp("weights") / "nano.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(configs.load("mavos_nano").model)
    torch.save({"state_dict": official_state_dict(model)}, path)
    return path
