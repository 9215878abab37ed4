"""Kills a training run at random moments and compares it with one that nothing disturbed.

    python benchmarks/kill_and_resume.py --kills 20 --folder /tmp/kills -- \\
        --model mavos_nano --stage demo --device cpu --total_step 100 \\
        train.save_every=3 train.log_every=1

What follows ``--`` is for tools/train.py. Both runs end in ``folder``; status 1 if their curves or
final weights differ by a single bit. Exact on a CPU; on a GPU some sums depend on the moment.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

TRAIN = Path(__file__).resolve().parents[1] / "tools" / "train.py"
PATIENCE_SECONDS = 30.0  # a run that makes no progress for so long is killed all the same


def lines(folder: Path) -> list[dict]:
    """The figures of a run so far, without times; a line that a kill cut counts for nothing."""
    path, found = folder / "metrics.jsonl", []
    for line in path.read_text().splitlines(keepends=True) if path.is_file() else []:
        if line.endswith("\n"):
            figures = json.loads(line)
            found.append({k: v for k, v in figures.items() if not k.endswith("_seconds")})
    return found


def descendants(pid: int) -> list[int]:
    """Processes under one, such as the workers of --gpu_num and those that load data (Linux)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:  # it has just ended
        return []
    return [p for child in map(int, children) for p in (child, *descendants(child))]


def start(options: list[str], folder: Path) -> subprocess.Popen:
    with open(f"{folder}.log", "a") as log:
        return subprocess.Popen(
            [sys.executable, str(TRAIN), *options, "--output", str(folder)],
            stdout=log,
            stderr=log,
            env={"OMP_NUM_THREADS": "1"} | os.environ,
        )


def kill_at_random(run: subprocess.Popen, folder: Path, rng: random.Random) -> str | None:
    """Kill within the start, or within some step after it; returns where. None: it had ended."""
    done = len(lines(folder))
    wanted, deadline = done + rng.randrange(4), time.monotonic() + PATIENCE_SECONDS
    if wanted == done:
        time.sleep(rng.uniform(0, 6))
    while len(lines(folder)) < wanted and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.3))
    if run.poll() is not None:
        return None
    for pid in [run.pid, *descendants(run.pid)]:
        os.kill(pid, signal.SIGKILL)
    run.wait()
    steps = sorted(int(p.stem.rpartition("_")[2]) for p in folder.glob("ckpt/save_step_*.pth"))
    return f"after {len(lines(folder))} lines, checkpoints {steps}"


def final_weights(folder: Path) -> dict[str, torch.Tensor]:
    newest = max(folder.glob("ema_ckpt/*.pth"), key=lambda p: int(p.stem.rpartition("_")[2]))
    return torch.load(newest, weights_only=True)["state_dict"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=Path, required=True, help="must not exist")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("options", nargs="+", help="-- and options of tools/train.py")
    args = parser.parse_args()
    args.folder.mkdir(parents=True)
    whole, killed = args.folder / "whole", args.folder / "killed"
    if start(args.options, whole).wait():
        print(f"the undisturbed run failed, see {whole}.log")
        return 1
    rng, kills = random.Random(args.seed), 0
    while kills < args.kills:
        where = kill_at_random(start(args.options, killed), killed, rng)
        if where is None:
            break
        kills += 1
        print(f"kill {kills}: {where}", flush=True)
    if start(args.options, killed).wait():
        print(f"the killed run failed, see {killed}.log")
        return 1
    same_curve = lines(whole) == lines(killed)
    ours, theirs = final_weights(whole), final_weights(killed)
    same_weights = all(torch.equal(ours[name], theirs[name]) for name in ours)
    print(f"{kills} kills, {len(lines(whole))} lines: curves equal {same_curve}, ", end="")
    print(f"final averaged weights equal {same_weights}")
    return 0 if same_curve and same_weights else 1


if __name__ == "__main__":
    sys.exit(main())
