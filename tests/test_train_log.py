"""What a run tells: lines, figures, curves, pictures."""

import argparse
import contextlib
import io
import json
import logging

import numpy as np
import pytest
import torch
import train_data
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from train_steps import make_clips, make_trainer

from mavos import configs
from mavos.configs.schema import TrainConfig
from mavos.training.command import processes
from mavos.training.log import TrainLog, picture
from mavos.training.validation import validate, validation_videos
from mavos.utils.launch import RepeatedWish

CFG = TrainConfig(steps=5, log_every=2, picture_every=4)
FIGURES = {
    *("step", "lr", "loss", "grad_norm", "data_seconds", "step_seconds"),
    *("aux_loss_0", *(f"{kind}_{t}" for kind in ("loss", "iou") for t in (1, 2, 3, 4))),
}


@pytest.fixture(scope="module")
def report():
    trainer = make_trainer(dtype=torch.float32)
    return trainer.step(0, make_clips(1))


def write(folder, report, first, last, state=(), active=True) -> dict:
    """Notes some steps whose loss is their number; returns the state of the log."""
    watch = TrainLog(folder, CFG, torch.device("cpu"), active)
    with contextlib.redirect_stderr(io.StringIO()):  # not a terminal: no bar
        watch.begin(first, dict(state))
        with watch:
            for step in range(first + 1, last + 1):
                watch.step(step, report._replace(loss=float(step)), 0.5, 1.5)
            return watch.state_dict()


def lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_figures_are_means_since_the_last_line(tmp_path, report, caplog):
    caplog.set_level(logging.INFO)
    write(tmp_path, report, 0, 5)
    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [
        (2, 1.5),
        (4, 3.5),
        (5, 5),
    ]
    assert all(line.keys() == FIGURES for line in lines(tmp_path))
    assert lines(tmp_path)[0]["data_seconds"] == 0.5
    told = [record.message for record in caplog.records]
    assert len(told) == 3 and told[0].startswith("step 2 of 5, 0:00:06 to go  loss 1.500  IoU ")
    assert "data 0.50 + step 1.50 s" in told[0] and told[0].endswith("GiB")


def test_going_on_undoes_later_lines_and_finishes_the_open_one(tmp_path, report):
    state = json.loads(json.dumps(write(tmp_path, report, 0, 3)))
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "loss": 77}\n{"step": 5, "lo')
    write(tmp_path, report, 3, 5, state)
    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [
        (2, 1.5),
        (4, 3.5),
        (5, 5),
    ]


def test_curves_and_pictures_go_to_tensorboard(tmp_path, report):
    write(tmp_path, report, 0, 5)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {f"train/{name}" for name in FIGURES - {"step"}} == set(events.Tags()["scalars"])
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(2, 1.5), (4, 3.5), (5, 5)]
    (tag,) = events.Tags()["images"]
    assert [image.step for image in events.Images(tag)] == [1, 4]


def test_the_picture_shows_labels_above_predictions(report):
    clips, result = report.last
    shown = picture(clips, result)
    assert shown.dtype == np.uint8 and shown.ndim == 3 and shown.shape[2] == 3
    same = picture(clips, result._replace(labels=clips.labels.transpose(0, 1)))
    rows = np.flatnonzero((shown != same).any(axis=(1, 2)))
    assert len(rows) and rows.min() >= len(shown) // 2


def test_frames_are_numbered_after_two_annotated_ones(tmp_path):
    """Also once the annotated ones have no loss any more."""
    trainer = make_trainer(
        "train.second_reference=true", "train.aux_ratio=0.3", dtype=torch.float32
    )
    for step in (0, 3):
        folder = tmp_path / str(step)
        write(folder, trainer.step(step, make_clips(1)), 0, 2)
        (line,) = lines(folder)
        assert {name for name in line if name.startswith(("loss_", "iou_"))} == {
            *("loss_2", "loss_3", "loss_4", "iou_2", "iou_3", "iou_4")
        }
        assert ("aux_loss_1" in line) == (step == 0)


def test_other_processes_write_nothing(tmp_path, report):
    state = write(tmp_path / "run", report, 0, 3, active=False)
    assert not (tmp_path / "run").exists()
    assert state["count"] == 1


def test_validation(tmp_path, report, caplog):
    caplog.set_level(logging.INFO)
    watch = TrainLog(tmp_path, CFG, torch.device("cpu"), active=True)
    watch.begin(0, {})
    with watch:
        watch.validation(4, {"j": 0.5, "f": 0.75})
    assert lines(tmp_path) == [{"step": 4, "validation_j": 0.5, "validation_f": 0.75}]
    assert caplog.records[-1].message == "step 4  validation: j 0.500  f 0.750"


@pytest.mark.parametrize(
    ("device", "asked", "there", "expected"),
    [("auto", 4, 8, 4), ("auto", 4, 1, 1), ("auto", 4, 0, 1), ("cpu", 2, 0, 2), ("auto", 1, 0, 1)],
)
def test_no_more_processes_than_gpus(monkeypatch, device, asked, there, expected):
    """The rest is accumulated, so that train.sh trains the same recipe on one GPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    args = argparse.Namespace(gpu_num=asked, gpu_id=0)
    assert processes(device, args) == expected


def test_an_echo_of_a_signal_is_not_a_second_one(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mavos.utils.launch.time.monotonic", lambda: now[0])
    wish = RepeatedWish()
    assert not wish.again()
    now[0] += 1
    assert not wish.again()
    now[0] += 5
    assert wish.again()


def test_own_annotated_videos_are_validated_on(tmp_path):
    for name in ("a", "b"):
        train_data.save_video(tmp_path, name, length=4, ids=(1, 2), size=(32, 48))
    settings = [f"train.eval_dataset={tmp_path}", "train.eval_every=1"]
    cfg = configs.load("mavos_nano", "quickstart", settings)
    videos = validation_videos(cfg)
    assert [(v.name, list(v.masks)) for v in videos] == [("a", ["00000"]), ("b", ["00000"])]
    trainer = make_trainer(dtype=torch.float32)
    scores = validate(cfg, trainer, videos, torch.device("cpu"))
    assert scores.keys() == {"j", "f", "j_and_f"} and 0 <= scores["j"] <= 1
