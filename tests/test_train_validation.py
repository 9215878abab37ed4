"""Validation in training keeps the best averages, and ends a run that gets no better."""

import json
import shutil

import pytest
import torch
import train_tool

from mavos.training import command


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return train_tool.make_data(tmp_path_factory.mktemp("root"))


@pytest.fixture
def scores(monkeypatch):
    """What the validations of a run give, in turn."""
    given: list[float] = []
    monkeypatch.setattr(command, "validate", lambda *_: {"j_and_f": given.pop(0)})
    return given


def validated(data, folder, *more):
    options = ("--eval_every", 2, "--eval_dataset", "davis2017", "train.eval_videos=1", *more)
    return train_tool.train(data, folder, *options)


def test_the_best_averages_are_kept_and_named(data, tmp_path, scores):
    scores += [0.5, 0.75, 0.25]
    ended = validated(data, tmp_path)
    assert (ended.status, ended.stdout) == (0, f"{tmp_path / 'best.pth'}\n")
    best = json.loads((tmp_path / "best.json").read_text())
    assert best == {"step": 4, "score": 0.75, "since": 1}
    at_step_4 = tmp_path / "ema_ckpt" / "save_step_4.pth"
    ours, kept = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (tmp_path / "best.pth", at_step_4)
    )
    assert all(torch.equal(ours[key], kept[key]) for key in kept)


def test_a_run_that_gets_no_better_ends(data, tmp_path, scores):
    scores += [0.5, 0.25, 0.75]
    ended = validated(data, tmp_path, "train.patience=1")
    assert ended.status == 0 and "no better score in 1 validations" in ended.stderr
    assert len(train_tool.metrics(tmp_path)) and scores == [0.75]  # the third was not made


def test_a_folder_under_the_data_root_can_be_named(data, tmp_path, scores):
    scores += [0.5, 0.5, 0.5]
    own = data / "composed" / "held"
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(data / "DAVIS" / kind / "480p", own / kind)
    ended = train_tool.train(data, tmp_path, "--eval_every", 2, "--eval_dataset", "composed/held")
    assert ended.status == 0 and not scores
