"""What a file is, by what it holds and not by its name: one picture, or several as a video."""

from pathlib import Path

from PIL import Image

from mavos.dataloaders.media.footage import Footage
from mavos.dataloaders.media.images import IMAGE_SUFFIXES, PILLOW_ERRORS, is_heif, pictures_in
from mavos.dataloaders.media.picture_stacks import PictureStack
from mavos.dataloaders.media.video_files import VideoFile
from mavos.utils.errors import UserError

_PICTURES = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
_HEAD = 32  # bytes


def is_one_picture(path: Path) -> bool:
    """Whether a file is a picture, also a damaged one; else it may be a video."""
    with path.open("rb") as file:
        if is_heif(file.read(_HEAD)):
            return True
    count = _pictures_in(path)
    return path.suffix.lower() in IMAGE_SUFFIXES if count is None else count == 1


def open_footage(source: Path | str) -> Footage:
    """A video, or a picture file that holds several; source: a path, or the http(s) URL of one.

    Raises UserError if it can be opened as neither.
    """
    if isinstance(source, Path) and source.is_file() and (_pictures_in(source) or 0) > 1:
        return PictureStack(source)
    return VideoFile(source)


def count_frames(path: Path) -> int:
    """Announced number of frames, or counted by decoding where the file does not announce it."""
    footage = open_footage(path)
    try:
        count = footage.announced or sum(1 for _ in footage.moments())
    finally:
        footage.close()
    if count == 0:
        raise UserError(f"{path}: no frame in this video; copy the file again or encode it anew")
    return count


def _pictures_in(path: Path) -> int | None:
    """Number of pictures in a file of a picture format; None in others, as GIF, a video's."""
    try:
        with Image.open(path, formats=_PICTURES) as image:
            return pictures_in(image)
    except PILLOW_ERRORS:
        return None
