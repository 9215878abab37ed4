"""What the benchmarks share: options, synthetic frames, clocks, one process per row, and printing.

Times are milliseconds, sizes (H, W) in pixels, memory MB of 2**20 bytes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mavos import configs
from mavos.configs.schema import Config
from mavos.networks import onednn
from mavos.networks.segmenter import VideoSegmenter, one_hot
from mavos.run.build import one_scale
from mavos.run.devices import prepare
from mavos.run.entry import finish
from mavos.tracking import settling
from mavos.utils.device import (
    allow_tf32,
    pick_dtype,
)
from mavos.utils.errors import UserError, unknown_name

RESOLUTIONS = {480: (480, 854), 720: (720, 1280)}
DTYPES = ("fp32", "tf32", "bf16", "fp16")
MB = 2**20
MOST_COLUMNS = 10  # of a table; a wider one is turned on its side
MACHINE = ("device", "processor", "cores", "threads", "torch")  # keys of ``machine``


def parser(doc: str, of_network: bool = True) -> argparse.ArgumentParser:
    """A parser whose help begins with ``doc``, with the options that all benchmarks have, those
    ``of_network`` as well."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if of_network:
        made.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N")
        made.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    made.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return made


def add_size(made: argparse.ArgumentParser, several: bool = False) -> None:
    """--resolution, or ``several`` of them, and --size: of the frames as they lie on disk."""
    made.add_argument(
        "--resolution",
        type=int,
        nargs="+" if several else None,
        default=[480] if several else 480,
        help="480 (854x480) or 720 (1280x720); the network's size follows its own rule",
    )
    made.add_argument(
        "--size", type=int, nargs=2, metavar=("H", "W"), help="another size of the frames, pixels"
    )


def frame_size(resolution: int, size: Sequence[int] | None = None) -> tuple[int, int]:
    """(H, W) of the frames. Raises UserError for a resolution that is not offered."""
    if size is not None:
        if min(size) < 1:
            raise UserError(f"--size must be positive pixels, got {size[0]} {size[1]}")
        return tuple(size)
    if resolution not in RESOLUTIONS:
        known = ", ".join(map(str, RESOLUTIONS))
        raise UserError(f"--resolution must be one of {known}; got {resolution}")
    return RESOLUTIONS[resolution]


def check_counts(args: argparse.Namespace, *names: str, least: int = 1) -> None:
    """Raises UserError for an option, or one of its values, below ``least``."""
    for name in names:
        value = getattr(args, name)
        for number in value if isinstance(value, list) else [value]:
            if number is not None and number < least:
                raise UserError(f"--{name} must be at least {least}, got {number}")


def set_up(device: str, threads: int | None, routing: bool = True) -> torch.device:
    """Device and process as the tools have them; without ``routing`` products stay where PyTorch
    sends them."""
    onednn.allow(routing)
    return prepare(device, threads=threads or 0)


def use_dtype(name: str, device: torch.device) -> torch.dtype:
    """Type of the weights in the precision ``name``; tf32 goes on or off for the whole process.

    Raises UserError for a name that is none, or that the device does not have.
    """
    if name not in DTYPES:
        raise unknown_name("dtype", name, DTYPES)
    dtype = pick_dtype(name, device)
    allow_tf32(name == "tf32")
    return dtype


def network_size(cfg: Config, model: VideoSegmenter, size: tuple[int, int]) -> tuple[int, int]:
    """Input size of the network for frames of ``size``, as ``tools/eval.py`` chooses it."""
    return one_scale(cfg, model).sizes(size)[0]


@dataclass(frozen=True)
class SyntheticVideo:
    """A few frames of noise that come again and again, and labels in columns."""

    images: Tensor  # (T, 1, 3, H', W') float32, normalised, at network size
    labels: Tensor  # (1, H, W) int64
    num_objects: int

    @property
    def size(self) -> tuple[int, int]:
        return tuple(self.labels.shape[-2:])

    def image(self, frame: int) -> Tensor:
        return self.images[frame % len(self.images)]

    def mask(self) -> Tensor:
        return one_hot(self.labels, self.num_objects)


