"""What README and docs show to be typed works, and what they point at is there."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mavos.dataloaders.media.mask_writing import MaskWriter
from mavos.run.commands import COMMANDS
from mavos.utils.paths import PROJECT
from tests.media import write_clip

README = PROJECT / "README.md"
PAGES = [
    README,
    *(PROJECT / name for name in ("CONTRIBUTING.md", "datasets/README.md")),
    PROJECT / "pretrain_models/README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]
# old names are what it is for
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _name(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


def test_the_python_example(tmp_path: Path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", _text(README), re.DOTALL)
    assert example.count("import") == 1  # one line is enough
    monkeypatch.chdir(tmp_path)
    write_clip(Path("clip.mp4"), length=4)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 10:30], mask[10:30, 40:60] = 1, 2
    with MaskWriter() as writer:
        writer.write(Path("first.png"), mask)

    exec(example, {})

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["2", "3", "4"]
    assert "{1: " in lines[0] and ", 2: " in lines[0]
    assert cv2.VideoCapture("out.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_readme_is_short():
    assert len(_text(README).splitlines()) <= 170


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path):
    broken = []
    for link in re.findall(r"\]\(((?!http)[^)\s]+)\)", _text(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert not broken


def _anchors(page: Path) -> set[str]:
    """Those that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", CURRENT, ids=_name)
def test_files_that_are_named_are_there(page: Path):
    # datasets and pretrain_models hold what a user puts there
    tops = "benchmarks|configs|dataloaders|docs|mavos|networks|tests|tools|utils"
    named = re.findall(rf"(?<![\w./-])((?:{tops})/[\w./-]+\w)(?![\w/.*<-])", _text(page))
    assert [n for n in named if not (PROJECT / n).exists()] == []


@pytest.mark.parametrize("page", CURRENT, ids=_name)
def test_commands_are_those_there_are(page: Path):
    blocks = re.findall(r"```bash\n(.*?)```", _text(page), re.DOTALL)
    inline = re.findall(r"`(mavos [^`\n]+)`", _text(page))
    shown = "\n".join([*blocks, *inline])
    named = set(re.findall(r"(?:^|&& |\| )mavos ([\w|]+)", shown, re.MULTILINE))
    assert {n for names in named for n in names.split("|")} - {"COMMAND"} <= set(COMMANDS)


def test_every_command_is_in_the_table_of_commands():
    _, table = _text(README).split("## Which command when")
    listed = set(re.findall(r"`mavos (\w+)`", table.split("\n## ")[0]))
    assert listed == set(COMMANDS)


def test_every_page_is_listed_in_readme():
    linked = set(re.findall(r"\]\((docs/\w+\.md)[)#]", _text(README)))
    assert {_name(page) for page in PAGES if page.parent == PROJECT / "docs"} <= linked
