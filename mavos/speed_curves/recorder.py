"""Figures of a video while it is segmented: time, memory of the process, memory of the video."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from mavos.dataloaders.types import Frame
from mavos.networks.segmenter import Segmented, VideoSegmenter
from mavos.run.storages import storages
from mavos.tracking.stopwatch import Stopwatch
from mavos.utils.device import peak_memory_bytes
from mavos.utils.palette import IGNORE
from mavos.utils.process_memory import resident_memory_bytes


class Watched:
    """A method whose newest memory of the video can be looked at."""

    def __init__(self, model: VideoSegmenter):
        self._model, self.memory = model, None
        self.encode, self.segment = model.encode, model.segment

    def start(self, feats: Any, mask: Tensor) -> Any:
        self.memory = self._model.start(feats, mask)
        return self.memory

    def memorize(self, out: Segmented, mask: Tensor, memory: Any, new_objects: bool = False) -> Any:
        self.memory = self._model.memorize(out, mask, memory, new_objects)
        return self.memory


class Recorder:
    """Reports the size of the frames, and a row of figures when as many as a mark says are done.

    Times are those since the beginning, and milliseconds per frame since the row before. The
    model's are of encode, segment and memorize, the device synchronised; wall and CPU time are of
    the whole process, CPU time of all its threads.
    """

    def __init__(
        self,
        model: Watched,
        device: torch.device,
        marks: Iterable[int],
        report: Callable[[dict], None],
    ):
        self.stopwatch = Stopwatch(device)
        self.model, self._device, self._report = model, device, report
        self._marks = frozenset(marks)

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames; when one is asked for, all before it are done."""
        self._started = time.perf_counter(), time.process_time()
        self._before = {"frame": 0, "predicted": 0, "seconds": 0.0, "cpu_seconds": 0.0}
        objects = 0
        for done, frame in enumerate(frames, start=1):
            if done == 1:
                self._report({"frame_size": frame.size, "network_size": frame.image.shape[-2:]})
            if frame.mask is not None:
                objects = max(objects, int(frame.mask.masked_fill(frame.mask == IGNORE, 0).max()))
            yield frame
            if done in self._marks:
                self._report_row(done, objects)

    def _report_row(self, frame: int, objects: int) -> None:
        seconds, predicted = self.stopwatch.seconds(), self.stopwatch.laps  # waits for the device
        wall, cpu = time.perf_counter() - self._started[0], time.process_time() - self._started[1]
        row = {"frame": frame, "objects": objects, "predicted": predicted}
        row |= {"seconds": seconds, "wall_seconds": wall, "cpu_seconds": cpu}
        before, self._before = self._before, row
        row = row | {
            "fps": predicted / seconds if seconds > 0 else None,
            "ms_per_frame": _per_frame(before, row, "predicted", "seconds"),
            "cpu_ms_per_frame": _per_frame(before, row, "frame", "cpu_seconds"),
            "state_bytes": state_bytes(self.model.memory),
            "held_bytes": held_bytes(self._device),
            "peak_bytes": peak_memory_bytes(self._device),
            "resident_bytes": resident_memory_bytes(),
        }
        self._report(row)


def _per_frame(before: dict, now: dict, frames: str, seconds: str) -> float | None:
    """Milliseconds per frame between two rows; None if there was none."""
    count = now[frames] - before[frames]
    return 1e3 * (now[seconds] - before[seconds]) / count if count else None


def held_bytes(device: torch.device) -> int:
    """Memory held now, of what ``peak_memory_bytes`` counts: tensors on a GPU, else the process."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return resident_memory_bytes()


def state_bytes(memory: Any) -> int:
    """Bytes held by the tensors in a memory object; what several of them share counts once."""
    return sum(storages(memory).values())