def synthetic_video(
    size: tuple[int, int], network: tuple[int, int], objects: int, device: torch.device
) -> SyntheticVideo:
    """Always the same: 4 images of ``network`` size, labels of ``size``."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 1, 3, *network, generator=generator)
    columns = torch.arange(size[1]) * (objects + 1) // size[1]
    return SyntheticVideo(images.to(device), columns.repeat(1, size[0], 1).to(device), objects)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def timed(device: torch.device, work: Callable[[], Any]) -> tuple[float, float]:
    """(wall, CPU) milliseconds of ``work``; CPU: of all threads of this process."""
    synchronize(device)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    synchronize(device)
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


class Tracking:
    """A synthetic video through the four verbs, frame by frame; the first is there at once."""

    def __init__(self, model: VideoSegmenter, video: SyntheticVideo, gap: int):
        """gap: frames between long-term updates."""
        self.model, self.video, self.gap, self.frame = model, video, gap, 0
        self.memory = model.start(model.encode(video.image(0)), video.mask())

    def step(self) -> None:
        """Encode, segment, label and memorize the next frame."""
        self.frame += 1
        feats = self.model.encode(self.video.image(self.frame))
        settled = settling.predict(self.model, feats, self.memory, self.video.size)
        self.memory = settling.remember(
            self.model, settled, self.memory, self.video.num_objects, new_objects=False
        )

    @property
    def fused(self) -> bool:
        """Whether the last frame was fused into the memory; the first update only appends."""
        return self.frame % self.gap == 0 and self.frame > self.gap


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, median and 95th percentile."""
    return {
        "mean": statistics.mean(values),
        "median": statistics.median(values),
        "p95": float(np.percentile(values, 95)),
    }


def mean_or_none(values: Iterable[float]) -> float | None:
    values = list(values)
    return statistics.mean(values) if values else None


def load_all(models: Iterable[str], overrides: Sequence[str] = ()) -> dict[str, Config]:
    """Config of each model; raises UserError before anything is measured."""
    return {model: configs.load(model, overrides=overrides) for model in models}


def in_own_process(script: str, options: Iterable[object], timeout: float | None = None) -> dict:
    """The JSON object that another benchmark prints; raises UserError as ``output_of``."""
    return json.loads(output_of(script, [*options, "--json"], timeout).splitlines()[-1])


def output_of(script: str, options: Iterable[object], timeout: float | None = None) -> str:
    """The standard output of a script.

    Raises UserError with the last line it wrote if it fails or takes over ``timeout`` seconds.
    """
    command = [sys.executable, Path(script).resolve(), *options]
    try:
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{Path(script).name}: not done after {timeout:.0f} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        reason = said[-1].removeprefix("error: ")
        raise UserError(f"{Path(script).name} ended with status {done.returncode}: {reason}")
    return done.stdout


def note(text: str) -> None:
    """Progress, which is no result."""
    print(text, file=sys.stderr, flush=True)


def show(result: dict[str, Any], as_json: bool) -> None:
    """One JSON object, or its plain values line by line and its lists of rows as tables."""
    if as_json:
        print(json.dumps(result))
        return
    width = max(len(key) for key in result)
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"\n{table(value)}")
        else:
            print(f"{key:{width}}  {_text(value)}")


def table(rows: Sequence[dict[str, Any]], wide: bool = False) -> str:
    """Rows as a Markdown table; a column for every key that any row has, or, where they are many
    and it may not be ``wide``, a line for every key and a column for every row."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [keys, *([_text(row.get(key)) for key in keys] for row in rows)]
    if len(keys) > MOST_COLUMNS and not wide:
        cells = list(map(list, zip(*cells, strict=True)))
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1e}" if 0 < abs(value) < 5e-3 else f"{value:.5g}"
        case dict():
            return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
        case list() | tuple():
            return " ".join(map(_text, value)) or "-"
    return str(value)


def run(main: Callable[[list[str]], int]) -> None:
    """End the process as the tools do: a mistake of the user is one line and status 2."""
    finish(main, sys.argv[1:])
