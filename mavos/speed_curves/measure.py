"""One run, in the process that it has for itself; ``tools/benchmark.py`` starts it.

The argument is the run as JSON. Standard output has one JSON object a line: what is
measured, a row of figures at each mark and, if need be, why the run ended too early.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from mavos.dataloaders.types import Frame
from mavos.run.build import build
from mavos.run.devices import precision_of, prepare_to_segment
from mavos.run.entry import finish
from mavos.run.progress import progress_bar
from mavos.run.signals import INTERRUPTED
from mavos.speed_curves.frames import frames_of
from mavos.speed_curves.recorder import Recorder, Watched, held_bytes
from mavos.speed_curves.runs import Run
from mavos.tracking.frame_loop import segment_video
from mavos.utils.device import reset_peak_memory

WARM_UP_FRAMES = 3  # before the clock starts: kernels are chosen, graphs are recorded


def measure(run: Run, report: Callable[[dict], None]) -> None:
    """Tell the precision, the memory held before the video, the size of the frames, then a row of
    figures at each mark; where the GPU has no memory left, that.
    """
    try:
        recorder, frames, device = _ready(run, report)
    except torch.OutOfMemoryError:
        report({"ended": "out of GPU memory before the first frame"})
        return
    with progress_bar(run.frames, desc=run.label) as bar:
        try:
            for _ in segment_video(recorder.model, frames, device, recorder.stopwatch):
                bar.update()
        except torch.OutOfMemoryError:
            report({"ended": f"out of GPU memory at frame {bar.n + 1}"})


def _ready(
    run: Run, report: Callable[[dict], None]
) -> tuple[Recorder, Iterator[Frame], torch.device]:
    """The model, loaded and warmed up, in its recorder; the frames; where they are segmented."""
    cfg = run.config()
    device = prepare_to_segment(cfg.eval)
    torch.manual_seed(0)
    checkpoint = Path(cfg.eval.checkpoint) if cfg.eval.checkpoint else None
    network, input_rule = build(cfg, checkpoint, device)
    loaded_bytes = held_bytes(device)
    report({"precision": precision_of(cfg.eval, device), "loaded_bytes": loaded_bytes})
    model = Watched(network)
    warm_up = replace(run, frames=WARM_UP_FRAMES)
    for _ in segment_video(model, frames_of(warm_up, input_rule, device, cfg.data), device):
        pass
    model.memory = None
    reset_peak_memory(device)
    recorder = Recorder(model, device, run.marks, report)
    return recorder, recorder.watch(frames_of(run, input_rule, device, cfg.data)), device


def main(argv: list[str]) -> int:
    try:
        measure(Run.from_json(argv[0]), lambda row: print(json.dumps(row), flush=True))
    except KeyboardInterrupt:  # the tool says so
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # not on Windows
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody reads on: the tool was killed
    finish(main, sys.argv[1:])
