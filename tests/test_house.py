"""Rules of the house that no other test would notice being broken."""

import ast
import graphlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import setuptools
from benchmark_tool import load

ROOT = Path(__file__).resolve().parents[1]
INSIDE = ("configs", "networks", "dataloaders", "tools", "utils")  # of the package, beside it
PACKAGES = ("mavos", *INSIDE)


def _module_name(path: Path) -> str:
    """The name by which a source file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("mavos", *parts[parts[0] == "mavos" :])).removesuffix(".__init__")


def _modules() -> Iterator[Path]:
    return (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def test_data_folders_are_not_installed(tmp_path, monkeypatch):
    for name in (
        *PACKAGES,
        "mavos/run",
        "networks/mavos",
        "datasets",
        "datasets/DAVIS",
        "tests",
        "results",
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "pretrain_models").mkdir()
    asked = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: asked.update(options))
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "setup.py"))
    inside = [f"mavos.{name}" for name in (*INSIDE, "networks.mavos")]
    assert sorted(asked["packages"]) == sorted(["mavos", "mavos.run", *inside])


def test_rooms_import_downwards(monkeypatch):
    rooms = load(monkeypatch, "rooms")
    folders = {
        path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("mavos/*/__init__.py")
    }
    assert {*INSIDE, *folders, "mavos", "mavos/__main__"} == {*rooms.ROOMS}
    level = {room: depth for depth, level in enumerate(rooms.LEVELS) for room in level}
    arrows = rooms.arrows()
    upwards = [(a, b) for a in arrows for b in arrows[a] if level[b] < level[a]]
    assert upwards == []
    assert "dataloaders" not in arrows["networks"] and "networks" not in arrows["dataloaders"]
    graphlib.TopologicalSorter(arrows).prepare()  # raises CycleError for a circle
    assert sum(rooms.lines().values()) > 10_000


def test_make_help_lists_every_target():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")}
    assert {"help", "test", "lint", "clean"} <= listed


ONE_DOOR = "utils/reading.py"  # where whatever a parser raises becomes a UserError
MAY_EXIT = ("tools/", "mavos/run/entry.py", "mavos/__main__.py")
MAY_PRINT = ("tools/", "mavos/")  # what a command says on standard output


def _offences(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        match node:
            case ast.Call(func=ast.Name(id="exit" | "quit")):
                yield f"{where} exit()"
            case ast.Call(func=ast.Name(id="print")) if not name.startswith(MAY_PRINT):
                yield f"{where} print() in a library"
            case ast.Attribute(value=ast.Name(id="sys"), attr="exit") if not name.startswith(
                MAY_EXIT
            ):
                yield f"{where} sys.exit outside of an entry"
            case ast.Attribute(value=ast.Name(id="sys"), attr="path"):
                yield f"{where} sys.path"
            case ast.ExceptHandler(type=None | ast.Name(id="Exception" | "BaseException")) if (
                name != ONE_DOOR
            ):
                yield f"{where} broad except"


def test_sources_do_not_exit_print_edit_the_path_or_swallow_errors():
    assert [offence for path in _modules() for offence in _offences(path)] == []


# What an import must leave alone. Third-party packages come first: what they do is not ours.
IMPORT_ALL = """
import importlib, json, logging, os, random, signal, sys
import cv2, numpy, torch, torch.distributed, torchvision

def state():
    return {
        "torch seed": torch.initial_seed(),
        "torch generator": torch.get_rng_state().tolist(),
        "random": repr(random.getstate()),
        "numpy": repr(numpy.random.get_state()),
        "torch threads": torch.get_num_threads(),
        "OpenCV threads": cv2.getNumThreads(),
        "gradients": torch.is_grad_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "CUDA used": torch.cuda.is_initialized(),
        "dtype": str(torch.get_default_dtype()),
        "path": sys.path[:],
        "recursion": sys.getrecursionlimit(),
        "log handlers": repr(logging.getLogger().handlers),
        "Ctrl-C": repr(signal.getsignal(signal.SIGINT)),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "files": os.listdir(),
    }

before, changed = state(), {}
for name in sys.argv[1:]:
    importlib.import_module(name)
    after = state()
    changed |= {name: what for what in after if after[what] != before[what]}
    before = after
print(json.dumps(changed))
"""


def test_importing_does_nothing(tmp_path):
    names = [_module_name(path) for path in _modules()]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


# As on Windows: what other packages need of these they have taken already.
IMPORT_ALL_WITHOUT_UNIX = """
import importlib, os, signal, sys

def import_all():
    for name in sys.argv[1:]:
        importlib.import_module(name)

import_all()
for name in [name for name in sys.modules if name.partition(".")[0] == "mavos"]:
    del sys.modules[name]
sys.modules["resource"] = sys.modules["fcntl"] = None
for module, names in {
    signal: ("SIGKILL", "SIGPIPE", "SIGHUP", "pthread_kill"),
    os: ("fork", "getuid", "sched_getaffinity", "killpg"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
import_all()
"""


def test_everything_imports_without_what_only_unix_has(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL_WITHOUT_UNIX, *map(_module_name, _modules())],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def test_names_can_be_searched_for():
    """report, log, raise: words that a reader would look for, not say and tell."""
    vague = re.compile(r"_*(say|says|tell|tells|told|telling)(_|$)")
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and vague.match(node.name)
    ]
    assert named == []
