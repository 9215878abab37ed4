"""Runs the benchmarks as users do."""

import importlib
import json
from types import ModuleType

import eval_tool
import pytest
from eval_tool import ROOT

BENCHMARKS = ROOT / "benchmarks"
NANO = ("--model", "mavos_nano")


def load(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    """A file of the folder, imported as they import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module(name)


def start(benchmark: str, *options: object) -> eval_tool.Ended:
    """A benchmark by the name of its file, in a process of its own."""
    shared = ("--device", "cpu", "--threads", 1)
    return eval_tool.wait(eval_tool.start(BENCHMARKS / benchmark, *shared, *options, cwd=ROOT))


def run(benchmark: ModuleType, *options: object) -> eval_tool.Ended:
    """A loaded benchmark, in this process."""
    return eval_tool.run("--device", "cpu", *options, main=benchmark.main)


def reported(ended: eval_tool.Ended) -> dict:
    """The one object on the standard output of a benchmark that was run with --json."""
    assert ended.status == 0, ended.stderr
    return json.loads(ended.stdout)
