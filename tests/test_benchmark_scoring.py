"""``benchmarks/scoring.py``: ours alone, and beside a stand-in for the toolkit's checkout."""

import importlib
import json
import sys
import tempfile
from pathlib import Path

import eval_tool
import pytest
from benchmark_tool import load

SMALL = ("--frames", 6, "--objects", 2, "--size", 40, 60, "--rounds", 1, "--json")

# The parts of the toolkit that the benchmark calls; scores with plain NumPy.
STAND_IN = """
import os
import numpy as np
from PIL import Image
from mavos.scoring.metrics import boundary_accuracy

class DAVISEvaluation:
    def __init__(self, davis_root, task, gt_set, sequences="all", codalab=False):
        assert task == "semi-supervised" and codalab
        self.masks = os.path.join(davis_root, "Annotations", "480p")
        listed = os.path.join(davis_root, "ImageSets", "2017", gt_set + ".txt")
        self.names = [line.strip() for line in open(listed)]

    def evaluate(self, res_path, metric=("J", "F")):
        found = {letter: {"M_per_object": {}} for letter in metric}
        for name in self.names:
            frames = sorted(os.listdir(os.path.join(self.masks, name)))
            read = lambda top, f: np.array(Image.open(os.path.join(top, name, f)))
            for i in range(1, read(self.masks, frames[0]).max() + 1):
                pairs = [(read(res_path, f) == i, read(self.masks, f) == i) for f in frames[1:-1]]
                j = [(p & t).sum() / (p | t).sum() if (p | t).any() else 1.0 for p, t in pairs]
                f = [boundary_accuracy(p, t) for p, t in pairs]
                found["J"]["M_per_object"][f"{name}_{i}"] = np.mean(j) + SHIFT
                found["F"]["M_per_object"][f"{name}_{i}"] = np.mean(f)
        return found
"""


@pytest.fixture
def benchmark(monkeypatch):
    return load(monkeypatch, "scoring")


def run(benchmark, *options):
    return eval_tool.run(*SMALL, *options, main=benchmark.main)


def test_ours_alone(benchmark):
    ended = run(benchmark)
    assert ended.status == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["objects"], told["frames_times_objects"]) == (2, 8)
    (row,) = told["rows"]
    assert row["side"] == "ours" and row["wall_ms"] > 0 and row["cpu_ms"] > 0


@pytest.fixture
def fresh_checkout(monkeypatch, tmp_path):
    """Makes a checkout whose evaluation is the given code, and forgets the one before."""

    def make(code: str) -> Path:
        for name in [name for name in sys.modules if name.startswith("davis2017")]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        checkout = Path(tempfile.mkdtemp(dir=tmp_path))
        (checkout / "davis2017").mkdir()
        (checkout / "davis2017" / "__init__.py").touch()
        (checkout / "davis2017" / "evaluation.py").write_text(code)
        return checkout

    return make


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_beside_a_toolkit(benchmark, fresh_checkout, shift):
    code = STAND_IN.replace("SHIFT", str(shift))
    ended = run(benchmark, "--toolkit", fresh_checkout(code))
    assert ended.status == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert [row["side"] for row in told["rows"]] == ["ours", "toolkit"]
    assert told["worst_difference"] == pytest.approx(shift, abs=1e-9)
    mine, theirs = told["rows"]
    assert told["times_faster_cpu"] == pytest.approx(theirs["cpu_ms"] / mine["cpu_ms"])


@pytest.mark.parametrize("code", ["import no_such_package", STAND_IN.replace("SHIFT", "nowhere()")])
def test_a_toolkit_that_cannot_run_is_told(benchmark, fresh_checkout, code):
    code = code.replace("nowhere()", "__import__('no_such_package')")
    assert (
        "it needs no_such_package, which is not"
        in run(benchmark, "--toolkit", fresh_checkout(code)).error
    )
    error = run(benchmark, "--toolkit", fresh_checkout(STAND_IN.replace("SHIFT", "exit()"))).error
    assert "it stopped" in error


def test_mistakes(benchmark, tmp_path):
    assert "no davis2017/evaluation.py in it" in run(benchmark, "--toolkit", tmp_path).error
    assert "go together" in run(benchmark, "--gt", tmp_path).error
    assert "--frames must be at least 3" in run(benchmark, "--frames", 2).error
