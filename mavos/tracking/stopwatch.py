"""Time spent in stretches of device work, without stalling the device to read the clock."""

import time
from collections import deque

import torch


class Stopwatch:
    """``with stopwatch:`` adds a stretch of time; ``lap`` says that these make a lap.

    On CUDA a stretch is two events, read once both have passed.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.laps = 0
        self._seconds = 0.0
        self._events: deque[tuple[torch.cuda.Event, torch.cuda.Event]] = deque()

    def __enter__(self) -> "Stopwatch":
        self._started = self._now()
        return self

    def __exit__(self, *_) -> None:
        stopped = self._now()
        if self.device.type != "cuda":
            self._seconds += stopped - self._started
            return
        self._events.append((self._started, stopped))
        while self._events and self._events[0][1].query():
            self._read_oldest()

    def lap(self) -> None:
        """Count a lap, of all stretches since the one before."""
        self.laps += 1

    def seconds(self) -> float:
        """Sum of all stretches; waits for the device."""
        if self._events:
            torch.cuda.synchronize(self.device)
        while self._events:
            self._read_oldest()
        return self._seconds

    def _read_oldest(self) -> None:
        started, stopped = self._events.popleft()
        self._seconds += started.elapsed_time(stopped) / 1000

    def _now(self):
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            return event
        if self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()
