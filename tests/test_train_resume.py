"""Interrupted training goes on as if nothing had been: killed, stopped, on a full disk."""

import errno
import json
import signal
import subprocess
import sys

import pytest
import torch
import train_tool
from eval_tool import wait
from train_tool import metrics, same_weights, start, train, wait_for_line

from mavos import configs
from mavos.networks import build_model
from mavos.networks.weights import load_weights
from mavos.run.find_checkpoint import find_checkpoint
from mavos.training.log import _lines_until
from mavos.training.options import parse
from mavos.training.step import Trainer

LONG = ("--total_step", 14, "train.save_every=3", "train.workers=1")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return train_tool.make_data(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "default_MAVOS_Nano" / "PRE_YTB_DAV"
    ended = train(data, folder, *LONG)
    assert ended.stdout == f"{folder}/ema_ckpt/save_step_14.pth\n", ended.stderr
    return folder


@pytest.fixture
def stopped(data, tmp_path):
    """The folder of a run of which the first four steps are done and saved."""
    ended = train(data, tmp_path / "stopped", "--total_step", 4)
    assert ended.status == 0, ended.stderr
    return tmp_path / "stopped"


def goes_on(data, folder, whole, *more) -> str:
    """The same command ends with the curve and the weights of ``whole``; returns its log."""
    again = train(data, folder, *LONG, *more)
    assert again.status == 0, again.stderr
    assert metrics(folder) == metrics(whole)
    assert same_weights(folder, whole, 14)
    return again.stderr


def test_what_a_run_leaves(whole):
    assert sorted(path.name for path in whole.iterdir()) == [
        "ckpt",
        "config.json",
        "ema_ckpt",
        "metrics.jsonl",
        "tensorboard",
        "train.log",
    ]
    names = {f"save_step_{step}.pth" for step in (6, 9, 12, 14)}  # train.keep_last=4
    assert {path.name for path in whole.glob("ckpt/*")} == names
    assert {path.name for path in whole.glob("ema_ckpt/*")} == names
    assert [line["step"] for line in metrics(whole)] == list(range(1, 15))
    config = json.loads((whole / "config.json").read_text())
    assert config["model"]["dim"] == 16 and config["train"]["output"] == str(whole)


def test_averaged_weights_are_found_and_loaded_by_evaluation(whole):
    trained = whole.parents[1]
    overrides = [arg for arg in train_tool.TINY if arg.startswith("model.")]
    cfg = configs.load("mavos_nano", overrides=overrides)
    path = find_checkpoint(cfg, trained, trained)
    assert path == whole / "ema_ckpt/save_step_14.pth"
    model = build_model(cfg.model)
    assert load_weights(model, path) == []
    last, averaged = train_tool.saved(whole, 14), torch.load(path, weights_only=True)["state_dict"]
    assert last["state_dict"].keys() == averaged.keys()
    assert not torch.equal(
        last["state_dict"]["LSTT.layers.0.linear_QV.weight"],
        averaged["LSTT.layers.0.linear_QV.weight"],
    )
    assert load_weights(model, whole / "ckpt/save_step_14.pth") == []


@pytest.mark.parametrize("lines", [1, 8])
def test_a_killed_run_goes_on_to_the_same_weights(data, whole, tmp_path, lines):
    process = start(data, tmp_path / "run", *LONG)
    wait_for_line(tmp_path / "run", lines, process)
    train_tool.kill_all(process)
    assert len(metrics(tmp_path / "run")) < 14
    goes_on(data, tmp_path / "run", whole)


@pytest.mark.parametrize(
    ("number", "more"),
    [(signal.SIGTERM, ()), (signal.SIGHUP, ()), (signal.SIGINT, ("--gpu_num", "2"))],
    ids=["SIGTERM", "SIGHUP", "Ctrl-C with two processes"],
)
def test_a_stopped_run_saves_and_goes_on(data, whole, tmp_path, number, more):
    folder = tmp_path / "run"
    process = start(data, folder, *LONG, *more)
    wait_for_line(folder, 4, process)
    process.send_signal(number)
    ended = wait(process)
    assert (ended.status, ended.stdout) == (128 + number, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("asked to stop: saving after this step") == 1
    done = len(metrics(folder))
    assert 4 <= done < 14 and (folder / f"ckpt/save_step_{done}.pth").is_file()
    if not more:
        assert f"resuming from step {done}" in goes_on(data, folder, whole)
        return
    again = train(data, folder, *LONG)
    assert "saved by 2 processes, now 1: dropout draws other numbers" in again.stderr
    assert [line["step"] for line in metrics(folder)] == list(range(1, 15))


def test_a_cut_line_of_figures_is_left_out(stopped, data):
    path = stopped / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 5, "loss": 1.\n{"step": 6}\n{"step": 4, "lo')
    assert train(data, stopped).status == 0
    assert [line["step"] for line in metrics(stopped)] == [1, 2, 3, 4, 5, 6]
    assert _lines_until(path, 2) == path.read_text().splitlines(keepends=True)[:2]


def test_another_network_is_refused_and_other_settings_are_told(stopped, data):
    error = train(data, stopped, "model.depth=1").error
    assert "save_step_4.pth was trained with another network: model.depth (2 then, 1 now)" in error
    assert "choose another --exp_name" in error
    told = train(data, stopped, "--lr", "2e-3", "train.workers=1").stderr
    assert "resuming with changed settings: train.steps (4 then, 6 now), train.lr" in told
    assert "train.workers" not in told and "train.output" not in told


def test_a_changed_weight_decay_is_used(stopped, data, monkeypatch):
    seen = []
    step = Trainer.step

    def spy(self, *args):
        seen.append({g["weight_decay"] for g in self.optimizer.param_groups})
        return step(self, *args)

    monkeypatch.setattr(Trainer, "step", spy)
    assert train(data, stopped, "train.weight_decay=0.5").status == 0
    assert seen and all(decays == {0.0, 0.5} for decays in seen)


def test_a_finished_run_says_so(whole, data):
    before = (whole / "config.json").read_text()
    again = train(data, whole, "train.steps=5")
    assert again.status == 0 and "all 14 steps are done; raise --total_step" in again.stderr
    assert again.stdout.strip().endswith("ema_ckpt/save_step_14.pth")
    assert (whole / "config.json").read_text() == before


def test_partial_checkpoints_of_a_killed_run_are_removed(stopped, data):
    partial = stopped / "ckpt" / ".save_step_6.pth.123-456.tmp"
    partial.write_bytes(b"cut")
    assert train(data, stopped).status == 0
    assert not partial.exists()


def test_a_damaged_checkpoint_falls_back_on_the_one_before(stopped, data):
    path = stopped / "ckpt/save_step_4.pth"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    log = train(data, stopped, "--total_step", 4).stderr
    assert f"cannot read {path} as a PyTorch checkpoint" in log
    assert "Resuming from the checkpoint before it" in log and "resuming from step 2" in log


def test_where_every_checkpoint_is_damaged_training_is_refused(stopped, data):
    for path in stopped.glob("ckpt/*.pth"):
        path.write_bytes(path.read_bytes()[:1000])
    error = train(data, stopped).error
    assert "cannot read" in error and "save_step_2.pth" in error and "--exp_name" in error


FULL = """
import resource, sys
from mavos.run.entry import finish
from mavos.training.command import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
finish(main, sys.argv[1:])
"""


def test_a_full_disk_is_told_and_training_goes_on(stopped, data):
    """Files of more than 100 kB cannot be written, as on a full disk; the last save must be."""
    command = [sys.executable, "-c", FULL, *train_tool.options(data, stopped, "--total_step", 8)]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=train_tool.SCRIPT.parents[1]
    )
    assert ended.returncode == 2 and "Traceback" not in ended.stderr, ended.stderr
    assert "step 6 was not saved: cannot write" in ended.stderr
    assert "Training continues" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: cannot write")
    assert len(metrics(stopped)) == 8
    assert sorted(p.name for p in stopped.rglob("*.pth")) == sorted(
        2 * ["save_step_2.pth", "save_step_4.pth"]
    )
    assert not list(stopped.rglob(".*.tmp"))
    assert "resuming from step 4" in train(data, stopped, "--total_step", 8).stderr


def test_figures_that_cannot_be_written_do_not_end_training(data, tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mavos.training.log.TrainLog._write", refuse)
    ended = train(data, tmp_path / "run", "--total_step", 3)
    assert ended.status == 0 and ended.stderr.count("No space left on device") == 1
    assert (tmp_path / "run/ckpt/save_step_3.pth").is_file()


def test_output_names_the_folder_of_the_run(tmp_path):
    cfg, _ = parse(["--model", "mavos_nano", "--output", str(tmp_path)])
    assert cfg.train.output == str(tmp_path)
