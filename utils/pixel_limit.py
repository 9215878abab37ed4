"""How many pixels a picture may have before it is decoded; one limit for all tools."""

from PIL import Image

from mavos.utils.errors import UserError

DEFAULT = 64_000_000  # 8K has 33 million; a decoded picture takes 192 MB at the limit

_most_pixels = DEFAULT


def most_pixels() -> int:
    """The limit of this process."""
    return _most_pixels


def set_most_pixels(number: int) -> None:
    """Set the limit for this process, from the option of its tool."""
    global _most_pixels
    if number < 1:
        raise UserError(f"--max_pixels must be 1 or more, got {number}")
    _most_pixels = number
    Image.MAX_IMAGE_PIXELS = max(number, DEFAULT)  # Pillow refuses what is twice as large


def check_pixels(width: int, height: int, name: object) -> None:
    """Raises UserError for a picture whose header says that it has more pixels than the limit."""
    if width * height > _most_pixels:
        raise UserError(
            f"{name}: {width}x{height} pixels are more than the limit of {_most_pixels}; make it "
            "smaller, or raise --max_pixels"
        )
