"""Runs ``tools/train.py`` as a user does, on a data set of small moving squares."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import eval_tool
import torch
from train_data import save_video

from mavos.training import command as training

SCRIPT = eval_tool.ROOT / "tools" / "train.py"

# The smallest network and clips that go through everything: MCA, its second block, own predictions.
TINY = [
    *("--model", "mavos_nano", "--device", "cpu", "--datasets", "davis2017"),
    *("--batch_size", "2", "--total_step", "6", "--lr", "1e-3"),
    "train.start=encoder",
    *("train.clip_length=4", "train.crop=33", "train.short_edge=40", "train.min_object_pixels=9"),
    *("train.workers=0", "train.encoder_freeze_at=0", "train.log_every=1", "train.save_every=2"),
    *("model.dim=16", "model.depth=2", "model.mca_heads=1", "model.max_objects=3"),
    *("model.short_term_window=3", "model.train_memory_gap=1", "model.frozen_bn=false"),
    *("model.drop_path=0.1", "model.mca_drop_path=0.1"),  # random numbers to go on with
]
# What depends on the clock, not on the network.
TIMES = ("data_seconds", "step_seconds")


def make_data(root: Path, videos: int = 3) -> Path:
    """Videos in the layout of DAVIS; returns the data root, with results beside it."""
    davis = root / "data" / "DAVIS"
    names = [f"video{k}" for k in range(videos)]
    for k, name in enumerate(names):
        ids = (1, 2)[: 1 + k % 2]
        save_video(root / "made", name, length=6, ids=ids, size=(48, 64))
    for kind in ("JPEGImages", "Annotations"):
        (davis / kind).mkdir(parents=True)
        (root / "made" / kind).rename(davis / kind / "480p")
    (root / "made").rmdir()
    for split in ("train", "val"):
        listed = davis / "ImageSets" / "2017" / f"{split}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("\n".join(names) + "\n")
    return root / "data"


def options(data: Path, folder: Path, *more: object) -> list[str]:
    """Options of a tiny run."""
    where = ["--data_root", data, "--output", folder]
    return [*map(str, where), *TINY, *map(str, more)]


def train(data: Path, folder: Path, *more: object) -> eval_tool.Ended:
    """A tiny run in this process; it does not change our random numbers."""
    with torch.random.fork_rng():
        return eval_tool.run(*options(data, folder, *more), main=training.main)


def start(data: Path, folder: Path, *more: object) -> subprocess.Popen:
    """A tiny run in a process of its own."""
    return eval_tool.start(SCRIPT, *options(data, folder, *more), cwd=data)


def metrics(folder: Path) -> list[dict]:
    """The lines of ``metrics.jsonl``, without what the clock says."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


def saved(folder: Path, step: int) -> dict:
    """The checkpoint of a step."""
    return torch.load(folder / f"ckpt/save_step_{step}.pth", weights_only=True)


def same_weights(folder: Path, other: Path, step: int) -> bool:
    """Whether weights, averages and optimizers of two runs are equal to the last bit."""
    ours, theirs = (
        # numpy's generator is of no use to training, and other tests draw from it
        {k: v for k, v in flat(saved(run, step)).items() if "/numpy/" not in k}
        for run in (folder, other)
    )
    assert ours.keys() == theirs.keys()
    return all(torch.equal(ours[key], theirs[key]) for key in ours)


def flat(content: object, path: str = "") -> dict[str, torch.Tensor]:
    """All tensors in nested dictionaries and lists."""
    if isinstance(content, torch.Tensor):
        return {path: content}
    if isinstance(content, dict):
        content = content.items()
    elif isinstance(content, list | tuple):
        content = enumerate(content)
    else:
        return {}
    return {k: v for key, value in content for k, v in flat(value, f"{path}/{key}").items()}


def wait_for_line(folder: Path, line: int, process: subprocess.Popen) -> None:
    """Returns once ``metrics.jsonl`` has so many lines."""
    path, deadline = folder / "metrics.jsonl", time.monotonic() + 90
    while not path.is_file() or path.read_text().count("\n") < line:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_all(process: subprocess.Popen) -> None:
    """SIGKILL for a process and its children, as when memory or power runs out."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, found)):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
