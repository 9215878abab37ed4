"""Times on a GPU are read from events, late and without a wait; here the events are pretended."""

import torch

from mavos.tracking.stopwatch import Stopwatch


class Clock:
    """Pretends to be ``torch.cuda``: every event is a second after the one before."""

    def __init__(self):
        self.events, self.finished = 0, False

    def current_stream(self, device):
        return None

    def synchronize(self, device):
        self.finished = True

    def event(clock, enable_timing):
        class Event:
            def record(self, stream):
                clock.events += 1
                self.at = clock.events

            def query(self):
                return clock.finished

            def elapsed_time(self, other):
                assert clock.finished
                return 1000.0 * (other.at - self.at)

        return Event()


def test_gpu_times_are_read_when_they_have_passed(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(torch.cuda, "Event", clock.event)
    monkeypatch.setattr(torch.cuda, "current_stream", clock.current_stream)
    monkeypatch.setattr(torch.cuda, "synchronize", clock.synchronize)
    stopwatch = Stopwatch(torch.device("cuda"))
    for _ in range(3):
        with stopwatch:
            pass
        stopwatch.lap()
    assert stopwatch.laps == 3 and len(stopwatch._events) == 3  # the device is still at work
    assert stopwatch.seconds() == 3.0
    for _ in range(100):
        with stopwatch:
            pass
    assert not stopwatch._events  # nothing piles up along a video
    assert stopwatch.seconds() == 103.0
