"""Each mistake ends training with one line that says what to do, status 2 and no traceback."""

import os
import shutil
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import train_tool
from eval_tool import Ended, save_mask, wait
from train_tool import train

from mavos.training import command as training


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    return train_tool.make_data(tmp_path_factory.mktemp("root"))


@pytest.fixture
def data(shared, tmp_path) -> Path:
    """A copy to damage."""
    return shutil.copytree(shared, tmp_path / "data")


@pytest.fixture
def refused(shared, tmp_path):
    """Runs with options that must be refused; returns the error."""
    return lambda *more: train(shared, tmp_path / "run", *more).error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "mavos_nanno"], "unknown model 'mavos_nanno'; did you mean mavos_nano"),
        (["--stage", "pre_dave"], "unknown stage 'pre_dave'; did you mean pre_dav"),
        (["train.stepps=3"], "unknown config field 'train.stepps'; did you mean train.steps"),
        (["--datasets", "davis2018"], "unknown training dataset 'davis2018'; did you mean davis"),
        (["--datasets", "davis2017*x"], "does not end in a number of repeats"),
        (["--datasets", "lvos"], "lvos was not found"),
        (["--datasets", "synthetic"], "`python tools/make_synthetic.py` makes all of it"),
        (["--gpu_num", "2", "--device", "cuda:1"], "--device cuda:1 is one GPU"),
        (["train.clip_length=1"], "clip_length must be at least 2"),
        (["--lr", "-1"], "lr must be positive"),
        (["--lr", "nan"], "argument --lr: 'nan' is not finite"),
        (["--gpu_num", "0"], "--gpu_num must be at least 1"),
        (["--device", "tpu"], "device 'tpu' is not available here"),
        (["train.start=pre"], "no checkpoint for --model mavos_nano --stage pre. Looked for"),
        (["--pretrained_path", "nothing.pth"], "no checkpoint nothing.pth"),
        (["model.encoder_weights=none.pth"], "no ImageNet weights"),
        (
            ["--eval_every", "2", "--eval_dataset", "davs"],
            "unknown dataset 'davs'; did you mean davis",
        ),
        (["--seed", "-1"], "--seed must not be negative, got -1"),
        (["--gpu_num", "2", "--dist_url", "nonsense"], "--dist_url must look like tcp://"),
        (["--gpu_num", "2", "--dist_url", "tcp://127.0.0.1:99999"], "cannot listen on 127.0.0.1"),
        (["--gpu_num", "2", "--dist_url", "tcp://no.invalid:0"], "cannot listen on no.invalid:0"),
        (["--gpu_num", "2", "--dist_url", "tcp://192.0.2.1:0"], "cannot listen on 192.0.2.1:0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options(refused, options, message):
    assert message in refused(*options)


def test_missing_data_shows_the_layout(tmp_path):
    error = train(tmp_path / "nowhere", tmp_path / "run").error
    assert "davis2017 was not found. Looked at" in error and str(tmp_path / "nowhere") in error
    assert "ImageSets/2017/train.txt" in error and "Annotations/480p/<video>" in error
    assert not (tmp_path / "run" / "ckpt").exists()


def test_a_missing_start_tells_where_it_was_looked_for(refused):
    error = refused("train.start=pre")
    assert "default_MAVOS_Nano/PRE/ema_ckpt/save_step_<N>.pth" in error
    assert "MAVOS_Nano_pre.pth" in error and "--pretrained_path" in error


def test_a_checkpoint_of_another_model(refused, tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"state_dict": {"encoder.layer3.0.conv1.weight": torch.zeros(1)}}, path)
    error = refused("--pretrained_path", path)
    assert f"checkpoint {path} does not fit the model, it looks like one of r50_mavos" in error
    path.write_bytes(b"no checkpoint")
    assert f"cannot read {path} as a PyTorch checkpoint" in refused("--pretrained_path", path)


