"""``tools/eval.py`` as a program: started in every way, shared, interrupted and killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eval_tool import ROOT, Ended, make_video, members, nano, run, start, wait

SCRIPT = ROOT / "tools" / "eval.py"
LENGTHS = {"first": 60, "second": 59, "third": 58}  # the longest is begun first


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    for name, length in LENGTHS.items():
        make_video(folder, name, length)
    return folder


@pytest.fixture(scope="module")
def options(root, checkpoint) -> list[str]:
    return [*nano(checkpoint), "--dataset", "generic", "--data_root", str(root)]


@pytest.fixture(scope="module")
def whole(options, tmp_path_factory) -> dict[str, bytes]:
    """Names and bytes in the archive of a run in one process that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    packed = members(run(*options, "--output", folder).archive)
    assert len(packed) == sum(LENGTHS.values())
    return packed


def in_mid_video(out: Path, process: subprocess.Popen) -> None:
    """Returns when one video is finished and the next has begun."""
    deadline = time.monotonic() + 90
    while True:
        finished = {path.stem for path in out.glob("finished/*.json")}
        begun = {path.parent.name for path in out.glob("Annotations/*/00003.png")}
        if finished and begun - finished:
            return
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def resumes(options, out: Path, whole: dict[str, bytes]) -> None:
    """The same command does the rest, touches nothing that is finished, gives the same archive."""
    finished = {path.stem for path in out.glob("finished/*.json")}
    assert 1 <= len(finished) < len(LENGTHS)
    before = {
        p: p.stat().st_mtime_ns for name in finished for p in (out / "Annotations" / name).iterdir()
    }
    assert len(before) == sum(LENGTHS[name] for name in finished)
    again = run(*options, "--output", out)
    assert f"{len(finished)} finished videos are skipped" in again.stderr
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert members(again.archive) == whole


def test_the_script_runs_from_any_folder_with_relative_paths(checkpoint, tmp_path):
    make_video(tmp_path / "clips", "clip", 2)
    shutil.copy(checkpoint, tmp_path / "nano.pth")
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils/__init__.py").write_text("raise ImportError('the wrong utils')")
    given = ["--input", "clips/JPEGImages/clip", "--mask", "clips/Annotations/clip/00000.png"]
    ended = wait(start(SCRIPT, *nano(Path("nano.pth")), *given, "--output", "out", cwd=tmp_path))
    assert ended.stdout == "out/clip.zip\n", ended.stderr
    assert sorted(members(tmp_path / ended.archive)) == ["clip/00000.png", "clip/00001.png"]
    assert "Traceback" not in ended.stderr


def test_without_an_installation_it_says_what_to_run(tmp_path):
    command = [sys.executable, "-S", str(SCRIPT), "--help"]  # -S: no installed packages
    alone = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=alone)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"run `pip install -e {ROOT}/` once" in done.stderr and done.stderr.count("\n") == 1


@pytest.fixture
def run_two(options, tmp_path, capfd):
    """The tool with two workers; only the launcher is this process."""

    def run_it(*more: object) -> Ended:
        ended = run(*options, "--output", tmp_path / "out", "--gpu_num", 2, *more)
        assert (ended.stdout, ended.stderr) == ("", "")
        return Ended(ended.status, *capfd.readouterr())

    return run_it


def test_two_processes_give_the_archive_of_one(run_two, whole):
    ended = run_two()
    assert members(ended.archive) == whole
    assert "Traceback" not in ended.stderr


def test_torchrun_gives_the_same_archive(options, whole, tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--rdzv-backend", "c10d"]
    torchrun += ["--rdzv-endpoint", "localhost:0", "--nproc_per_node", "2"]
    torchrun += ["-m", "mavos.tools.eval"]
    given = [*options, "--output", tmp_path / "out"]
    ended = wait(start(*torchrun, *given, cwd=tmp_path, PYTHONPATH=str(ROOT)))
    assert members(ended.archive) == whole
    assert "Traceback" not in ended.stderr


def test_status_2_and_one_message_survive_two_processes(run_two, tmp_path):
    """A bad video is found by one process, a folder of other settings by the first alone."""
    for name in ("good", "bad", "fine"):
        make_video(tmp_path, name, 3)
    (tmp_path / "JPEGImages/bad/00001.jpg").write_bytes(b"")
    error = run_two("--data_root", tmp_path).error
    assert error.startswith("error: 1 of 3 videos failed")
    assert "00001.jpg: the file is empty" in error
    assert sorted(path.stem for path in tmp_path.glob("out/finished/*")) == ["fine", "good"]
    error = run_two("--data_root", tmp_path, "--lt_gap", 3).error
    assert "results made with other settings (model.test_memory_gap: 20 then" in error


def test_ctrl_c_keeps_finished_videos(options, whole, tmp_path):
    out = tmp_path / "out"
    process = start("-m", "mavos.tools.eval", *options, "--output", out, cwd=ROOT)
    in_mid_video(out, process)
    process.send_signal(signal.SIGINT)
    ended = wait(process)
    assert (ended.status, ended.stdout) == (130, "")
    assert "Traceback" not in ended.stderr
    assert ended.stderr.endswith("interrupted; finished work is kept, the same command resumes\n")
    assert not list(out.rglob(".*.tmp")) and not list(out.glob("*.zip"))
    resumes(options, out, whole)


def test_killed_processes_leave_a_folder_to_go_on_with(options, whole, tmp_path):
    """As when memory or power runs out: nobody gets to tidy up."""
    out = tmp_path / "out"
    process = start(SCRIPT, *options, "--output", out, "--gpu_num", "2", cwd=tmp_path)
    in_mid_video(out, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    workers = [int(pid) for pid in children.split()]
    assert len(workers) == 2
    for pid in (process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    assert wait(process).status == -signal.SIGKILL
    assert not list(out.glob("*.zip"))
    resumes(options, out, whole)
