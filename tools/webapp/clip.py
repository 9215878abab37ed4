"""The frames of a video as pictures in the session's folder: any of them is there at once."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import cv2
import numpy as np

from dataloaders.frame_sources import frames_from
from dataloaders.images import read_image
from tools.webapp.jobs import Job
from tools.webapp.refusals import Refused
from tools.webapp.uploads import check_disk
from utils.errors import UserError
from utils.files import atomic_path

_JPEG_QUALITY = 95
_MOST_PIXELS = 40_000_000  # of a frame; 8K has 33 million
_CHECK_DISK_EVERY = 100  # frames
_USUAL_RATE = 25.0  # frames per second, where the file does not say
_HIGHEST_RATE = 240.0  # browsers record with the clock of the file as the rate: 1000


@dataclass(frozen=True)
class Clip:
    """Frames that are all decoded; trackers, page and exports see the same JPEGs."""

    name: str  # what the user calls it
    folder: Path
    size: tuple[int, int]  # (H, W)
    length: int
    frame_rate: float
    warning: str = ""  # what was left out

    def path(self, frame: int) -> Path:
        """The picture of a frame."""
        if not 0 <= frame < self.length:
            raise Refused(
                f"there is no frame {frame}: the clip has {self.length}", HTTPStatus.NOT_FOUND
            )
        return _path(self.folder, frame)

    def image(self, frame: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return read_image(self.path(frame))


def decode(source: Path, folder: Path, name: str, most_frames: int, job: Job) -> Clip:
    """Write every frame of a video file or a folder of pictures into ``folder``.

    A video that is damaged, too long or stopped gives the frames there are, and a warning. Raises
    UserError if there is no frame at all.
    """
    folder.mkdir()
    size, damaged, warnings = (0, 0), 0, []
    try:
        with frames_from(source, end=most_frames + 1) as frames:
            job.total = frames.length or 0
            rate = frames.frame_rate or _USUAL_RATE
            if rate > _HIGHEST_RATE:
                rate = _USUAL_RATE
            for frame in frames.named():
                if job.stopping.is_set() or job.done == most_frames:
                    break
                if frame.image is None:
                    damaged += 1
                    continue
                size = _checked_size(frame.image, size, job.done)
                if job.done % _CHECK_DISK_EVERY == 0:
                    check_disk(folder)
                _write(_path(folder, job.done), frame.image)
                job.tick(job.done)
            warnings = _left_out(job, most_frames, damaged, frames.fault)
    except UserError as error:
        warnings.append(str(error))
    warning = " ".join(warnings).replace(str(source), name)
    if not job.done:
        raise Refused(warning or f"{name}: there is no frame in it")
    return Clip(name, folder, size, job.done, rate, warning)


def _left_out(job: Job, most_frames: int, damaged: int, fault: str | None) -> list[str]:
    """What a user has to know of the frames that are not there."""
    told = [fault] if fault else []
    if job.stopping.is_set():
        told.append(f"Stopped: the first {job.done} frames were taken.")
    elif job.done == most_frames and (not job.total or job.total > most_frames):
        told.append(f"Only the first {most_frames} frames were taken (--max_frames).")
    if damaged:
        told.append(f"{damaged} damaged frames were left out.")
    return told


def _checked_size(image: np.ndarray, size: tuple[int, int], index: int) -> tuple[int, int]:
    height, width = image.shape[:2]
    if not index and height * width > _MOST_PIXELS:
        raise Refused(f"frames of {width}x{height} pixels are too large; make the video smaller")
    if index and (height, width) != size:
        raise Refused(
            f"Frame {index + 1} is {width}x{height}, those before it are {size[1]}x{size[0]}: "
            "only those were taken. Give all frames one size."
        )
    return height, width


def _write(path: Path, image: np.ndarray) -> None:
    parameters = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), parameters)[1]
    with atomic_path(path) as partial:
        partial.write_bytes(encoded.tobytes())


def _path(folder: Path, frame: int) -> Path:
    return folder / f"{frame:05d}.jpg"
