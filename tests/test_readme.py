"""What README shows to be typed works as it stands there."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mavos.dataloaders.media.mask_writing import MaskWriter
from mavos.utils.paths import PROJECT
from tests.media import write_clip

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_python_example(tmp_path: Path, checkpoint: Path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    loaded = '"r50_mavos", "weights.pth"'
    assert loaded in example
    monkeypatch.chdir(tmp_path)
    write_clip(Path("clip.mp4"), length=4)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 10:30], mask[10:30, 40:60] = 1, 2
    with MaskWriter() as writer:
        writer.write(Path("first.png"), mask)

    exec(example.replace(loaded, f'"mavos_nano", {str(checkpoint)!r}'), {})

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["2", "3", "4"]
    assert "{1: " in lines[0] and ", 2: " in lines[0]
    assert cv2.VideoCapture("overlay.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 4


@pytest.mark.parametrize("path", sorted(set(re.findall(r"(?:tools|benchmarks)/\w+\.py", README))))
def test_the_scripts_that_it_names_are_there(path: str):
    assert (PROJECT / path).is_file()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(((?!http|#)[^)]+)\)", README))))
def test_its_links_lead_somewhere(link: str):
    assert (PROJECT / link).is_file()
