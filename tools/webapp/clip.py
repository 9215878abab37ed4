"""The frames of a video as pictures in the session's folder, so that any of them is there at once."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dataloaders.images import list_images, read_image
from dataloaders.video_files import VideoFile
from tools.webapp.jobs import Job
from tools.webapp.refusals import Refused
from tools.webapp.uploads import check_disk
from utils.errors import UserError
from utils.files import atomic_path

_JPEG_QUALITY = 95
_MOST_PIXELS = 40_000_000  # of a frame; 8K has 33 million
_CHECK_DISK_EVERY = 100  # frames
_USUAL_RATE = 25.0  # frames per second, where the file does not say


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
            raise Refused(f"there is no frame {frame}: the clip has {self.length}")
        return _path(self.folder, frame)

    def image(self, frame: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return read_image(self.path(frame))


def decode(source: Path, folder: Path, name: str, most_frames: int, job: Job) -> Clip:
    """Write every frame of a video file or a folder of pictures into ``folder``.

    A video that is damaged further on, too long or stopped gives the frames up to there, and a
    warning. Raises UserError if there is no frame at all.
    """
    folder.mkdir()
    size, warning = (0, 0), ""
    rate, pictures = _USUAL_RATE, iter(())
    try:
        rate, announced, pictures = _open(source)
        job.total = min(announced, most_frames)
        for index, image in enumerate(pictures):
            if index == most_frames:
                warning = f"Only the first {most_frames} frames were taken (--max_frames)."
                break
            if job.stopping.is_set():
                warning = f"Stopped: the first {index} frames were taken."
                break
            size = _checked_size(image, size, index)
            _write(_path(folder, index), image)
            if index % _CHECK_DISK_EVERY == 0:
                check_disk(folder)
            job.tick(index)
    except UserError as error:
        warning = str(error).replace(str(source), name)
        if not job.done:
            raise Refused(warning) from error
    if not job.done:
        raise Refused(warning or f"{name}: there is no frame in it")
    return Clip(name, folder, size, job.done, rate, warning)


def _open(source: Path) -> tuple[float, int, Iterator[np.ndarray]]:
    if source.is_dir():
        paths = list_images(source)
        return _USUAL_RATE, len(paths), map(read_image, paths)
    video = VideoFile(source)
    return _USUAL_RATE, max(0, video.announced), _frames(video)


def _frames(video: VideoFile) -> Iterator[np.ndarray]:
    with closing(video):
        while (frame := video.read()) is not None:
            yield frame


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
