"""``make quickstart`` from end to end, on a dataset of a few small frames."""

import json

import cv2
import numpy as np
import pytest
from eval_tool import members, run

from mavos.dataloaders.synthetic import dataset as synthetic
from mavos.quickstart import command as quickstart
from mavos.quickstart.command import read_metrics, report

OVERRIDES = ("train.crop=33", "train.short_edge=40", "train.workers=0", "train.log_every=1")
RUN = "training_" + "_".join(["seed0", "2_steps", *OVERRIDES])


@pytest.fixture
def small(monkeypatch):
    """A dataset that is made and segmented in seconds, and one policy beside MCA."""
    made = synthetic.write_dataset
    monkeypatch.setattr(synthetic, "EXTRA_VAL", (("long", "long", 8), ("return_1", "return", 8)))
    monkeypatch.setattr(
        quickstart,
        "write_dataset",
        lambda root, seed, size, tick: made(root, seed, 2, 1, 8, (48, 48), processes=1, tick=tick),
    )
    monkeypatch.setattr(quickstart, "POLICIES", ("reference",))


def test_from_nothing_to_pictures_and_again(small, tmp_path):
    options = ["--output", tmp_path, "--steps", 2, *OVERRIDES]
    ended = run(*options, main=quickstart.main)
    assert ended.status == 0, ended.stderr
    assert ended.stdout.strip() == str(tmp_path / "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    scores = ("j_and_f", "j_and_f_copy_first_mask", "j_and_f_nothing")
    assert all(0 <= summary[name] <= 1 for name in scores)
    assert summary["steps"] == 2 and summary["seconds_train"] > 0 < summary["seconds_eval"]
    assert summary["memory_policies"].keys() == {"mca", "reference"}
    assert {"long/00007.png", "return_1/00000.png"} <= members(summary["zip"]).keys()
    assert f"{summary['j_and_f']:.3f}" in report(summary)
    for picture in ("contact_sheet", "loss_curve"):
        assert np.ptp(cv2.imread(summary[picture])) > 100
    video = cv2.VideoCapture(summary["overlay_video"])
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 12 + 8 + 8

    before = (tmp_path / RUN / "metrics.jsonl").read_text()
    again = run(*options, main=quickstart.main)
    assert again.status == 0
    assert (tmp_path / RUN / "metrics.jsonl").read_text() == before
    assert json.loads((tmp_path / "summary.json").read_text())["j_and_f"] == summary["j_and_f"]
    assert len(read_metrics(tmp_path / RUN / "metrics.jsonl")) == 2


def test_a_tool_that_fails_ends_the_demo(small, tmp_path):
    ended = run("--output", tmp_path, "--steps", 2, "train.crop=no", main=quickstart.main)
    assert ended.status == 2 and "train.crop=no" not in ended.stdout
    assert "tools/train.py ended with status 2" in ended.error
