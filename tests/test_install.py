"""What an installation puts on a user's path, what it weighs, and what old imports are told."""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mavos
from mavos.run.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("configs", "networks", "dataloaders", "tools", "utils")  # installed inside mavos


def python(*argv: object, cwd: Path, path: Path | None = ROOT) -> subprocess.CompletedProcess:
    """A process of its own that finds what lies in ``path``."""
    env = os.environ | {"PYTHONPATH": str(path or "")}
    command = [sys.executable, *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of the sources, so that building leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*FOLDERS, "mavos"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / "sources" / name, ignore=skipped)
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder / "sources")
    build = ("wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder)
    done = python("-m", "pip", *build, cwd=folder / "sources", path=None)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder with what the wheel puts into site-packages."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.with_name("site"))
    return wheel.with_name("site")


def test_an_installation_is_one_name(installed):
    assert [path.name for path in installed.iterdir() if path.suffix != ".dist-info"] == ["mavos"]
    ours = {
        path.relative_to(base)
        for folder, base in ((ROOT / "mavos", ROOT / "mavos"), *((ROOT / f, ROOT) for f in FOLDERS))
        for path in folder.rglob("*")
        if path.suffix == ".py" or path.parent.name == "static"
    }
    there = {path.relative_to(installed / "mavos") for path in (installed / "mavos").rglob("*")}
    assert ours <= there and len(ours) > 200
    assert {path for path in there if path.suffix == ".py"} <= ours


# The user's own modules have the names of our folders.
CLASH = """
import json, sys
import configs, networks, tools, utils
from pathlib import Path

assert (configs.MINE, networks.MINE, tools.MINE, utils.MINE) == (1, 2, 3, 4)
import mavos
assert Path(mavos.__file__).is_relative_to(sys.argv[1])
from mavos import read_mask, score
for name in mavos.__all__:
    assert getattr(mavos, name).__name__ == name

ids = read_mask("masks/video/00000.png")
total = score("masks", "masks").total()
print(json.dumps({"ids": sorted(set(ids.ravel().tolist())), "total": total}))
"""


def test_a_script_with_modules_of_our_names_can_use_it(installed, tmp_path):
    (tmp_path / "utils.py").write_text("MINE = 4")
    for number, name in enumerate(("configs", "networks", "tools"), start=1):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"MINE = {number}")
    (tmp_path / "script.py").write_text(CLASH)
    masks = "import numpy as np; from pathlib import Path\n"
    masks += "from mavos.dataloaders.media.mask_writing import write_mask\n"
    masks += "labels = np.zeros((40, 60), np.uint8); labels[9:30, 9:40] = 3\n"
    masks += "for i in range(3): write_mask(Path(f'masks/video/{i:05d}.png'), labels)"
    done = python("-c", masks, cwd=tmp_path, path=installed)
    assert done.returncode == 0, done.stderr
    done = python("script.py", installed, cwd=tmp_path, path=installed)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ids"] == [0, 3] and told["total"]["J&F-Mean"] == 1


def test_the_name_alone_loads_nothing(tmp_path):
    told = "import sys, mavos; print(sorted({'numpy', 'cv2', 'torch'} & {*sys.modules}))"
    assert python("-c", told, cwd=tmp_path).stdout == "[]\n"


def test_the_face_lists_what_it_has():
    assert {*mavos.__all__} <= {*dir(mavos)}
    with pytest.raises(AttributeError, match="module 'mavos' has no attribute 'VideoTrakcer'"):
        _ = mavos.VideoTrakcer


# Runs commands, imports modules; prints what has loaded PyTorch, if anything has.
LIGHT = """
import contextlib, importlib, io, json, sys
from mavos.run import entry

asked, heavy = json.loads(sys.argv[1]), []
for what in asked:
    if isinstance(what, str):
        importlib.import_module(what)
    else:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
            entry.run(what[0], what[1:])
        assert len(shown.getvalue()) > 200, what
    if "torch" in sys.modules:
        heavy.append(what)
        break
print(json.dumps(heavy))
"""
SCORING = [f"mavos.scoring.{path.stem}" for path in sorted((ROOT / "mavos/scoring").glob("*.py"))]
MASKS = ["mavos.dataloaders.media.mask_files", "mavos.dataloaders.media.mask_writing"]
LISTS = [["download", "--list"], ["tables", "--list"]]


@pytest.mark.parametrize(
    "asked",
    [[*SCORING, *MASKS], [*([name, "--help"] for name in COMMANDS), *LISTS]],
    ids=["scoring", "commands"],
)
def test_what_is_light_loads_no_pytorch(asked, tmp_path):
    done = python("-c", LIGHT, json.dumps(asked), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_a_process_that_scores_loads_no_pytorch(tmp_path):
    told = """
from mavos.scoring.processes import in_processes
look = "__import__('mavos.scoring.videos') and 'torch' in __import__('sys').modules"
print(in_processes(eval, [look, look], [1, 1], 2))
"""
    done = python("-c", told, cwd=tmp_path)
    assert done.stdout == "[False, False]\n", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="weight.py needs Unix")
def test_scoring_weighs_little(tmp_path):
    names = ("mavos score --help", "a scoring process")
    done = python(ROOT / "benchmarks" / "weight.py", *names, "--runs", 1, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    weights = json.loads(done.stdout)
    assert [*weights] == [*names]
    assert all(10 < weight["peak_mb"] < 100 for weight in weights.values())


def _bare(path: Path) -> Iterator[str]:
    """Imports of one of our folders by its own name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module), level=0):
                names = [module]
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                names = [name]
            case _:
                continue
        for name in names:
            if name.partition(".")[0] in FOLDERS:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {name}"


def test_nothing_imports_our_folders_by_their_own_names():
    folders = (*FOLDERS, "mavos", "tests", "benchmarks")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    found = [offence for path in paths for offence in _bare(path)]
    # the authors' release has packages of these names; loading it is what that file is for
    assert [one for one in found if not one.startswith(f"benchmarks{os.sep}release.py")] == []
    assert len(paths) > 200


@pytest.mark.parametrize("name", FOLDERS)
def test_an_old_import_names_the_new_one(name):
    done = python("-c", f"import {name}", cwd=ROOT, path=None)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: `{name}` is `mavos.{name}` now")
    assert "from mavos import VideoTracker" in last and "docs/CHANGELOG.md" in last


def test_an_old_start_of_a_tool_names_the_new_one():
    done = python("-m", "tools.eval", "--help", cwd=ROOT, path=None)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "`python -m mavos.tools.eval`" in done.stderr
    done = python("-m", "mavos.tools.eval", "--help", cwd=ROOT, path=None)
    assert done.returncode == 0 and "--dataset" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_a_checkout_that_is_not_installed_says_what_to_run(name, tmp_path):
    done = python("-S", ROOT / "tools" / f"{name}.py", "--help", cwd=tmp_path, path=None)
    assert done.returncode == 2 and done.stdout == ""
    expected = f"MAVOS is not installed: run `pip install -e {ROOT}{os.sep}` once\n"
    assert done.stderr == expected
