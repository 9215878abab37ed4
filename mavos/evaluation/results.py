"""One evaluation run on disk: masks, what is finished, speed, and the archive for a server.

<folder>/Annotations/<video>/<frame>.png   palette PNGs with the dataset's object ids
<folder>/finished/<video>.json             figures of each finished video
<folder>/config.json                       what the masks were made with
<folder>/speed.json                        the figures, in total and per video
<folder>/scores.json                       J and F, where the ground truth is there
<folder>/<name>.zip                        the submission
"""

import dataclasses
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mavos.dataloaders.media.mask_writing import is_whole, zip_results
from mavos.dataloaders.types import Video
from mavos.utils.errors import UserError
from mavos.utils.files import write_json
from mavos.utils.reading import read_json, reading

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoRecord:
    """Figures of one finished video."""

    frames: int
    predicted_frames: int  # those after the first given mask; the model's time is theirs
    objects: int
    model_seconds: float  # encode, segment and memorize, device synchronised
    wall_seconds: float  # reading, resizing and labels included
    peak_memory_bytes: int  # of tensors on a GPU, of the process elsewhere


def check_record(record: VideoRecord) -> None:
    """Raises ValueError if a field is no number, as in a record that something else wrote."""
    for name, value in dataclasses.asdict(record).items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} is {value!r}, no number")


class ResultFolder:
    """Paths and state of one run; several processes may share it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.annotations = folder / "Annotations"
        self.archive = folder / f"{folder.resolve().name}.zip"  # resolved: "." has no name

    def mask_path(self, video: Video, frame_name: str) -> Path:
        return self.annotations / video.name / f"{frame_name}.png"

    def finish(self, video: Video, record: VideoRecord) -> None:
        """Note that every mask of ``video`` is on disk."""
        write_json(self._record_path(video), dataclasses.asdict(record))

    def finished(self, video: Video) -> VideoRecord | None:
        """The record of a video whose masks are all there; None if it has to be done (again)."""
        path = self._record_path(video)
        if not path.is_file():
            return None
        try:
            content = read_json(path, "the video is done again")
            with reading(path, "the record of a video", "the video is done again"):
                record = VideoRecord(**content)
                check_record(record)
        except UserError as error:
            log.warning("%s", error)
            return None
        names = video.frame_names()
        if len(names) != record.frames:
            return None
        masks = [self.mask_path(video, name) for name in names]
        if not all(path.is_file() for path in masks):
            return None
        cut = next((path for path in masks if not is_whole(path)), None)
        if cut is not None:
            log.warning("%s was cut; the video is done again", cut)
            return None
        return record

    def claim(self, settings: dict, overwrite: bool, defaults: dict | None = None) -> None:
        """Make the folder this run's own.

        defaults: of settings that results of an earlier version may not know yet. Raises UserError
        if it holds masks that were made with other settings; with ``overwrite`` what is in it goes.
        Masks that no run made, such as a dataset's own, are never touched.
        """
        path = self.folder / "config.json"
        if self.annotations.is_dir() and not path.is_file():
            raise UserError(
                f"{self.annotations} exists, but no run of this tool made it; choose an --output "
                "outside your data"
            )
        if overwrite:
            for old in (self.annotations, self.folder / "finished"):
                shutil.rmtree(old, ignore_errors=True)
            for old in (self.archive, self.folder / "scores.json"):
                old.unlink(missing_ok=True)  # or an interrupted run would leave it
        elif path.is_file():
            old = read_json(path, "add --overwrite, or choose another --output")
            if not isinstance(old, dict):
                raise UserError(
                    f"{path}: no settings of a run; add --overwrite, or choose another --output"
                )
            changed = _changed(old, settings, defaults or {})
            if changed:
                raise UserError(
                    f"{self.folder} holds results made with other settings ({', '.join(changed)}); "
                    "add --overwrite to replace them, or choose another --output or --exp_name"
                )
        write_json(path, settings)

    def pack(self, videos: Sequence[Video], top: str) -> Path:
        """The archive of these videos' masks; inside it everything lies under ``top``."""
        members = [
            self.mask_path(video, name)
            for video in videos
            for name in video.frame_names()
            if video.sparse is None or name in video.sparse
        ]
        zip_results(self.folder if top else self.annotations, self.archive, members)
        return self.archive

    def _record_path(self, video: Video) -> Path:
        return self.folder / "finished" / f"{video.name}.json"


def _changed(old: dict, new: dict, defaults: dict, path: str = "") -> list[str]:
    """Paths of the values that differ between nested dictionaries; ``defaults`` fill the old."""
    changed = []
    for key in sorted(old.keys() | new.keys()):
        default = defaults.get(key)
        before, after = old.get(key, default), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            inner = default if isinstance(default, dict) else {}
            changed += _changed(before, after, inner, f"{path}{key}.")
        elif before != after:
            changed.append(f"{path}{key}: {before!r} then, {after!r} now")
    return changed
