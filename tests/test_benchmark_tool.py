"""``tools/benchmark.py``: what it measures, keeps, draws and refuses; no test looks at a time."""

import builtins
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import eval_tool
import numpy as np
import pytest
import torch
from eval_tool import ROOT, make_video

from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.media.images import read_image
from mavos.speed_curves import command, measure, report
from mavos.speed_curves.frames import discs, synthetic_frames
from mavos.speed_curves.runs import Run, curve_marks, round_numbers
from mavos.tracking import frame_loop as tracking
from mavos.utils.errors import UserError
from mavos.utils.process_memory import peak_resident_memory_bytes, resident_memory_bytes

NANO = ("--model", "mavos_nano", "--device", "cpu", "--threads", 1)
SMALL = (*NANO, "--size", 49, 65, "--lt_gap", 5)
in_own_process = command.in_own_process  # which most tests do without
# one block; of each of 7 x 9 cells a key of width 32 and values of width 256, in fp32
FRAME_BYTES = 4 * (7 * 9) * (32 + 256)


def run(folder, *options: object) -> eval_tool.Ended:
    """The tool, in this process."""
    return eval_tool.run(*options, "--output", folder, main=command.main)


def written(folder) -> dict:
    return json.loads((folder / "benchmark.json").read_text())


@pytest.fixture(autouse=True)
def code(monkeypatch) -> Callable[[str], None]:
    """Says which commit runs; at first one that nobody has edited."""

    def say(commit: str) -> None:
        monkeypatch.setattr(command, "run_header", lambda: f"MAVOS {commit}, python 3")

    say("1234567")
    return say


@pytest.fixture
def measured(monkeypatch) -> list[str]:
    """Measures without processes of their own, which take seconds to start; the runs so far."""
    names = []

    def here(run):
        told: list[dict] = []
        names.append(str(run))
        measure.measure(run, told.append)
        return command.collect(json.loads(json.dumps(told)))

    monkeypatch.setattr(command, "in_own_process", here)
    return names


def test_one_curve_in_a_process_of_its_own(tmp_path):
    ended = run(tmp_path, *SMALL, "--frames", 12, "--policy", "reference")
    assert ended.status == 0, ended.stderr
    (record,) = written(tmp_path)["length"]
    rows = record["rows"]
    assert [row["frame"] for row in rows] == [2, 4, 6, 8, 10, 12]
    assert [row["predicted"] for row in rows] == [1, 3, 5, 7, 9, 11]
    assert record["machine"]["threads"] == 1 and record["machine"]["torch"] == torch.__version__
    assert record["precision"] == "fp32" and record["config"]["model"]["memory"] == "reference"
    assert (record["frame_size"], record["network_size"]) == ([49, 65], [49, 65])
    for before, row in pairwise(rows):
        assert row["fps"] == pytest.approx(row["predicted"] / row["seconds"])
        seconds = row["seconds"] - before["seconds"]
        assert row["ms_per_frame"] == pytest.approx(1e3 * seconds / 2)
        assert before["wall_seconds"] < row["wall_seconds"] > row["seconds"] > before["seconds"]
        assert row["peak_bytes"] >= before["peak_bytes"] >= before["held_bytes"] > 2**24
        assert row["state_bytes"] == 2 * FRAME_BYTES  # the reference and the frame before


