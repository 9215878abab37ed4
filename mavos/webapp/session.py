"""One open page: its clip, objects, tracker and folder. Pages share nothing but the network."""

import shutil
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from mavos.pictures.drawing import object_color
from mavos.tracking.tracker import VideoTracker
from mavos.webapp import downloads
from mavos.webapp.annotations import Annotations
from mavos.webapp.box import object_in_box
from mavos.webapp.clip import Clip, decode
from mavos.webapp.jobs import Job, Worker
from mavos.webapp.refusals import Refused
from mavos.webapp.tracking import Snapshots, Tracking
from mavos.webapp.turns import Turns
from mavos.webapp.uploads import Uploads


@dataclass(frozen=True)
class Limits:
    """What a session may use."""

    upload_bytes: int = 1000 * 2**20
    frames: int = 20000
    snapshots: int = 24  # states of the tracker to go back to
    snapshot_bytes: int = 1000 * 2**20  # that they take together


class Session:
    """What the routes do, for one page. Refused says why something is not done."""

    def __init__(
        self, folder: Path, limits: Limits, make_tracker: Callable[[], VideoTracker], turns: Turns
    ) -> None:
        """folder: to be made, and to be deleted by ``close``."""
        self.used = time.monotonic()
        self.uploads = Uploads(folder / "upload", limits.upload_bytes)
        self._folder, self._limits = folder, limits
        self._make_tracker, self._turns = make_tracker, turns
        self._worker = Worker()
        self._clip: Clip | None = None
        self._annotations: Annotations | None = None
        self._tracking: Tracking | None = None
        self._clips = 0  # opened so far; also separates the page's old frames from new ones
        self._editing = threading.Lock()
        self._closed = False
        folder.mkdir(mode=0o700)

    # the clip

    def open_clip(self, name: str) -> None:
        """Decode what was uploaded; the clip before it is forgotten."""
        with self._editing:
            self._check_idle()
            source = self.uploads.source(name, self._limits.frames)
            self._worker.start("decode", 0, lambda job: self._decode(source, name, job))

    def _decode(self, source: Path, name: str, job: Job) -> None:
        try:
            self._forget_clip()
            self._clips += 1
            folder = self._folder / f"clip{self._clips}"
            folder.mkdir()
            clip = decode(source, folder / "frames", name, self._limits.frames, job)
            annotations = Annotations(folder / "labels", clip.size, clip.length)
            snapshots = Snapshots(self._limits.snapshots, self._limits.snapshot_bytes)
            self._tracking = Tracking(
                self._make_tracker(), clip, annotations, self._turns, snapshots
            )
            self._clip, self._annotations = clip, annotations
        finally:
            self.uploads.discard()

    def _forget_clip(self) -> None:
        self._clip = self._annotations = self._tracking = None
        shutil.rmtree(self._folder / f"clip{self._clips}", ignore_errors=True)

    @property
    def clip(self) -> Clip:
        return _there(self._clip)

    @property
    def annotations(self) -> Annotations:
        return _there(self._annotations)

    # drawing

    def draw(self, frame: int, packed: bytes) -> None:
        """Take over a drawing: zlib-packed (H, W) uint8 ids, row by row."""
        with self._editing:
            self._check_idle()
            height, width = self.annotations.size
            unpacker = zlib.decompressobj()
            try:
                data = unpacker.decompress(packed, height * width + 1)
            except zlib.error as error:
                raise Refused(f"damaged drawing: {error}") from error
            if len(data) != height * width:
                raise Refused(f"a drawing must have {width}x{height} pixels")
            labels = np.frombuffer(data, np.uint8).reshape(height, width)
            self.annotations.draw(frame, labels)
            _there(self._tracking).changed(frame)

    def discard_drawing(self, frame: int) -> None:
        with self._editing:
            self._check_idle()
            self.annotations.discard(frame)
            _there(self._tracking).changed(frame)

    def packed_labels(self, frame: int) -> bytes | None:
        """Labels of a frame as ``draw`` takes them; None where there are none."""
        labels = self.annotations.shown(frame)
        return None if labels is None else zlib.compress(labels.tobytes(), 1)

    def mask_in_box(self, frame: int, box: tuple[float, float, float, float]) -> bytes:
        """Packed (H, W) uint8, 1 where GrabCut finds an object."""
        mask = object_in_box(self.clip.image(frame), box)
        return zlib.compress(mask.tobytes(), 1)

    def remove_object(self, object_id: int, from_frame: int | None) -> None:
        """Remove an object from a frame on, or (None) everywhere."""
        with self._editing:
            self._check_idle()
            if from_frame is None:
                self.annotations.delete_object(object_id)
            else:
                self.annotations.end_object(object_id, from_frame)
                _there(self._tracking).changed(from_frame - 1)

    # tracking and downloads

    def track(self, from_frame: int | None) -> None:
        """Start, or continue; does nothing while it runs already."""
        with self._editing:
            job = self._worker.job
            if job is not None and job.running and job.kind == "track":
                return
            self._check_idle()
            tracking = _there(self._tracking)
            start = tracking.start_frame(from_frame)
            total = self.clip.length - start
            self._worker.start("track", total, lambda job: tracking.run(start, job))

    def pause(self) -> None:
        """Stop what runs, after the frame it is at; returns when it has stopped."""
        self._worker.stop()

    def export(self, kind: str) -> None:
        """Begin to make a file for download."""
        with self._editing:
            path, write = self._export_path(kind), downloads.KINDS[kind][2]
            clip, annotations = self.clip, self.annotations
            self._check_idle()
            path.unlink(missing_ok=True)
            self._worker.start(kind, 0, lambda job: write(path, clip, annotations, job))

    def exported(self, kind: str) -> tuple[Path, str, str]:
        """File, name to save it by, and media type."""
        path, (suffix, media_type, _) = self._export_path(kind), downloads.KINDS[kind]
        if not path.is_file():
            raise Refused("this file is not made yet", HTTPStatus.NOT_FOUND)
        return path, f"{downloads.safe_name(self.clip.name)}_{kind}{suffix}", media_type

    def _export_path(self, kind: str) -> Path:
        if kind not in downloads.KINDS:
            raise Refused(f"there is no download {kind!r}", HTTPStatus.NOT_FOUND)
        return self._folder / f"clip{self._clips}" / f"{kind}{downloads.KINDS[kind][0]}"

    # the state

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._worker.busy

    def state(self, since: int) -> dict[str, Any]:
        """Everything the page shows; frames only where they changed after revision ``since``."""
        annotations, clip, job = self._annotations, self._clip, self._worker.job
        return {
            "job": None if job is None else _job_state(job),
            "clip": None if clip is None else _clip_state(clip, self._clips),
            "annotations": None if annotations is None else _annotations_state(annotations, since),
        }

    def close(self) -> None:
        """Stop everything and delete the folder; nothing is written any more."""
        self.uploads.close()
        self._worker.close()
        with self._editing:  # a drawing may just be written
            self._closed = True
            shutil.rmtree(self._folder, ignore_errors=True)

    def _check_idle(self) -> None:
        if self._closed:
            raise Refused("this page was closed", HTTPStatus.GONE)
        if self._worker.busy:
            raise Refused("busy: pause first", HTTPStatus.CONFLICT)


def _there(value: Any) -> Any:
    if value is None:
        raise Refused("choose a video first", HTTPStatus.CONFLICT)
    return value


def _job_state(job: Job) -> dict[str, Any]:
    return {
        "number": job.number,
        "kind": job.kind,
        "running": job.running,
        "done": job.done,
        "total": job.total,
        "frame": job.frame,
        "fps": round(job.frames_per_second, 1),
        "error": job.error,
    }


def _clip_state(clip: Clip, number: int) -> dict[str, Any]:
    height, width = clip.size
    return {
        "number": number,
        "name": clip.name,
        "width": width,
        "height": height,
        "length": clip.length,
        "frame_rate": clip.frame_rate,
        "warning": clip.warning,
    }


def _annotations_state(annotations: Annotations, since: int) -> dict[str, Any]:
    revision = annotations.revision  # first: what changes meanwhile is reported once more next time
    objects = [
        {"id": i, "name": o.name, "end": annotations.end(i), "color": object_color(i)}
        for i, o in list(annotations.objects.items())
    ]
    return {
        "revision": revision,
        "objects": objects,
        "given": {frame: sorted(ids) for frame, ids in list(annotations.given.items())},
        "changed": annotations.changed_since(since),
    }
