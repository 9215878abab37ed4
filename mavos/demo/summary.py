"""Figures of a demo run, gathered frame by frame."""

import time

from mavos.demo.tracking import Tracked
from mavos.utils.palette import IGNORE, values_in


class Summary:
    """What ``summary.json`` says of the frames; its size does not grow with them, but with faults
    and with the times that objects come and go."""

    def __init__(self) -> None:
        self.frames = 0
        self.faults: dict[str, str] = {}  # frame name -> what is wrong with it
        self._objects: dict[int, _Seen] = {}
        self._network_seconds = 0.0
        self._tracked = 0
        self._started = time.perf_counter()

    @property
    def objects(self) -> int:
        return len(self._objects)

    def add(self, tracked: Tracked) -> None:
        name = tracked.frame.name
        self.frames += 1
        if tracked.fault is not None:
            self.faults[name] = tracked.fault
        elif tracked.presence:  # before the first mask there is nothing to track
            self._tracked += 1
            self._network_seconds += tracked.seconds
        for object_id in tracked.given:
            self._objects.setdefault(object_id, _Seen()).given_at.append(name)
        visible = set(values_in(tracked.labels)) - {0, IGNORE}
        for object_id, seen in self._objects.items():
            seen.add(name, object_id in visible, tracked.presence.get(object_id))

    def figures(self) -> dict:
        """Ready for JSON. FPS: frames per second, of the whole run, and of the network alone."""
        seconds = time.perf_counter() - self._started
        return {
            "frames": self.frames,
            "damaged_frames": self.faults,
            "seconds": round(seconds, 3),
            "fps": _ratio(self.frames, seconds),
            "network_fps": _ratio(self._tracked, self._network_seconds),
            "objects": {str(i): seen.figures() for i, seen in sorted(self._objects.items())},
        }


class _Seen:
    """Where one object is."""

    def __init__(self) -> None:
        self.given_at: list[str] = []
        self._ranges: list[list[str]] = []  # first and last frame of each time it is visible
        self._is_visible = False
        self._visible_frames = 0
        self._presence = 0.0
        self._predicted = 0

    def add(self, name: str, is_visible: bool, presence: float | None) -> None:
        if is_visible:
            self._visible_frames += 1
            if not self._is_visible:
                self._ranges.append([name, name])
            self._ranges[-1][1] = name
        self._is_visible = is_visible
        if presence is not None:
            self._presence += presence
            self._predicted += 1

    def figures(self) -> dict:
        return {
            "given_at": self.given_at,
            "visible": self._ranges,
            "visible_frames": self._visible_frames,
            "mean_presence": _ratio(self._presence, self._predicted),
        }


def _ratio(sum_of: float, count: float) -> float:
    return round(sum_of / count, 3) if count > 0 else 0.0
