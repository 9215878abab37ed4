"""``tools/eval.py`` with wrong names, values, checkpoints and folders, and with a full disk."""

import errno
import os
from pathlib import Path

import cv2
import pytest
import torch
from eval_tool import ROOT, make_video, members, nano, run

from mavos.evaluation import command as evaluation

VIDEOS = {"first": 5, "second": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name, length in VIDEOS.items():
        make_video(root, name, length)
    return root


@pytest.fixture
def refused(data, checkpoint, tmp_path):
    """The message of a run that must be refused before it does anything."""

    def run_it(*more: object) -> str:
        given = ["--output", tmp_path / "out"]
        if "--input" not in " ".join(map(str, more)):
            given += ["--dataset", "generic", "--data_root", data]
        error = run(*nano(checkpoint), *given, *more).error
        assert not (tmp_path / "out").exists()
        return error

    return run_it


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--model r50_mavo", "unknown model 'r50_mavo'; did you mean r50_mavos"),
        ("--model x", "choose from mavos, r50_mavos, swinb_mavos, mavos_nano"),
        ("--dataset davis2o17", "unknown dataset 'davis2o17'; did you mean davis2017"),
        ("--stage pre_ytb_dab", "unknown stage 'pre_ytb_dab'; did you mean pre_ytb_dav"),
        ("--split vall --dataset lvos", "unknown split of lvos 'vall'; did you mean val?"),
        ("model.memry=mca", "unknown config field 'model.memry'; did you mean model.memory"),
        ("evla.flip=1", "unknown config field 'evla'; did you mean eval?"),
        ("model=mavos", "model is a section; set its fields: model.field=value"),
        ("model.dim.x=1", "model.dim is a field, it has no field 'x'"),
        ("lvos", "'lvos' is not of the form section.field=value"),
        ("model.dim=wide", "model.dim=wide: expected int"),
        ("model.dim=100", "dim must be a multiple of 16"),
        ("model.memory=mac", "memory must be one of mca, reference,"),
        ("eval.scales=big", "eval.scales=big: expected tuple[float, ...]"),
        ("eval.scales=(1.0)", "eval.scales=(1.0): expected tuple[float, ...]"),
        ("eval.scales=1,0", "scales must be positive"),
        ("eval.flip=perhaps", "eval.flip=perhaps: expected bool"),
        ("--max_resolution x", "argument --max_resolution: invalid float value: 'x'"),
        ("--max_resolution -5", "max_resolution must be positive"),
        ("--lt_gap often", "argument --lt_gap: invalid int value: 'often'"),
        ("--lt_gap 0", "--lt_gap must be positive, got 0"),
        ("--max_id_num 999", "max_objects must be at most 254, got 999"),
        ("--lt_gpa 5", "unrecognized arguments: --lt_gpa"),
        ("--gpu_num 0", "--gpu_num must be at least 1, got 0"),
        ("--gpu_id -1", "--gpu_id must be 0 or more, got -1"),
        ("--device tpu", "device 'tpu' is not available here; choose from auto, cpu"),
        ("--device cpu --dtype fp16", "precision fp16 is not available on cpu: a CPU has no units"),
        ("--dtype tf32", "choose from fp32, bf16"),
        ("--dtype tf32 --gpu_num 2", "precision tf32 is not available on cpu"),
        ("--dtype half", "dtype must be one of fp32, tf32, bf16, fp16; got 'half'"),
        ("--dtype bf16 --amp", "--amp already chooses a half precision; leave out it or --dtype"),
        ("--dtype fp32 --amp", "--amp already chooses a half precision; leave out it or --dtype"),
        ("--amp eval.dtype=bf16", "amp already chooses a half precision; leave out it or bf16"),
        ("--threads -1", "threads must not be negative, got -1"),
        ("--threads many", "argument --threads: invalid int value: 'many'"),
        ("data.threads=0", "threads must be positive, got 0"),
        ("data.ahead=0", "ahead must be positive, got 0"),
        ("--input clip.mp4", "--input and --mask go together"),
        ("--mask mask.png", "--input and --mask go together"),
        ("--input nowhere --mask m.png", "nowhere: there is no such file or folder; expected"),
        ("--input a --mask b --flip", "unrecognized arguments: --flip"),
    ],
)
def test_wrong_names_and_values_are_refused(refused, given, said):
    assert said in refused(*given.split())


@pytest.mark.parametrize("more", [[], ["--gpu_num", "2"]])
def test_a_gpu_that_is_not_there_is_refused_before_anything_starts(refused, monkeypatch, more):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(evaluation, "launch", None)
    assert "device 'cuda' is not available here; choose from" in refused("--device", "cuda", *more)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    said = refused("--device", "cuda", "--gpu_id", 1, *more)
    assert "asked for, but there are 1; check --gpu_id and --gpu_num" in said


