"""Time spent in a stretch of device work, without stalling the device to read the clock."""

import time

import torch


class Stopwatch:
    """``with stopwatch:`` adds one lap. On CUDA laps are pairs of events, read when asked for."""

    def __init__(self, device: torch.device):
        self.device = device
        self._laps: list[tuple] = []

    def __enter__(self) -> "Stopwatch":
        self._laps.append((self._now(),))
        return self

    def __exit__(self, *_) -> None:
        self._laps[-1] += (self._now(),)

    @property
    def laps(self) -> int:
        return len(self._laps)

    def seconds(self) -> float:
        """Sum of all laps; waits for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return sum(start.elapsed_time(stop) for start, stop in self._laps) / 1000
        return sum(stop - start for start, stop in self._laps)

    def _now(self):
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            return event
        if self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()
