"""``tools/eval.py`` scores its masks where the ground truth is there, and never at their cost."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from eval_tool import labels, make_video, nano, run, save_mask

from mavos.dataloaders.listings.eval_datasets import EVAL_DATASETS
from mavos.scoring.folders import score_folders
from mavos.scoring.protocols import PROTOCOLS

LENGTH = 5


@pytest.fixture(scope="module")
def davis(tmp_path_factory) -> Path:
    """A dataset in the layout of DAVIS, annotated on every frame."""
    root = tmp_path_factory.mktemp("davis")
    folders = ("JPEGImages/480p", "Annotations/480p")
    make_video(root, "moving", LENGTH, ids=(1, 2), folders=folders)
    truth = root / folders[1] / "moving"
    for frame in range(1, LENGTH):
        save_mask(truth / f"{frame:05d}.png", np.roll(labels(truth / "00000.png"), frame, axis=1))
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("moving\n")
    return root


@pytest.fixture
def options(davis, checkpoint, tmp_path) -> list[object]:
    what = ["--dataset", "davis2017", "--data_root", davis, "--output", tmp_path / "out"]
    return [*nano(checkpoint), *what]


def test_scores_are_told_and_kept(options, davis, tmp_path):
    ended = run(*options)
    assert ended.archive == tmp_path / "out" / "out.zip"  # the only line on standard output
    assert "DAVIS 2017: 1 videos, 2 objects" in ended.stderr and "moving_2" in ended.stderr
    told = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert told["protocol"] == "davis2017"
    first = told["videos"]["moving"]["objects"]["1"]
    assert first["frames"]["names"] == ["00001", "00002", "00003"]  # neither first nor last
    truth = davis / "Annotations" / "480p"
    other = score_folders(tmp_path / "out" / "Annotations", truth, ["moving"]).videos["moving"]
    assert first["frames"]["J"] == other[1].j[:-1]


def test_no_scores_if_they_are_not_wanted_or_old(options, tmp_path):
    assert "DAVIS 2017" in run(*options).stderr
    ended = run(*options, "--no-score", "--overwrite")
    assert ended.archive.is_file() and "DAVIS 2017" not in ended.stderr
    assert not (tmp_path / "out" / "scores.json").exists()


def test_a_truth_that_is_not_complete_is_no_fault(options, davis, tmp_path):
    root = shutil.copytree(davis, tmp_path / "root")
    (root / "Annotations" / "480p" / "moving" / "00003.png").unlink()
    ended = run(*options, "--data_root", root)
    assert ended.archive.is_file() and "WARNING" not in ended.stderr
    assert "not scored: no ground truth of moving beside the masks given" in ended.stderr


def test_scoring_that_fails_costs_neither_masks_nor_archive(options, davis, tmp_path):
    root = shutil.copytree(davis, tmp_path / "root")
    (root / "Annotations" / "480p" / "moving" / "00003.png").write_bytes(b"")
    ended = run(*options, "--data_root", root)
    assert ended.archive.is_file()
    assert "WARNING not scored: " in ended.stderr and "00003.png: the file is empty" in ended.stderr
    assert not (tmp_path / "out" / "scores.json").exists()


def test_every_dataset_has_a_protocol():
    assert {row.protocol for row in EVAL_DATASETS.values()} <= PROTOCOLS.keys()
