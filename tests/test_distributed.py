"""Two Gloo processes on the CPU share work; the launcher reports how they ended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mavos.utils.distributed import (
    Counter,
    WorkQueue,
    barrier,
    gather_objects,
    init_distributed,
    leave,
)
from mavos.utils.launch import launch
from mavos.utils.ranks import is_launched, local_rank, rank, world_size

ROOT = Path(__file__).resolve().parents[1]

SHARES_WORK = """
import json, sys, time
import torch
from mavos.utils.distributed import (
    Counter,
    WorkQueue,
    barrier,
    gather_objects,
    init_distributed,
    leave,
)
from mavos.utils.ranks import rank

init_distributed(torch.device("cpu"))
barrier()
taken = []
for index in WorkQueue("videos", 20):
    taken.append(index)
    Counter("frames").add(index)
    time.sleep(0.2 if rank() else 0.01)
again = list(WorkQueue("second pass", 3))
gathered = gather_objects((rank(), taken, again))
assert (gathered is None) == (rank() != 0)
assert Counter("frames").add(0) == sum(range(20))
if gathered is not None:
    with open(sys.argv[1], "w") as file:
        json.dump(gathered, file)
barrier()
leave()
"""

# rank 1 ends as told; rank 0 would sleep for long and tells when it was interrupted
ENDS_AS_TOLD = """
import os, pathlib, sys, time

started, interrupted = (pathlib.Path(sys.argv[2], name) for name in ("started", "interrupted"))
if os.environ["RANK"] == "1":
    while not started.exists():
        time.sleep(0.01)
    if sys.argv[1] == "signal":
        os.kill(os.getpid(), 9)
    sys.exit(int(sys.argv[1]))
try:
    started.touch()
    time.sleep(100)
except KeyboardInterrupt:
    interrupted.touch()
    sys.exit(77)
"""

FOLLOWS = """
from mavos.utils.launch import follow_launcher
follow_launcher()
"""

SLEEPS = """
import os, pathlib, sys, time

mine = pathlib.Path(sys.argv[1], os.environ["RANK"])
try:
    mine.with_suffix(".started").touch()
    time.sleep(100)
except KeyboardInterrupt:
    time.sleep(0.3 * int(os.environ["RANK"]))  # leaving takes its time and is not disturbed
    mine.with_suffix(".interrupted").touch()
    sys.exit(130)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module that ``launch`` finds from the source given; runs in an unrelated folder."""
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.syspath_prepend(str(code))
    (tmp_path / "here" / "utils").mkdir(parents=True)  # must not hide ours
    (tmp_path / "here" / "utils" / "__init__.py").write_text("raise ImportError('the wrong utils')")
    monkeypatch.chdir(tmp_path / "here")

    def make(source: str) -> str:
        name = f"worker_of_{tmp_path.name}"
        (code / f"{name}.py").write_text(source)
        return name

    return make


def test_a_process_alone_is_rank_0_of_1(monkeypatch):
    for variable in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(variable, raising=False)
    init_distributed(torch.device("cpu"))
    barrier()
    leave()
    assert not is_launched()
    assert (rank(), world_size(), local_rank()) == (0, 1, 0)
    assert gather_objects("x") == ["x"]
    assert list(WorkQueue("videos", 3)) == [0, 1, 2]
    counter = Counter("frames")
    assert [counter.add(2), counter.add(3)] == [2, 5]


def test_every_index_goes_to_exactly_one_process(module, tmp_path):
    assert launch(2, module(SHARES_WORK), [str(tmp_path / "out.json")]) == 0
    (rank_0, taken_0, again_0), (rank_1, taken_1, again_1) = json.loads(
        (tmp_path / "out.json").read_text()
    )
    assert (rank_0, rank_1) == (0, 1)
    assert sorted(taken_0 + taken_1) == list(range(20))
    assert sorted(again_0 + again_1) == [0, 1, 2]
    assert len(taken_0) > len(taken_1) > 0  # the slow process got less


@pytest.mark.parametrize(("told", "status"), [("2", 2), ("signal", 128 + signal.SIGKILL)])
def test_the_status_is_that_of_the_first_to_fail(module, tmp_path, told, status):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert launch(2, module(ENDS_AS_TOLD), [told, str(tmp_path)]) == status
    assert (tmp_path / "interrupted").exists()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def _wait_for(folder: Path, pattern: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob(pattern))) < count:
        assert time.monotonic() < deadline, f"no {count} files {pattern} in {folder}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("source", "number", "status"),
    [(SLEEPS, signal.SIGINT, 130), (FOLLOWS + SLEEPS, signal.SIGKILL, -signal.SIGKILL)],
    ids=["Ctrl-C", "SIGKILL"],
)
def test_workers_leave_in_order_with_their_launcher(module, tmp_path, source, number, status):
    program = (
        "import sys; from mavos.utils.launch import launch; "
        f"sys.exit(launch(2, {module(source)!r}, [{str(tmp_path)!r}]))"
    )
    path = os.pathsep.join([str(ROOT), str(tmp_path / "code")])
    launcher = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        cwd=tmp_path / "code",
    )
    _wait_for(tmp_path, "*.started", 2)
    launcher.send_signal(number)
    assert launcher.wait(60) == status
    _wait_for(tmp_path, "*.interrupted", 2)
