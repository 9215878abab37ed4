"""The rooms of the house: lines of each, and which imports which. Needs the standard library only.

    python benchmarks/rooms.py

An arrow is an import somewhere in a room; tests/test_house.py checks that all point down.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# from the roof to the ground: a room imports from its own level or from those below it
LEVELS = (
    ("tools", "mavos/__main__"),
    (
        "mavos/demo",
        "mavos/webapp",
        "mavos/paper",
        "mavos/speed_curves",
        "mavos/zoo",
        "mavos/quickstart",
    ),
    ("mavos/evaluation", "mavos/training", "mavos/tracking", "mavos/scoring"),
    ("mavos/run", "mavos/pictures"),
    ("networks", "dataloaders", "configs"),
    ("utils",),
    ("mavos",),  # the name itself: its face, which loads what it shows by need, and old names
)
ROOMS = tuple(room for level in LEVELS for room in level)
TOPS = ("mavos", "tools", "networks", "dataloaders", "configs", "utils")


def sources() -> Iterator[Path]:
    return (path for top in TOPS for path in sorted((ROOT / top).rglob("*.py")))


def room_of(module: str) -> str:
    """The room of a module, or of a name in one, by its full name."""
    first = module.removeprefix("mavos").removeprefix(".").partition(".")[0]
    return next((room for room in (first, f"mavos/{first}") if room in ROOMS), "mavos")


def module_of(path: Path) -> str:
    """The name by which a source file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("mavos", *parts[parts[0] == "mavos" :])).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Full names of what a file imports from ours, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "mavos")


def arrows() -> dict[str, dict[str, set[str]]]:
    """Room -> room that it imports from -> the modules that do."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in sources():
        module = module_of(path)
        for name in imported(path):
            if room_of(name) != room_of(module):
                found[room_of(module)][room_of(name)].add(module)
    return found


def lines() -> Counter[str]:
    counted: Counter[str] = Counter()
    for path in sources():
        counted[room_of(module_of(path))] += len(path.read_text(encoding="utf-8").splitlines())
    return counted


def main() -> None:
    counted, found = lines(), arrows()
    for level in LEVELS:
        for room in level:
            targets = ", ".join(sorted(found[room], key=ROOMS.index)) or "nothing"
            print(f"{room:20} {counted[room]:6} lines -> {targets}")
    print(f"{'all':20} {counted.total():6} lines")


if __name__ == "__main__":
    main()
