"""Two networks in two processes that take turns, so that each has the machine to itself.

The parent makes a ``Player`` of each side; this file run with a settings file is the child, which
loads the networks of its own side only. A line of JSON on standard input asks for a turn, one on
standard output answers it.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from mavos.utils.device import peak_memory_bytes


class Side(Protocol):
    """One of the two, as the child sees it."""

    notes: list[str]  # what a reader of its figures must know

    def start(self, image: Tensor, labels: Tensor) -> None:
        """First frame: image (1, 3, H', W') at network size; labels (1, H, W) int64."""

    def step(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The next frame, then remembered with ``labels``. Returns logits (1, 1 + N or more, H, W)
        and the labels (1, H, W) they say."""


class Player:
    """The parent's end of one child."""

    def __init__(self, settings: dict, folder: Path):
        """settings: see ``_side``. folder: of this side alone; the child works in it."""
        self.name, self._folder = settings["side"], folder
        folder.mkdir()
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        with open(folder / "stderr.txt", "wb") as errors:
            self._child = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), "settings.json"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=folder,
                # an idle child must not spin while the other one is measured
                env={"OMP_WAIT_POLICY": "passive"} | os.environ,
            )

    def ready(self) -> list[str]:
        """Waits until the side has seen its first frame; its ``notes``."""
        return self._answer()["notes"]

    def play(self, frames: int) -> dict[str, list[float]]:
        """``wall_ms`` and ``cpu_ms`` of each of the next frames."""
        return self._ask({"frames": frames})

    def output(self, frame: int) -> dict[str, Tensor]:
        """``logits`` (1, 1 + N, H, W) and ``labels`` (1, H, W) of a frame, from 1; only once."""
        path = self._folder / f"{frame}.pt"
        content = torch.load(path, weights_only=True)
        path.unlink()
        return content

    def end(self) -> dict:
        """``peak_rss_mb`` and ``peak_device_mb``."""
        return self._ask({"frames": 0})

    def kill(self) -> None:
        self._child.kill()
        self._child.communicate()

    def _ask(self, question: dict) -> dict:
        with suppress(BrokenPipeError):  # a child that has ended gives no answer
            self._child.stdin.write(json.dumps(question) + "\n")
            self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        """Raises RuntimeError with the last line that a failing child wrote."""
        answer = self._child.stdout.readline()
        if answer:
            return json.loads(answer)
        status = self._child.wait()
        said = (self._folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
        lines = [line for line in said.splitlines() if line.strip()] or ["it said nothing"]
        raise RuntimeError(f"the {self.name} side ended with status {status}: {lines[-1]}")


def _side(settings: dict) -> Side:
    """side: fast, reference or release; the rest are keywords of that side."""
    if settings["side"] == "release":
        from release import Release

        return Release(**settings["options"])
    from sides import FastSide, ReferenceSide

    kind = FastSide if settings["side"] == "fast" else ReferenceSide
    return kind(**settings["options"])


def _serve(settings: dict) -> None:
    # others print what they like: their standard output becomes standard error
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    device = torch.device(settings["options"]["device"])
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    video = torch.load(settings["video"], weights_only=True)
    images, labels = video["images"].to(device), video["labels"].to(device)
    frame, channels = 0, int(labels.max()) + 1
    with torch.inference_mode():
        side = _side(settings)
        side.start(images[0], labels)
        print(json.dumps({"notes": side.notes}), file=answers, flush=True)
        for line in sys.stdin:
            count, wall, cpu = json.loads(line)["frames"], [], []
            for _ in range(count):
                frame += 1
                image = images[frame % len(images)]
                clocks = _clocks(device)
                logits, found = side.step(image, labels)
                stopped = _clocks(device)
                wall.append(1e3 * (stopped[0] - clocks[0]))
                cpu.append(1e3 * (stopped[1] - clocks[1]))
                kept = {"logits": logits[:, :channels].float().cpu(), "labels": found.cpu()}
                torch.save({key: value.clone() for key, value in kept.items()}, f"{frame}.pt")
            answer = {"wall_ms": wall, "cpu_ms": cpu} if count else _peaks(device)
            print(json.dumps(answer), file=answers, flush=True)


def _clocks(device: torch.device) -> tuple[float, float]:
    """Wall and CPU seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter(), time.process_time()


def _peaks(device: torch.device) -> dict:
    is_gpu = device.type == "cuda"
    return {
        "peak_rss_mb": peak_memory_bytes(torch.device("cpu")) / 2**20,
        "peak_device_mb": peak_memory_bytes(device) / 2**20 if is_gpu else None,
    }


if __name__ == "__main__":
    _serve(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
