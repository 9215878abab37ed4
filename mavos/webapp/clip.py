"""The frames of a video as pictures in the session's folder: any of them is there at once."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mavos.dataloaders.media.file_kinds import open_footage
from mavos.dataloaders.media.frame_sources import frames_from
from mavos.dataloaders.media.images import PILLOW_ERRORS, list_images, read_image
from mavos.utils.errors import UserError
from mavos.utils.files import atomic_path
from mavos.utils.pixel_limit import check_pixels
from mavos.webapp.jobs import Job
from mavos.webapp.refusals import Refused
from mavos.webapp.uploads import check_disk

_JPEG_QUALITY = 95
_CHECK_DISK_EVERY = 100  # frames
_MOST_NUMBERS = 10  # of damaged frames in a notice
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
    times: tuple[float, ...] = ()  # when each is shown, in seconds; empty: at the frame rate

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

    A video that is damaged, too long or stopped gives the frames there are, and a warning; in place
    of a damaged frame comes its neighbour. Raises UserError if there is no frame at all.
    """
    folder.mkdir()
    _check_announced_sizes(source, name)
    size, picture, damaged, warnings, times = None, b"", [], [], []
    try:
        with frames_from(source, end=most_frames + 1) as frames:
            job.total = frames.length or 0
            rate = frames.frame_rate or _USUAL_RATE
            if rate > _HIGHEST_RATE:
                rate = _USUAL_RATE
            for frame in frames.named():
                if job.stopping.is_set() or job.done == most_frames:
                    break
                if job.done % _CHECK_DISK_EVERY == 0:
                    check_disk(folder)
                waiting = [job.done] if picture else [*damaged, job.done]
                if frame.image is None:
                    damaged.append(job.done)
                else:
                    size = _checked_size(frame.image, size, job.done)
                    picture = _encoded(frame.image)
                times.append(frame.time)
                if picture:
                    for index in waiting:
                        _write(_path(folder, index), picture)
                job.tick(job.done)
            warnings = _left_out(job, most_frames, damaged, frames.fault)
    except UserError as error:
        warnings.append(str(error))
    warning = " ".join(warnings).replace(str(source), name)
    if size is None:
        raise Refused(warning or f"{name}: there is no frame in it")
    times = () if None in times else tuple(times[: job.done])
    return Clip(name, folder, size, job.done, rate, warning, times)


def _left_out(job: Job, most_frames: int, damaged: list[int], fault: str | None) -> list[str]:
    """What a user has to know of the frames that are not there."""
    first = "first frame was" if job.done == 1 else f"first {job.done} frames were"
    remarks = [fault] if fault else []
    if job.stopping.is_set():
        remarks.append(f"Stopped: the {first} taken.")
    elif job.done == most_frames and (not job.total or job.total > most_frames):
        remarks.append(f"Only the {first} taken (--max_frames).")
    numbers = ", ".join(str(index + 1) for index in damaged[:_MOST_NUMBERS])
    if len(damaged) == 1:
        remarks.append(f"Frame {numbers} is damaged: its neighbour is shown in its place.")
    elif damaged:
        more = len(damaged) - _MOST_NUMBERS
        numbers += f" and {more} more" if more > 0 else ""
        remarks.append(f"Frames {numbers} are damaged: their neighbours are shown in their place.")
    return remarks


def _check_announced_sizes(source: Path, name: str) -> None:
    """Look at what the headers say, before a decoder makes room for it; raises Refused."""
    try:
        _open_all(source)
    except UserError as error:
        raise Refused(str(error).replace(str(source), name)) from error


def _open_all(source: Path) -> None:
    if source.is_dir():
        for path in list_images(source):
            try:
                with Image.open(path) as image:
                    width, height = image.size
            except Image.DecompressionBombError as error:
                raise Refused("a picture is far too large; make the pictures smaller") from error
            except PILLOW_ERRORS:
                continue  # damaged, which the decoder reports
            check_pixels(width, height, path)
        return
    open_footage(source).close()


def _checked_size(image: np.ndarray, size: tuple[int, int] | None, index: int) -> tuple[int, int]:
    height, width = image.shape[:2]
    check_pixels(width, height, f"frame {index + 1}")
    if size is not None and (height, width) != size:
        raise Refused(
            f"Frame {index + 1} is {width}x{height}, those before it are {size[1]}x{size[0]}: "
            "only those were taken. Give all frames one size."
        )
    return height, width


def _encoded(image: np.ndarray) -> bytes:
    parameters = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), parameters)[1].tobytes()


def _write(path: Path, picture: bytes) -> None:
    with atomic_path(path) as partial:
        partial.write_bytes(picture)


def _path(folder: Path, frame: int) -> Path:
    return folder / f"{frame:05d}.jpg"
