"""Weights in the package: found by default, refused if altered, never for another model."""

import hashlib
import shutil

import pytest

from mavos import configs
from mavos.run import shipped
from mavos.run.find_checkpoint import find_checkpoint
from mavos.utils.errors import UserError


@pytest.fixture
def folder(checkpoint, tmp_path, monkeypatch):
    """A package that ships weights of ``mavos_nano``."""
    shutil.copy(checkpoint, tmp_path / "nano.pth")
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    monkeypatch.setattr(shipped, "SHIPPED", {"mavos_nano": shipped.Shipped("nano.pth", digest)})
    shipped.shipped_checkpoint.cache_clear()
    yield tmp_path
    shipped.shipped_checkpoint.cache_clear()


def found(model, folder):
    return find_checkpoint(configs.load(model), folder / "trained", folder / "downloaded")


def test_it_is_what_is_left_where_nothing_else_is(folder):
    assert found("mavos_nano", folder) == folder / "nano.pth"
    (folder / "downloaded").mkdir()
    better = folder / "downloaded" / "mavos_nano_davis2017.pth"
    better.touch()
    assert found("mavos_nano", folder) == better


def test_no_other_model_gets_it(folder):
    with pytest.raises(UserError, match="no checkpoint for --model mavos "):
        found("mavos", folder)


def test_altered_or_missing_weights_are_refused_with_the_remedy(folder):
    path = folder / "nano.pth"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"nano\.pth.*SHA-256 differs.*install MAVOS again"):
        found("mavos_nano", folder)
    path.unlink()
    with pytest.raises(UserError, match=r"nano\.pth.*are missing.*install MAVOS again"):
        found("mavos_nano", folder)