def test_a_port_in_use(refused):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        error = refused("--gpu_num", 2, "--dist_url", f"tcp://127.0.0.1:{port}")
    assert f"cannot listen on 127.0.0.1:{port} (--dist_url)" in error and "in use" in error


def test_a_folder_that_cannot_be_written(shared, tmp_path):
    (tmp_path / "file").touch()
    assert "cannot write" in train(shared, tmp_path / "file" / "run").error


@pytest.mark.parametrize("workers", [0, 1])
def test_clips_without_objects(data, tmp_path, workers):
    for mask in data.rglob("*/480p/*/*.png"):
        if "Annotations" in mask.parts:
            save_mask(mask, np.zeros((48, 64)))
    error = train(data, tmp_path / "run", f"train.workers={workers}").error
    assert "no object of more than 9 pixels in clips of" in error and "video0" in error


@pytest.mark.parametrize("damage", ["size", "empty"])
def test_a_damaged_mask(data, tmp_path, damage):
    for mask in (data / "DAVIS/Annotations/480p/video1").iterdir():
        if damage == "size":
            save_mask(mask, np.ones((20, 20)))
        else:
            mask.write_bytes(b"")
    error = train(data, tmp_path / "run", "train.workers=1").error
    assert "Annotations/480p/video1/0000" in error
    assert ("20" in error and "48" in error) if damage == "size" else "empty" in error


def run_two(data: Path, folder: Path, capfd, *more: object) -> Ended:
    """Two processes; only the launcher is this one."""
    ended = train(data, folder, "--gpu_num", 2, *more)
    assert (ended.stdout, ended.stderr) == ("", "")
    return Ended(ended.status, *capfd.readouterr())


def test_a_batch_that_two_processes_cannot_share_is_told_once(shared, tmp_path, capfd):
    error = run_two(shared, tmp_path / "run", capfd, "--batch_size", 3).error
    assert "batch_size 3 cannot be shared evenly by 2 processes; choose 2 or 4" in error


def broken_loss(monkeypatch, at: int) -> None:
    """The loss is no number from that step on."""

    def step(trainer, number, batches, stop=False):
        if number == at:
            for parameter in trainer.model.parameters():
                parameter.data.fill_(float("nan"))
        return before(trainer, number, batches, stop)

    before = training.Trainer.step
    monkeypatch.setattr(training.Trainer, "step", step)


def test_a_loss_that_is_no_number(shared, tmp_path, monkeypatch):
    broken_loss(monkeypatch, at=3)
    error = train(shared, tmp_path / "run").error
    assert error.startswith("error: step 3: the loss is nan") and "lower --lr" in error
    assert "JPEGImages/480p/video" in error
    (kept,) = (tmp_path / "run/ckpt").iterdir()
    assert kept.name == "save_step_2.pth"
    content = train_tool.saved(tmp_path / "run", 2)["state_dict"]
    assert all(value.isfinite().all() for value in content.values())
    monkeypatch.undo()
    assert "resuming from step 2" in train(shared, tmp_path / "run").stderr


def test_a_loss_that_is_no_number_ends_both_processes(shared, tmp_path, capfd):
    """The learning rate is that of a wrong option; gradients explode in the second step."""
    error = run_two(shared, tmp_path / "run", capfd, "--lr", "1e9").error
    assert "the loss is" in error and "The last checkpoint is kept" in error


def test_a_killed_data_worker_is_replaced(shared, tmp_path):
    process = train_tool.start(shared, tmp_path / "run", "--total_step", 16, "train.workers=1")
    train_tool.wait_for_line(tmp_path / "run", 2, process)
    (worker,) = (
        int(pid)
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    )
    os.kill(worker, signal.SIGKILL)
    ended = wait(process)
    assert ended.status == 0, ended.stderr
    assert "data workers are started again" in ended.stderr
    assert [line["step"] for line in train_tool.metrics(tmp_path / "run")] == list(range(1, 17))
