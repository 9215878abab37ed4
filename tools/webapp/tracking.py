"""Runs a tracker through a clip, and back to any frame that was corrected."""

import numpy as np

from tools.tracker import Result, Snapshot, VideoTracker
from tools.webapp.annotations import Annotations, Status
from tools.webapp.clip import Clip
from tools.webapp.jobs import Job
from tools.webapp.refusals import Refused
from tools.webapp.turns import Turns


class Snapshots:
    """States of a tracker by frame: the newest, and a few more, evenly spread."""

    def __init__(self, most: int) -> None:
        self._most, self._gap = most, 1
        self._kept: dict[int, Snapshot] = {}
        self._newest: tuple[int, Snapshot] | None = None

    def add(self, frame: int, snapshot: Snapshot) -> None:
        """Keep the state after ``frame``, for now; frames must come in order."""
        self._newest = frame, snapshot
        if not self._kept or frame - max(self._kept) >= self._gap:
            self._kept[frame] = snapshot
        while len(self._kept) > self._most:
            self._gap *= 2
            self._kept = dict(list(self._kept.items())[::2])

    def newest_before(self, frame: int) -> tuple[int, Snapshot] | None:
        """The newest of a frame before ``frame``, with that frame."""
        states = dict([self._newest] if self._newest else []) | self._kept
        before = [kept for kept in states if kept < frame]
        return (max(before), states[max(before)]) if before else None

    def drop_after(self, frame: int) -> None:
        """Forget the states of later frames: what they were made from has changed."""
        self._newest = self.newest_before(frame + 1)
        self._kept = {kept: state for kept, state in self._kept.items() if kept <= frame}


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
        snapshots: int,
    ) -> None:
        """turns: shared by all who use the tracker's network; snapshots: how many to keep."""
        self._tracker, self._clip, self._annotations = tracker, clip, annotations
        self._turns = turns
        self._snapshots = Snapshots(snapshots)

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
        for object_id in set(self._tracker.ids) - self._annotations.alive(frame):
            self._tracker.remove(object_id)