def test_memory_is_constant_with_mca_and_grows_with_all(tmp_path, measured):
    ended = run(tmp_path, *SMALL, "--frames", 31, "--policy", "mca", "all")
    mca, growing = written(tmp_path)["length"]
    by_frame = {row["frame"]: row["state_bytes"] // FRAME_BYTES for row in growing["rows"]}
    # the reference, every fifth of the frames that are done, and the frame before
    assert by_frame[4] == 2 and by_frame[6] == 3 and by_frame[31] == 1 + 6 + 1
    assert {row["state_bytes"] // FRAME_BYTES for row in mca["rows"] if row["frame"] > 5} == {3}
    header, first, second = ended.stdout.splitlines()
    assert header.startswith("length of the video")
    assert first.startswith("mavos_nano, memory mca") and first.endswith("constant")
    assert second.startswith("mavos_nano, memory all") and second.endswith("growing")
    picture = read_image(tmp_path / "benchmark.png")
    assert picture.shape[1] >= 1000 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    run(tmp_path, *SMALL, "--frames", 31, "--policy", "mca", "all", "--clock", "cpu")
    assert len(measured) == 2 and (read_image(tmp_path / "benchmark.png") != picture).any()


def test_what_is_there_is_not_measured_again(tmp_path, measured):
    asked = (*SMALL, "--frames", 4, "--policy", "mca", "previous")
    run(tmp_path, *asked)
    (tmp_path / "benchmark.png").unlink()
    before = written(tmp_path)
    again = run(tmp_path, *asked)
    assert len(measured) == 2 and "1 of 2" in again.stderr and "measured before" in again.stderr
    assert written(tmp_path)["length"] == before["length"]
    assert (tmp_path / "benchmark.png").is_file()
    run(tmp_path, *SMALL, "--frames", 4)
    assert len(measured) == 2  # the policy of the model itself is mca
    kept = written(tmp_path)
    assert (kept["length"], kept["earlier"]) == (before["length"][:1], before["length"][1:])
    run(tmp_path, *asked, "--lt_gap", 6)
    run(tmp_path, *asked, "--overwrite")
    assert len(measured) == 6 and len(written(tmp_path)["earlier"]) == 2


@pytest.mark.parametrize("commit", ["1234567-dirty", "no git"])
def test_figures_of_edited_code_are_not_used_again(tmp_path, measured, code, commit):
    code(commit)
    for times in range(2):
        ended = run(tmp_path, *SMALL, "--frames", 2)
        assert ended.status == 0 and ended.stderr.count("is not used again") == times
    run(tmp_path, *SMALL, "--frames", 2, "--policy", "all")
    assert len(measured) == 3
    told = written(tmp_path)  # what it made last is kept all the same, once
    assert (len(told["length"]), len(told["earlier"])) == (1, 1)


def test_files_that_were_replaced_are_measured_again(tmp_path, measured, checkpoint):
    make_video(tmp_path / "data", "clip", 3)
    mask, weights = tmp_path / "data/Annotations/clip/00000.png", tmp_path / "weights.pth"
    frame = tmp_path / "data/JPEGImages/clip/00001.jpg"
    weights.write_bytes(checkpoint.read_bytes())
    asked = (*NANO, "--input", frame.parent, "--mask", mask, "--ckpt_path", weights, "--frames", 3)
    for changed in (weights, mask, frame):
        for _ in range(2):
            assert run(tmp_path / "out", *asked).status == 0
        changed.write_bytes(changed.read_bytes())
        os.utime(changed, (2**31, 2**31))
    assert len(measured) == 3
    run(tmp_path / "out", *asked)
    assert len(measured) == 4


def test_objects_in_groups(tmp_path, measured):
    ended = run(tmp_path, *SMALL, "--frames", 2, "--objects", 4, 3)
    told = written(tmp_path)
    assert told["length"][0]["rows"][-1]["objects"] == 4
    two_groups, one_group = (record["rows"][-1] for record in told["objects"])
    assert (two_groups["objects"], one_group["objects"]) == (4, 3)
    assert two_groups["state_bytes"] == 2 * one_group["state_bytes"] == 2 * 3 * FRAME_BYTES
    # from the first update of the memory on, two more
    assert [row["frame"] for row in told["objects"][0]["rows"]] == [6, 16]
    assert len(ended.stdout.splitlines()) == 2 + 3
    assert read_image(tmp_path / "objects.png").std() > 1


def test_a_real_video_is_played_again_without_its_mask(tmp_path, measured):
    make_video(tmp_path / "data", "clip", 5, ids=(7, 9))
    source = ("--input", tmp_path / "data/JPEGImages/clip")
    mask = tmp_path / "data/Annotations/clip/00000.png"
    source += ("--mask", mask.rename(mask.with_name("00002.png")))
    ended = run(tmp_path, *NANO, *source, "--frames", 12, "--policy", "all", "--lt_gap", 50)
    assert ended.status == 0, ended.stderr
    (record,) = written(tmp_path)["length"]
    assert record["frame_size"] == list(eval_tool.SIZE)
    first, second, *_, last = record["rows"]
    assert (first["frame"], first["objects"], first["fps"]) == (2, 0, None)
    assert (last["frame"], last["objects"], last["predicted"]) == (12, 2, 12 - 3)
    # another given mask would be one more reference in memory
    assert last["state_bytes"] == second["state_bytes"] > first["state_bytes"] == 0


def test_without_matplotlib_figures_come_all_the_same(tmp_path, measured, monkeypatch):
    real = builtins.__import__

    def without(name, *args):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    ended = run(tmp_path, *SMALL, "--frames", 2)
    assert ended.status == 0 and len(ended.stdout.splitlines()) == 2
    assert "no pictures: plots need matplotlib" in ended.stderr
    assert len(written(tmp_path)["length"]) == 1


ENDS = {
    "kill": "os.kill(os.getpid(), signal.SIGKILL)",
    "user": "print('error: no', file=sys.stderr); sys.exit(2)",
    "bug": "sys.exit(1)",
    "Ctrl-C": "sys.exit(130)",
}


@pytest.fixture
def ending(tmp_path, monkeypatch):
    """Puts another script in the place of ``measure``: it tells some rows, then ends as named."""

    def end(how: str, rows: int = 1) -> None:
        row = {"frame": 2, "predicted": 1, "seconds": 1.0, "cpu_seconds": 1.0, "fps": 1.0}
        row |= dict.fromkeys(("state_bytes", "held_bytes", "peak_bytes"), 2**20) | {"objects": 1}
        sizes = {"frame_size": [49, 65], "network_size": [49, 65]}
        told = [{"precision": "fp32", "loaded_bytes": 1} | sizes, *[row] * rows]
        lines = "".join(f"print({json.dumps(json.dumps(one))}, flush=True)\n" for one in told)
        script = tmp_path / "script.py"
        script.write_text(f"import os, signal, sys\n{lines}{ENDS[how]}\n")
        monkeypatch.setattr(measure, "__file__", str(script))

    return end


def test_what_a_killed_run_told_is_kept_and_measured_again(tmp_path, ending):
    ending("kill")
    for _ in range(2):
        ended = run(tmp_path, *SMALL, "--frames", 4)
        assert ended.status == 0 and "ended by SIGKILL after frame 2" in ended.stderr
        assert "measured before" not in ended.stderr
    (record,) = written(tmp_path)["length"]
    assert len(record["rows"]) == 1 and "SIGKILL" in record["ended"]
    assert read_image(tmp_path / "benchmark.png").std() > 1


def test_a_run_that_fails_leaves_what_was_finished(tmp_path, measured, ending, monkeypatch):
    run(tmp_path, *SMALL, "--frames", 2)
    before = written(tmp_path)["length"]
    monkeypatch.setattr(command, "in_own_process", in_own_process)
    ending("bug")
    ended = run(tmp_path, *SMALL, "--frames", 2, "--policy", "mca", "all")
    assert "measuring it ended with status 1" in ended.error
    assert written(tmp_path)["length"] == before
    ending("user")
    ended = run(tmp_path, *SMALL, "--frames", 2, "--policy", "all")
    assert ended.status == 2 and "error" not in ended.stderr  # the process has said it
    ending("Ctrl-C")
    assert run(tmp_path, *SMALL, "--frames", 2, "--policy", "all").status == 130
    ending("kill", rows=0)
    ended = run(tmp_path, *SMALL, "--frames", 2, "--policy", "all", "mca", "previous")
    assert ended.status == 2 and "error: 2 of 3 not measured: mavos_nano" in ended.stderr
    assert ended.stderr.count("SIGKILL before its first figures; no memory left?") == 2 * 2
    assert len(ended.stdout.splitlines()) == 2 and written(tmp_path)["length"] == before


def test_a_gpu_that_is_full_before_the_video_stops_no_other_run(tmp_path, measured, monkeypatch):
    def segment_video(model, *_):
        if measured[-1].startswith("mavos_nano, memory all"):
            raise torch.OutOfMemoryError
        return tracking.segment_video(model, *_)

    monkeypatch.setattr(measure, "segment_video", segment_video)
    ended = run(tmp_path, *SMALL, "--frames", 2, "--policy", "all", "mca")
    assert ended.status == 2 and "objects: 1: out of GPU memory before the" in ended.stderr
    (record,) = written(tmp_path)["length"]
    assert record["run"]["policy"] == "mca" and "memory mca" in ended.stdout


def test_a_gpu_that_is_full_ends_a_curve(monkeypatch):
    def segment_video(model, frames, *_):
        for count, (name, labels) in enumerate(tracking.segment_video(model, frames, *_)):
            if count == 5:
                raise torch.OutOfMemoryError
            yield name, labels

    monkeypatch.setattr(measure, "segment_video", segment_video)
    overrides = ("eval.device=cpu", "eval.threads=1")
    small = {"frames": 9, "marks": (2, 4, 6, 9), "size": (49, 65), "objects": 1}
    told: list[dict] = []
    with eval_tool.process_restored():
        measure.measure(
            Run(model="mavos_nano", policy="mca", overrides=overrides, **small), told.append
        )
    figures = command.collect(told)
    assert figures["ended"] == "out of GPU memory at frame 6"
    assert [row["frame"] for row in figures["rows"]] == [2, 4]


def test_synthetic_frames_move_and_are_always_the_same():
    rule = InputRule(16, 1, max_long_edge=80.0)  # 49x81 for these frames
    frames = list(synthetic_frames((60, 90), rule, 3, 40))
    again = list(synthetic_frames((60, 90), rule, 3, 40))
    assert [frame.name for frame in frames[:2]] == ["00000", "00001"]
    for frame, same, after in zip(frames, again, frames[1:], strict=False):
        assert frame.image.shape == (3, 49, 81) and frame.size == (60, 90)
        assert torch.equal(frame.image, same.image) and not torch.equal(frame.image, after.image)
    assert frames[0].mask.shape == (60, 90) and all(frame.mask is None for frame in frames[1:])
    assert frames[0].mask.unique().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("size", "objects"), [((480, 854), 254), ((854, 480), 30), ((16, 16), 1)])
def test_discs_have_about_one_size(size, objects):
    areas = np.bincount(discs(size, objects).ravel())
    assert len(areas) == objects + 1 and areas[1:].max() <= 1.2 * areas[1:].min()


def test_discs_that_would_not_be_seen_are_refused():
    for size, objects in (((15, 90), 1), ((40, 40), 100)):
        with pytest.raises(UserError, match=f"--size {size[0]} {size[1]} is too small"):
            discs(size, objects)


def test_marks_are_even_and_round():
    assert list(round_numbers(2500)) == [100, 200, 500, 1000, 2000]
    assert curve_marks(2) == (2,) and curve_marks(5) == (2, 4, 5)
    marks = curve_marks(10_000)
    assert {100, 200, 250, 500, 1000, 9750, 10_000} <= set(marks) and len(marks) <= 45


def test_the_table_compares_the_ends_of_a_video():
    def row(frame: int, seconds: float, held: int = 100) -> dict:
        held = {"held_bytes": held * 2**20, "peak_bytes": 110 * 2**20, "state_bytes": frame // 500}
        return {
            "frame": frame,
            "predicted": frame,
            "seconds": seconds,
            "cpu_seconds": seconds,
        } | held

    # twice as slow from frame 900 on; nothing before frame 200 counts for the memory
    rows = [row(50, 9), row(100, 10, 50), row(500, 18), row(900, 26, 104), row(1000, 30)]
    assert report.first_and_last_tenth(rows) == [(50, 20), (25, 40)]
    assert report.held_range(rows) == pytest.approx((102 * 2**20, 2 / 102))
    model = {"memory": "all", "memory_frames": 6, "test_memory_gap": 20}
    record = {"run": {"model": "m", "policy": "p"}, "rows": rows, "config": {"model": model}}
    assert report.grows(record)
    line = report.length_table([record]).splitlines()[1]
    assert line.split()[4:11] == ["50.00", "25.00", "20.0", "40.0", "110", "102", "±"]
    assert report.length_table([record | {"rows": []}]).count("\n") == 0


@pytest.mark.parametrize(
    ("policy", "frames", "told"),
    [
        ("mca", 30, "too short to say"),  # its second frame comes with frame 21
        ("mca", 90, "constant"),
        ("all", 30, "too short to say"),
        ("all", 90, "growing"),
        ("last", 200, "too short to say"),
        ("last", 300, "constant"),
    ],
)
def test_growth_is_told_of_a_memory_that_has_filled(policy, frames, told):
    most = {"mca": 2, "all": 1000, "last": 6}[policy]
    row = dict.fromkeys(("held_bytes", "peak_bytes", "predicted"), 1)
    row |= {"seconds": 1.0, "cpu_seconds": 1.0}
    rows = [
        row | {"frame": frame, "state_bytes": min(most, 1 + (frame - 1) // 20)}
        for frame in curve_marks(frames)
    ]
    model = {"memory": policy, "memory_frames": 6, "test_memory_gap": 20}
    record = {"run": {"model": "m", "policy": policy}, "rows": rows, "config": {"model": model}}
    assert report.length_table([record]).endswith(told)


def test_memory_of_a_process_is_its_own():
    told = "from mavos.utils.process_memory import *; "
    told += "print(resident_memory_bytes(), peak_resident_memory_bytes())"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, cwd=ROOT, check=True
    )
    now, peak = map(int, done.stdout.split())
    assert 2**20 < now <= peak
    if sys.platform == "linux":  # this process has loaded PyTorch, that one has not
        assert peak < resident_memory_bytes() / 4 < peak_resident_memory_bytes()


MISTAKES = {
    ("--model", "mavoss"): "unknown model 'mavoss'; did you mean mavos",
    ("--model", "aott", "--policy", "mca"): "--model aott --policy mca: the memory mca needs",
    ("--policy", "some"): "--policy some: model.memory must be one of mca, reference,",
    ("--dtype", "half"): "dtype must be one of fp32, tf32, bf16, fp16; got 'half'",
    ("--dtype", "bf16", "--amp"): "leave out it or --dtype",
    ("--device", "tpu"): "device 'tpu' is not available here",
    ("--frames", 1): "--frames must be at least 2, got 1",
    ("--objects", 0): "--objects must be 1 to 254, got 0",
    ("--size", 12, 300): "--size 12 300 is too small",
    ("--threads", -1): "threads must not be negative, got -1",
    ("--ckpt_path", "no.pth"): "--ckpt_path no.pth: no such file",
    ("--input", "clip.mp4"): "--input and --mask go together",
    ("--mask", "first.png"): "--input and --mask go together",
    ("--input", "clip.mp4", "--mask", "first.png"): "clip.mp4: no such video file",
    ("--input", "a", "--mask", "b", "--objects", 2): "leave them out with --input",
    ("eval.multiscale=true",): "only one scale can be measured",
    ("model.depht=2",): "unknown config field 'model.depht'",
}


@pytest.mark.parametrize("options", MISTAKES, ids=lambda o: " ".join(map(str, o)))
def test_mistakes_are_told_before_anything_is_measured(options, tmp_path, measured):
    ended = run(tmp_path, *options)
    assert MISTAKES[options] in ended.error and len(ended.stderr.splitlines()) == 1
    assert not measured and not list(tmp_path.iterdir())


def test_a_mask_without_objects_and_a_file_of_others(tmp_path, measured):
    make_video(tmp_path / "data", "clip", 2, ids=(0,))
    source = ("--input", tmp_path / "data/JPEGImages/clip")
    source += ("--mask", tmp_path / "data/Annotations/clip/00000.png")
    ended = run(tmp_path / "out", *NANO, *source, "--frames", 3)
    assert "no given mask holds an object" in ended.error
    (tmp_path / "benchmark.json").write_text("[]")
    assert "was not written by this tool" in run(tmp_path, *SMALL, "--frames", 3).error
