"""Scores of videos and folders: which frames count, what is told about faults."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from shared_data import shared

from mavos.scoring.baselines import copy_first_mask, nothing, score_baseline, score_video
from mavos.scoring.folders import score_folders
from mavos.scoring.frames import ObjectScore
from mavos.scoring.processes import in_processes
from mavos.scoring.scores import Scores
from mavos.utils.errors import UserError

SIZE = (24, 32)


def _labels(**boxes: tuple[int, int]) -> np.ndarray:
    """(24, 32) uint8: an 8x8 box for each ``o<id>=(top, left)``."""
    labels = np.zeros(SIZE, np.uint8)
    for name, (top, left) in boxes.items():
        labels[top : top + 8, left : left + 8] = int(name[1:])
    return labels


# object 1 moves and leaves, object 7 comes in the second frame, object 9 with the last
TRUTHS = [
    _labels(o1=(0, 0)),
    _labels(o1=(0, 4), o7=(12, 12)),
    _labels(o7=(12, 12), o255=(0, 20)),
    _labels(o7=(12, 12), o9=(0, 0)),
]


def _save(folder, truths, names=None):
    folder.mkdir(parents=True)
    for i, labels in enumerate(truths):
        Image.fromarray(labels).save(folder / f"{names[i] if names else i:05d}.png")


def test_objects_count_after_their_first_frame():
    scores = score_video(TRUTHS, TRUTHS)
    assert {i: len(score.j) for i, score in scores.items()} == {1: 3, 7: 2}  # 9 has no frame left
    assert all(score.j == score.f == [1] * len(score.j) for score in scores.values())


def test_void_is_background_and_unknown_ids_are_ignored():
    predictions = [labels.copy() for labels in TRUTHS]
    predictions[0][:] = 1  # where the mask is given, nothing is scored
    predictions[2][:8, 20:28] = 1  # on void pixels, where object 1 is not
    predictions[3][20:] = 200
    scores = score_video(predictions, TRUTHS)
    assert scores[1].j == [1, 0, 1]
    assert scores[7].j == scores[7].f == [1, 1]


def test_baselines_need_the_truth_alone():
    still = list(copy_first_mask(TRUTHS))
    assert np.array_equal(still[3], _labels(o1=(0, 0), o7=(12, 12), o9=(0, 0)))  # 9 came later
    scores = score_video(still, TRUTHS)
    assert scores[1].j == pytest.approx([1 / 3, 0, 1])  # at last hidden by 9
    assert scores[7].j == scores[7].f == [1, 1]
    assert score_video(nothing(TRUTHS), TRUTHS)[1].j == [0, 1, 1]  # nothing to find: 1


def test_a_generator_that_ends_early_is_noticed():
    with pytest.raises(ValueError, match="longer"):
        score_video(TRUTHS[:2], TRUTHS)


@pytest.mark.parametrize("processes", [1, 2])
def test_folders_in_one_process_or_several(tmp_path, processes):
    for video, truths in {"b": TRUTHS, "a": TRUTHS[1:]}.items():
        _save(tmp_path / "gt" / video, truths)
        _save(tmp_path / "pred" / video, [np.zeros(SIZE, np.uint8), *truths[1:]])
    (tmp_path / "pred" / "b" / "00000.png").unlink()  # its mask is given
    scores = score_folders(tmp_path / "pred", tmp_path / "gt", ["b", "a"], processes)
    assert list(scores.videos) == ["b", "a"]
    assert set(scores.total().values()) == {1.0}


def test_a_process_that_is_killed_is_told():
    with pytest.raises(UserError, match="a process that scored was killed"):
        in_processes(os._exit, [1, 1], [1, 1], processes=2)


def test_baselines_of_folders(tmp_path):
    _save(tmp_path / "gt" / "b", TRUTHS)
    assert 0 < score_baseline("copy_first_mask", tmp_path / "gt", ["b"]).total()["J&F-Mean"] < 1
    with pytest.raises(UserError, match="copy_first_mask"):
        score_baseline("copy_mask", tmp_path / "gt", ["b"])


def test_faults_name_the_file(tmp_path):
    gt, pred = tmp_path / "gt", tmp_path / "pred"
    _save(gt / "v", TRUTHS)
    _save(pred / "v", TRUTHS[:2])
    with pytest.raises(UserError, match=r"pred/v/00002\.png: no such prediction; 2 of 3"):
        score_folders(pred, gt, ["v"])
    _save(tmp_path / "wide" / "v", [np.pad(labels, ((0, 0), (0, 1))) for labels in TRUTHS])
    with pytest.raises(UserError, match=r"wide/v/00001\.png: 33x24 .* 32x24"):
        score_folders(tmp_path / "wide", gt, ["v"], processes=1)
    with pytest.raises(UserError, match=r"pred/w|gt/w"):
        score_folders(pred, gt, ["w"])
    _save(gt / "void", [np.zeros(SIZE, np.uint8)] * 3)
    _save(pred / "void", [np.zeros(SIZE, np.uint8)] * 3)
    with pytest.raises(UserError, match="no object to score"):
        score_folders(pred, gt, ["void"])


def test_only_the_frames_of_the_truth_count(tmp_path):
    _save(tmp_path / "gt" / "v", TRUTHS, names=[0, 5, 10, 15])
    _save(tmp_path / "pred" / "v", [TRUTHS[i // 5] for i in range(20)])
    assert score_folders(tmp_path / "pred", tmp_path / "gt", ["v"]).total()["J&F-Mean"] == 1


def test_every_object_has_the_same_weight():
    scores = Scores(
        {
            "a": {1: ObjectScore([1.0, 0.0], [0.5, 0.5]), 2: ObjectScore([1.0], [1.0])},
            "b": {4: ObjectScore([0.0], [0.0])},
        }
    )
    table = json.loads(json.dumps(scores.to_json()))
    assert [table[name] for name in ("J-Mean", "F-Mean", "J&F-Mean")] == [0.5, 0.5, 0.5]
    assert table["num_objects"] == 3
    assert table["videos"]["a"]["J-Mean"] == scores.of_video("a")["J-Mean"] == 0.75
    first = table["videos"]["a"]["objects"]["1"]
    assert first["J&F-Mean"] == 0.5 and first["frames"]["J"] == [1.0, 0.0]


def test_groups_have_the_same_weight_however_many_objects_they_have():
    values = {
        1: ObjectScore([1.0], [0.5]),
        2: ObjectScore([0.0], [0.5]),
        3: ObjectScore([0.1], [0]),
    }
    groups = {("a", 1): "seen", ("a", 2): "seen", ("a", 3): "unseen"}
    total = Scores({"a": values}, groups=groups).total()
    assert total == pytest.approx(
        {
            "J&F-Mean": (0.5 + 0.5 + 0.1 + 0) / 4,
            "J-Mean": 0.3,
            "J-seen-Mean": 0.5,
            "J-unseen-Mean": 0.1,
            "F-Mean": 0.25,
            "F-seen-Mean": 0.5,
            "F-unseen-Mean": 0,
        }
    )


def test_what_json_does_not_know_is_null():
    scores = Scores({"a": {1: ObjectScore([1.0] * 256, [1.0] * 256)}}, ("J-Decay",), eight_bit=True)
    assert scores.to_json()["J-Decay"] is None


def test_real_results_differ_from_the_toolkit_by_the_last_frame_only():
    expected = json.loads(shared("metrics", "davis", "expected", "osvos.json").read_text())
    gt = shared("data", "DAVIS17", "Annotations", "480p")
    pred = shared("metrics", "davis", "pred", "osvos")
    scores = score_folders(pred, gt, ["composite-3obj"]).videos["composite-3obj"]
    for object_id, score in scores.items():
        of_toolkit = expected["objects"][f"composite-3obj_{object_id}"]
        assert score.j[:-1] == pytest.approx(of_toolkit["J"]["per_frame"], abs=1e-9)
        assert score.f[:-1] == pytest.approx(of_toolkit["F"]["per_frame"], abs=1e-9)
