"""Runs a tracker through a clip, and back to any frame that was corrected."""

from typing import NamedTuple

import numpy as np

from mavos.run.storages import storages
from mavos.tracking.tracker import Result, Snapshot, VideoTracker
from mavos.webapp.annotations import Annotations, Status
from mavos.webapp.clip import Clip
from mavos.webapp.jobs import Job
from mavos.webapp.refusals import Refused
from mavos.webapp.turns import Turns


class Snapshots:
    """States of a tracker by frame: some evenly spread, and the newest, the denser the newer.

    So a correction a few frames back repeats a few frames, and an early one in a long video not
    all before it.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        """most: how many, beside the newest; most_bytes: of their tensors, beside one of each."""
        self._most_spread = most - most // 2
        self._most_recent = 1 + most // 2
        self._most_bytes = most_bytes
        self._gap = 1
        self._spread: dict[int, _Kept] = {}
        self._recent: dict[int, _Kept] = {}

    def add(self, frame: int, snapshot: Snapshot) -> None:
        """Keep the state after ``frame``, for now; frames must come in order."""
        kept = _Kept(snapshot, storages(snapshot))
        if not self._spread or frame - max(self._spread) >= self._gap:
            self._spread[frame] = kept
        # about 1, 2, 4, 8, ... back: how long a frame stays is what its number is a multiple of
        recent = self._recent | {frame: kept}
        recent = {f: s for f, s in recent.items() if frame - f <= 2 * (f & -f)}
        self._recent = dict(list(recent.items())[-self._most_recent :])
        while len(self._spread) > self._most_spread:
            self._thin_out()
        while self.held_bytes() > self._most_bytes and len(self._spread) + len(self._recent) > 2:
            if len(self._spread) >= len(self._recent):
                self._thin_out()
            else:
                del self._recent[min(self._recent)]

    def newest_before(self, frame: int) -> tuple[int, Snapshot] | None:
        """The newest of a frame before ``frame``, with that frame."""
        states = self._spread | self._recent
        before = [kept for kept in states if kept < frame]
        return (max(before), states[max(before)].snapshot) if before else None

    def drop_after(self, frame: int) -> None:
        """Forget the states of later frames: what they were made from has changed."""
        self._spread = {kept: state for kept, state in self._spread.items() if kept <= frame}
        self._recent = {kept: state for kept, state in self._recent.items() if kept <= frame}

    def held_bytes(self) -> int:
        """Bytes of all states; what several of them share counts once."""
        storages: dict[int, int] = {}
        for kept in (*self._spread.values(), *self._recent.values()):
            storages |= kept.storages
        return sum(storages.values())

    def _thin_out(self) -> None:
        self._gap *= 2
        self._spread = dict(list(self._spread.items())[::2])


class _Kept(NamedTuple):
    snapshot: Snapshot
    storages: dict[int, int]  # address -> bytes


class Tracking:
    """The tracker of one clip.

    A snapshot is taken after a frame was predicted and before a drawing amends it, so a drawing
    makes only the states of later frames worthless.
    """

    def __init__(
        self,
        tracker: VideoTracker,
        clip: Clip,
        annotations: Annotations,
        turns: Turns,
        snapshots: Snapshots,
    ) -> None:
        """turns: shared by all who use the tracker's network."""
        self._tracker, self._clip, self._annotations = tracker, clip, annotations
        self._turns = turns
        self._snapshots = snapshots

    def changed(self, frame: int) -> None:
        """To be called when what is given at ``frame`` has changed."""
        self._snapshots.drop_after(frame)

    def start_frame(self, from_frame: int | None) -> int:
        """The first frame to compute: after ``from_frame``, or None: where results are missing.

        Raises Refused where nothing is given to track, or nothing is left to do.
        """
        annotations = self._annotations
        first = annotations.first_given
        if first is None:
            raise Refused("nothing to track yet: draw an object in a frame first")
        if from_frame is None:
            start = annotations.first_open()
            if start is None:
                raise Refused("every frame is tracked: correct one, or track from a chosen frame")
            return start
        if from_frame >= self._clip.length:
            raise Refused(f"there is no frame {from_frame + 1}: the clip has {self._clip.length}")
        if from_frame < first:
            raise Refused(f"nothing is drawn at or before this frame; the first is {first + 1}")
        start = from_frame + int(annotations.status[from_frame] == Status.VALID)
        if start >= self._clip.length:
            raise Refused("this is the last frame: nothing comes after it")
        return start

    def run(self, start: int, job: Job) -> None:
        """Compute ``start`` and all frames after it, until stopped."""
        state = self._snapshots.newest_before(start)
        self._snapshots.drop_after(start - 1)
        if state is None:
            self._tracker.reset()
            resumed_at = -1
        else:
            resumed_at = state[0]
            self._restore(resumed_at, state[1])
        replayed = self._annotations.known_between(resumed_at + 1, start)
        job.total = len(replayed) + self._clip.length - start
        for frame in (*replayed, *range(start, self._clip.length)):
            if job.stopping.is_set():
                return
            self._track(frame)
            job.tick(frame)

    def _restore(self, frame: int, snapshot: Snapshot) -> None:
        image, drawing = self._clip.image(frame), self._annotations.drawing(frame)
        with self._turns:
            self._tracker.restore(snapshot)
            self._remove_the_dead(frame)
            self._add(image, drawing)

    def _track(self, frame: int) -> None:
        image, drawing = self._clip.image(frame), self._annotations.drawing(frame)
        with self._turns:
            self._remove_the_dead(frame)
            predicted = self._tracker.step(image)
            self._snapshots.add(frame, self._tracker.snapshot())
            result = self._add(image, drawing) or predicted
        self._annotations.record(frame, result.labels, result.presence, predicted.labels)

    def _add(
        self, image: np.ndarray, drawing: tuple[np.ndarray, list[int]] | None
    ) -> Result | None:
        """Tell the tracker what was drawn in the frame it is at; None if that is nothing to it."""
        if drawing is None:
            return None
        labels, ids = drawing
        # what was rubbed out may be an object that it does not know any more
        ids = [i for i in ids if i in self._tracker.ids or (labels == i).any()]
        return self._tracker.add(image, labels, ids=ids) if ids else None

    def _remove_the_dead(self, frame: int) -> None:
        # what the drawing of a frame brings back is new to the tracker
        alive = self._annotations.alive(frame, drawn_here=False)
        for object_id in set(self._tracker.ids) - alive:
            self._tracker.remove(object_id)
