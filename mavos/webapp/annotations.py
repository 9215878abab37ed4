"""The objects of a clip, what was drawn, and what came out of tracking; masks lie on disk."""

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum
from http import HTTPStatus
from pathlib import Path

import numpy as np
from PIL import Image

from mavos.dataloaders.media.mask_writing import write_mask
from mavos.utils.palette import values_in
from mavos.webapp.refusals import Refused

MOST_OBJECTS = 254  # ids that a mask of 8 bits can hold beside background and ignore
_LONGEST_NAME = 60


class Status(IntEnum):
    """What is known of a frame."""

    NONE = 0  # not tracked
    VALID = 1  # tracked, and nothing before it changed since
    STALE = 2  # tracked before a correction of an earlier frame


@dataclass
class TrackedObject:
    name: str
    removed_at: list[int] = field(default_factory=list)  # gone from there on, until drawn again


class Annotations:
    """Labels of every frame of one clip, (H, W) uint8 object ids.

    shown:  what the page shows: predicted, with what was drawn laid over it
    drawn:  what was drawn at a frame, whole; it speaks for the ids in ``given[frame]``
    base:   the frame as it was without that, so that taking it back is possible

    Threads may share it. ``revision`` grows with every change; ``changed_since`` names the frames.
    """

    def __init__(self, folder: Path, size: tuple[int, int], length: int) -> None:
        self.size, self.length = size, length
        self.objects: dict[int, TrackedObject] = {}
        self.given: dict[int, frozenset[int]] = {}
        self.status = np.zeros(length, np.uint8)
        self.revision = 0
        self._folder = folder
        self._presence: list[dict[int, float]] = [{} for _ in range(length)]
        self._revisions = np.zeros(length, np.int64)
        self._newest_id = 0
        self._lock = threading.RLock()

    # objects

    def add_object(self, name: str = "") -> int:
        """A new object; its id is never used again for another."""
        with self._lock:
            if self._newest_id == MOST_OBJECTS:
                raise Refused(f"there have been {MOST_OBJECTS} objects: start with the clip anew")
            self._newest_id += 1
            self.objects[self._newest_id] = TrackedObject(f"Object {self._newest_id}")
            if name:
                self.rename(self._newest_id, name)
            self.revision += 1
            return self._newest_id

    def rename(self, object_id: int, name: str) -> None:
        name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
        if not name:
            raise Refused("an object needs a name")
        with self._lock:
            self._object(object_id).name = name[:_LONGEST_NAME]
            self.revision += 1

    def end_object(self, object_id: int, frame: int) -> None:
        """Remove an object from ``frame`` on; where it is drawn again it is back from there on."""
        with self._lock:
            known = self._object(object_id)
            known.removed_at = [f for f in known.removed_at if f < self._checked(frame)] + [frame]
            self._forget_drawings(object_id, frame)
            self._touch(range(frame, self.length))

    def delete_object(self, object_id: int) -> None:
        """Remove an object from every frame, as if it had never been drawn."""
        with self._lock:
            self._object(object_id)
            self._forget_drawings(object_id, 0)
            del self.objects[object_id]
            self._touch(range(self.length))

    def alive(self, frame: int, drawn_here: bool = True) -> set[int]:
        """Ids of the objects that may be in a frame; drawn_here: with those it brings back."""
        with self._lock:
            end = frame + drawn_here
            return {i for i in self.objects if self._removed_since(i, frame, end) is None}

    def end(self, object_id: int) -> int | None:
        """The frame from which an object is gone for good; None: it is there to the end."""
        with self._lock:
            return self._removed_since(object_id, self.length, self.length)

    # labels

    def shown(self, frame: int) -> np.ndarray | None:
        """Labels of a frame, without removed objects; None where there are none."""
        return self._read("shown", self._checked(frame))

    def draw(self, frame: int, labels: np.ndarray) -> None:
        """Take over labels as they were drawn into a frame; all later frames are then stale.

        Only objects whose pixels differ from ``base`` are given; without any, nothing is.
        """
        with self._lock:
            self._check_drawing(self._checked(frame), labels)
            alive = self.alive(frame)
            base = self._read("base" if frame in self.given else "shown", frame)
            before = np.zeros(self.size, np.uint8) if base is None else base
            differs = labels != before
            ids = frozenset(values_in(labels[differs]) + values_in(before[differs])) - {0}
            if frame not in self.given:
                self._write("base", frame, base)
            if ids:
                self.given[frame] = ids
                self._write("drawn", frame, labels)
                self._write("shown", frame, labels)
            else:
                self.given.pop(frame, None)
                self._write("shown", frame, base)
            self._presence[frame] |= {i: float((labels == i).any()) for i in ids}
            self._outdate_after(frame)
            if self.alive(frame) != alive:  # one is back, or gone again
                self._touch(range(frame, self.length))

    def discard(self, frame: int) -> None:
        """Take back what was drawn at a frame."""
        with self._lock:
            if self._checked(frame) in self.given:
                base = self._read("base", frame)
                self.draw(frame, np.zeros(self.size, np.uint8) if base is None else base)

    def drawing(self, frame: int) -> tuple[np.ndarray, list[int]] | None:
        """Mask and ids for the tracker; an id that is not in the mask is not in the frame."""
        with self._lock:
            ids = sorted(self.given.get(frame, ()))
            labels = self._read("drawn", frame) if ids else None
            return None if labels is None else (np.where(np.isin(labels, ids), labels, 0), ids)

    def record(
        self,
        frame: int,
        labels: np.ndarray,
        presence: dict[int, float],
        predicted: np.ndarray,
    ) -> None:
        """Keep the result of a frame, and what was predicted before a drawing was laid over it."""
        with self._lock:
            self._write("shown", frame, labels)
            if frame in self.given:
                self._write("base", frame, predicted)
            self._presence[frame] = dict(presence)
            self.status[frame] = Status.VALID
            self._touch((frame,))

    # what the page asks

    @property
    def first_given(self) -> int | None:
        return min(self.given, default=None)

    def first_open(self) -> int | None:
        """The first frame from the first drawing on whose result is not valid."""
        with self._lock:
            first = self.first_given
            if first is None:
                return None
            still_open = np.flatnonzero(self.status[first:] != Status.VALID)
            return first + int(still_open[0]) if still_open.size else None

    def known_between(self, first: int, end: int) -> list[int]:
        """Frames first..end-1 with a valid result or a drawing: what a tracker has to have seen."""
        with self._lock:
            valid = {first + int(i) for i in np.flatnonzero(self.status[first:end] == Status.VALID)}
            return sorted(valid | {frame for frame in self.given if first <= frame < end})

    def labelled_frames(self) -> list[int]:
        """Frames that have labels: tracked, or drawn into."""
        with self._lock:
            tracked = {int(i) for i in np.flatnonzero(self.status)}
            return sorted(tracked | self.given.keys())

    def changed_since(self, revision: int) -> list[tuple[int, int, dict[int, float]]]:
        """(frame, status, presence of each object) of the frames that changed."""
        with self._lock:
            return [
                (int(f), int(self.status[f]), self._living(int(f)))
                for f in np.flatnonzero(self._revisions > revision)
            ]

    def _living(self, frame: int) -> dict[int, float]:
        alive = self.alive(frame)
        return {i: round(p, 3) for i, p in self._presence[frame].items() if i in alive}

    def _check_drawing(self, frame: int, labels: np.ndarray) -> None:
        unknown = set(values_in(labels)) - {0} - self.objects.keys()
        if unknown:
            raise Refused(f"frame {frame} shows object {min(unknown)}, which is not in the list")

    def _removed_since(self, object_id: int, frame: int, end: int) -> int | None:
        """Where an object was removed if it is gone in ``frame``: not drawn since, before ``end``.

        Nothing is written down when it comes back, so taking its drawing back removes it again.
        """
        removed = [f for f in self.objects[object_id].removed_at if f <= frame]
        if not removed:
            return None
        back = any(removed[-1] <= f < end and object_id in ids for f, ids in self.given.items())
        return None if back else removed[-1]

    def _outdate_after(self, frame: int) -> None:
        later = self.status[frame + 1 :]
        valid = np.flatnonzero(later == Status.VALID)
        later[valid] = Status.STALE
        self._clear_before_first()
        self._touch((frame, *(frame + 1 + valid)))

    def _forget_drawings(self, object_id: int, frame: int) -> None:
        for index in [f for f in self.given if f >= frame]:
            self.given[index] -= {object_id}
            if not self.given[index]:
                del self.given[index]
        self._clear_before_first()

    def _clear_before_first(self) -> None:
        """Nothing is known of the frames before the first drawing."""
        first = self.length if self.first_given is None else self.first_given
        tracked = np.flatnonzero(self.status[:first])
        for frame in map(int, tracked):
            self._presence[frame] = {}
            self._write("shown", frame, None)
        self.status[tracked] = Status.NONE
        self._touch(tracked)

    def _touch(self, frames: Collection[int]) -> None:
        self.revision += 1
        self._revisions[list(frames)] = self.revision

    def _object(self, object_id: int) -> TrackedObject:
        if object_id not in self.objects:
            raise Refused(f"there is no object {object_id}", HTTPStatus.NOT_FOUND)
        return self.objects[object_id]

    def _checked(self, frame: int) -> int:
        if not 0 <= frame < self.length:
            raise Refused(
                f"there is no frame {frame}: the clip has {self.length}", HTTPStatus.NOT_FOUND
            )
        return frame

    def _path(self, kind: str, frame: int) -> Path:
        return self._folder / kind / f"{frame:05d}.png"

    def _write(self, kind: str, frame: int, labels: np.ndarray | None) -> None:
        if labels is None:
            self._path(kind, frame).unlink(missing_ok=True)
        else:
            write_mask(self._path(kind, frame), labels)

    def _read(self, kind: str, frame: int) -> np.ndarray | None:
        """Labels of a frame, without objects that were removed; None where there are none."""
        with self._lock:
            try:
                with Image.open(self._path(kind, frame)) as image:
                    labels = np.array(image)
            except FileNotFoundError:
                return None
            keep = np.zeros(256, np.uint8)
            # the drawing is no part of what is below it, neither are those it brings back
            alive = self.objects if kind == "drawn" else self.alive(frame, kind != "base")
            alive = list(alive)
            keep[alive] = alive
            return keep[labels]
