"""Where tests find the team's shared fixtures; the one place that decides to skip."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = Path(__file__).resolve().parent / "fixtures"


def shared(*parts: str) -> Path:
    """Path under the folder ``shared`` beside the checkout (or ``$MAVOS_SHARED``).

    Skips the calling test, loudly, when the folder is absent; in CI (``CI=true``) it fails.
    """
    base = Path(os.environ.get("MAVOS_SHARED") or ROOT.parent / "shared")
    path = base.joinpath(*parts)
    if not path.exists():
        message = f"shared test data not found: {path} (set MAVOS_SHARED to the folder)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