def test_a_missing_dataset_shows_the_layout_it_should_have(refused, tmp_path):
    error = refused("--dataset", "davis2017", "--data_root", tmp_path)
    assert f"davis2017 was not found. Looked at {tmp_path / 'DAVIS2017'}," in error
    assert "\n  ImageSets/2017/val.txt" in error
    assert "\n  JPEGImages/480p/<video>/00000.jpg" in error


def test_own_frames_need_pictures_and_a_mask_that_exists(refused, data, tmp_path):
    assert f"{tmp_path}: no image file" in refused("--input", tmp_path, "--mask", data)
    both = ("--input", data, "--mask", data, "--dataset", "mose")
    assert "leave --dataset and --split out" in refused(*both)
    frames = data / "JPEGImages/first"
    assert "--mask m.png: no such file or folder" in refused("--input", frames, "--mask", "m.png")


def test_a_video_file_without_a_frame_is_told(refused, data, tmp_path):
    path, fourcc = tmp_path / "none.avi", cv2.VideoWriter_fourcc(*"MJPG")
    cv2.VideoWriter(str(path), fourcc, 10, (64, 48)).release()
    mask = data / "Annotations/first/00000.png"
    assert f"{path}: only 0 of 0 announced frames" in refused("--input", path, "--mask", mask)


def test_without_a_checkpoint_the_places_and_the_download_are_named(data, tmp_path):
    given = ["--dataset", "generic", "--data_root", data, "--exp_name", "nobody_trained_this"]
    error = run(*nano(None), *given, "--stage", "pre", "--output", tmp_path / "out").error
    assert "no checkpoint for --model mavos_nano --stage pre" in error
    trained = ROOT / "result/nobody_trained_this_MAVOS_Nano/PRE"
    assert f"\n  {trained / 'ema_ckpt/save_step_<N>.pth'}\n" in error
    assert f"\n  {ROOT / 'pretrain_models/MAVOS_Nano_pre.pth'}\n" in error
    assert "--ckpt_path" in error and "tools/download.py" in error


def test_wrong_checkpoints_are_told_with_the_reason(refused, checkpoint, tmp_path):
    assert "no checkpoint nowhere.pth (--ckpt_path)" in refused("--ckpt_path", "nowhere.pth")
    error = refused("model.depth=2")
    assert f"{checkpoint} does not fit the model, it looks like one of mavos_nano;" in error
    assert "(97 missing: LSTT.layers.1." in error
    assert "check that --model and the checkpoint belong together" in error
    bad = tmp_path / "bad.pth"
    for content in (b"", b"no checkpoint", checkpoint.read_bytes()[:100_000]):
        bad.write_bytes(content)
        error = refused("--ckpt_path", bad)
        assert f"cannot read {bad} as a PyTorch checkpoint" in error
        assert "download it again" in error
    torch.save({"epoch": 3}, bad)
    assert f"{bad} holds no weights" in refused("--ckpt_path", bad)
    weights = torch.load(checkpoint)["state_dict"]
    del weights["LSTT.layers.0.norm1.weight"]
    torch.save({**weights, "mine": torch.zeros(2)}, bad)
    error = refused("--ckpt_path", bad)
    assert "1 missing: LSTT.layers.0.norm1.weight" in error and "1 unexpected: mine" in error


def test_an_output_that_cannot_be_a_folder_is_told(data, checkpoint, tmp_path):
    (tmp_path / "file").touch()
    given = ["--dataset", "generic", "--data_root", data, "--output", tmp_path / "file"]
    assert f"cannot write {tmp_path / 'file'}" in run(*nano(checkpoint), *given).error


# --- a full disk


@pytest.fixture(scope="module")
def complete(data, checkpoint, tmp_path_factory) -> dict[str, bytes]:
    """What the archive of a run without a fault holds."""
    out = tmp_path_factory.mktemp("complete") / "out"
    given = ["--dataset", "generic", "--data_root", data, "--output", out]
    return members(run(*nano(checkpoint), *given).archive)


@pytest.mark.parametrize(
    ("where", "finished"),
    [
        ("config.json", []),
        ("first/00003.png", []),
        ("first/00004.png", []),  # the last
        ("finished/first.json", []),
        ("second/00001.png", ["first"]),
        ("finished/second.json", ["first"]),
        ("speed.json", ["first", "second"]),
        ("out.zip", ["first", "second"]),
    ],
)
def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(
    data, checkpoint, complete, tmp_path, monkeypatch, where, finished
):
    out, replace = tmp_path / "out", os.replace

    def replace_until_full(source: Path, target: Path) -> None:
        if str(target).endswith(where):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    given = ["--dataset", "generic", "--data_root", data, "--output", out]
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_until_full)
        error = run(*nano(checkpoint), *given).error
    (line,) = (line for line in error.splitlines() if "cannot write" in line)
    assert f"{where}: No space left on device; free some space or choose a folder" in line
    assert sorted(path.stem for path in out.glob("finished/*.json")) == finished
    assert not list(out.rglob(".*.tmp")) and not (out / "out.zip").exists()

    again = run(*nano(checkpoint), *given)
    assert ("skipped" in again.stderr) == bool(finished)
    assert members(again.archive) == complete
