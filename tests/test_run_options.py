"""Options that several commands share mean the same in all of them."""

import re

import pytest

from mavos.demo import options as demo
from mavos.evaluation import options as evaluation
from mavos.paper import command as paper
from mavos.speed_curves import options as speed_curves
from mavos.training import options as training
from mavos.utils.errors import UserError
from mavos.webapp import options as webapp

VIDEO = ("--input", "clip.mp4", "--mask", "first.png")
WITH_A_GPU = {"eval": (evaluation, ()), "demo": (demo, VIDEO), "app": (webapp, ()),
              "train": (training, ())}  # fmt: skip
ALL = {**WITH_A_GPU, "benchmark": (speed_curves, ()), "tables": (paper, ())}
SHARED = ("--device", "--amp", "--gpu_num", "--data_root", "--lt_gap", "--max_id_num", "--dtype")


@pytest.mark.parametrize("name", ["--gpu_id", "--start_gpu"])
@pytest.mark.parametrize("command", WITH_A_GPU)
def test_the_first_gpu_has_two_names_in_every_command(command, name):
    options, needed = WITH_A_GPU[command]
    assert options.parse([*needed, name, "2"])[1].gpu_id == 2
    with pytest.raises(UserError, match="--gpu_id must be 0 or more, got -1"):
        options.parse([*needed, name, "-1"])


def test_the_same_option_has_the_same_help_everywhere(capsys):
    texts: dict[str, set[str]] = {}
    for options, _ in ALL.values():
        with pytest.raises(SystemExit):
            options.parse(["--help"])
        help_text = capsys.readouterr().out
        for name in SHARED:
            pattern = rf"^  {name}\b((?:.*\n)(?:  {{5,}}.*\n)*)"
            found = re.findall(pattern, help_text, re.M)
            if found:
                texts.setdefault(name, set()).add(" ".join(found[0].split()))
    assert texts.keys() == set(SHARED)
    assert {name: said for name, said in texts.items() if len(said) > 1} == {}


def test_an_own_video_is_left_to_the_demo():
    assert evaluation.parse([*VIDEO, "--every", "2", "--device", "cpu"]) is None
    assert evaluation.parse(["--dataset", "lvos"]) is not None


def test_an_own_video_is_for_one_process(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="one process"):
        evaluation.parse(VIDEO)
