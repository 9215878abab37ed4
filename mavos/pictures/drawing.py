"""Pictures for people: masks laid over frames, sheets of thumbnails, PNGs. All images are RGB."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mavos.utils.files import atomic_path
from mavos.utils.palette import IGNORE, values_in

# The colours of Okabe and Ito, which colour-blind people can tell apart, without black. Neighbours
# are far apart, and colours rare in nature come first: orange on a brown dog is hard to see.
_COLORS = (
    (86, 180, 233),  # sky blue
    (230, 159, 0),  # orange
    (204, 121, 167),  # purple
    (240, 228, 66),  # yellow
    (0, 158, 115),  # green
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
)
_VOID_COLOR = (128, 128, 128)
_STRIPE_COLOR = (225, 225, 225)  # hatches void pixels
_STRIPE_WIDTH = 4  # pixels, at 480 pixels of the shorter edge, like the contours'
_CONTOUR_WIDTH = 2
_REFERENCE_EDGE = 480

_TAG_PAPER, _TAG_INK = (30, 30, 30), (255, 255, 255)
_TAG_SHARE = 28  # the shorter edge of the image is so many times the height of a digit
_TAG_LEAST = 10  # pixels, or nobody could read it
_SEARCH_EDGE = 240  # pixels of the shorter edge at which the parts of objects are looked for

_PAPER, _INK = (255, 255, 255), (40, 40, 40)
_GAP = 6  # pixels between thumbnails


def object_color(object_id: int) -> tuple[int, int, int]:
    """RGB colour of an object id; the seven colours repeat. Grey for 255, ignore."""
    if object_id == IGNORE:
        return _VOID_COLOR
    return _COLORS[(object_id - 1) % len(_COLORS)]


def overlay(
    image: np.ndarray, labels: np.ndarray, opacity: float = 0.5, show_ids: bool = False
) -> np.ndarray:
    """The image with each object tinted in its colour and outlined; void pixels (255) hatched.

    image: (H, W, 3) uint8 RGB; labels: (H, W) uint8, or uint16, where 255 is an object like any
    other. opacity: 0 leaves only the outlines, 1 hides the objects. show_ids: put a tag with its id
    on each object. Returns a new (H, W, 3) uint8. Raises ValueError if sizes or types are others.
    """
    if (
        image.shape != (*labels.shape, 3)
        or image.dtype != np.uint8
        or labels.dtype not in (np.uint8, np.uint16)
    ):
        raise ValueError(
            f"expected an image (H, W, 3) of uint8 and labels (H, W) of uint8 or uint16, of one "
            f"size; got {image.shape} {image.dtype} and {labels.shape} {labels.dtype}"
        )
    scale = min(labels.shape) / _REFERENCE_EDGE
    # the same for uint8; of larger ids the one below 8 that has the same colour
    eights = labels if labels.dtype == np.uint8 else _small_ids(labels)
    colors = cv2.applyColorMap(eights, _color_table())  # a lookup; the order RGB stays
    if (eights == IGNORE).any():
        _hatch(colors, eights, max(2, round(_STRIPE_WIDTH * scale)))
    tinted = cv2.addWeighted(image, 1 - opacity, colors, opacity, 0)
    # The coloured outline lies inside the object, whose colour it has; a white line around it sets
    # both off from any background.
    width = max(1, round(_CONTOUR_WIDTH * scale))
    inner = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, _square(width))
    cv2.copyTo(colors, (inner > 0).view(np.uint8), tinted)
    halo = cv2.dilate(eights, _square(max(1, width // 2)))
    out = cv2.copyTo(np.full_like(image, 255), halo, image.copy())
    out = cv2.copyTo(tinted, eights, out)
    if show_ids:
        draw_ids(out, labels)
    return out


def draw_ids(image: np.ndarray, labels: np.ndarray) -> None:
    """Draw a tag with its id on the largest part of each object, in place.

    Where the tag would hide the object it is above or below it. image, labels: as for ``overlay``.
    """
    step = max(1, min(labels.shape) // _SEARCH_EDGE)
    small = np.ascontiguousarray(labels[::step, ::step])
    if labels.dtype == np.uint8:
        ids = [i for i in values_in(small) if i not in (0, IGNORE)]
    else:
        ids = [i for i in np.unique(small).tolist() if i]
    height = max(_TAG_LEAST, min(labels.shape) // _TAG_SHARE)
    thickness = max(1, height // 9)
    for object_id in ids:
        x, y, top, bottom, area = map(int, _largest_part(small == object_id))
        text, font = str(object_id), cv2.FONT_HERSHEY_SIMPLEX
        scale = cv2.getFontScaleFromHeight(font, height, thickness)
        (text_width, _), _ = cv2.getTextSize(text, font, scale, thickness)
        margin = max(2, height // 3)
        size = (text_width + 2 * margin, height + 2 * margin)
        center_y = y * step
        if 2 * size[0] * size[1] > area * step**2:
            above = top * step - size[1]
            center_y = above if above > size[1] // 2 else bottom * step + size[1]
        left = max(0, min(labels.shape[1] - size[0], x * step - size[0] // 2))
        upper = max(0, min(labels.shape[0] - size[1], center_y - size[1] // 2))
        corners = (left, upper), (left + size[0] - 1, upper + size[1] - 1)
        cv2.rectangle(image, *corners, _TAG_PAPER, cv2.FILLED)
        color = _COLORS[(object_id - 1) % len(_COLORS)]
        cv2.rectangle(image, *corners, color, max(1, thickness - 1))
        start = left + margin, upper + margin + height
        cv2.putText(image, text, start, font, scale, _TAG_INK, thickness, cv2.LINE_AA)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    captions: Sequence[Sequence[str]] | None = None,
    row_titles: Sequence[str] | None = None,
    thumbnail_width: int = 320,
) -> np.ndarray:
    """All images as thumbnails of one size on white, row by row; (H, W, 3) uint8.

    rows: images (h, w, 3) uint8 of any sizes, rows of any lengths. Thumbnails have the shape of the
    first image; others are fitted in, small ones enlarged. captions: a short text under each
    image, ``captions[row][column]``; row_titles: one above each row. Raises ValueError if there is
    no image, or if texts and images differ in number.
    """
    if not any(rows):
        raise ValueError("a contact sheet needs an image")
    if captions is not None and list(map(len, captions)) != list(map(len, rows)):
        raise ValueError("captions: expected one for each image")
    if row_titles is not None and len(row_titles) != len(rows):
        raise ValueError(f"{len(row_titles)} row titles for {len(rows)} rows")
    height, width = next(image for row in rows for image in row).shape[:2]
    cell = max(1, round(thumbnail_width * height / width)), thumbnail_width
    text_size = max(11, thumbnail_width // 22)
    line = round(1.5 * text_size)
    caption_line, title_line = (line if captions else 0), (line + _GAP if row_titles else 0)

    row_height = title_line + cell[0] + caption_line + _GAP
    columns = max(map(len, rows))
    sheet_size = len(rows) * row_height + _GAP, columns * (cell[1] + _GAP) + _GAP
    sheet = Image.fromarray(np.full((*sheet_size, 3), _PAPER, np.uint8))
    draw = ImageDraw.Draw(sheet)
    font, title_font = (ImageFont.load_default(size) for size in (text_size, text_size + 2))
    for i, row in enumerate(rows):
        top = _GAP + i * row_height
        if row_titles:
            draw.text((_GAP, top), row_titles[i], _INK, title_font)
        for k, image in enumerate(row):
            left, below = _GAP + k * (cell[1] + _GAP), top + title_line + cell[0]
            sheet.paste(Image.fromarray(_fitted(image, cell)), (left, top + title_line))
            if captions:
                draw.text((left, below + 1), _shortened(captions[i][k], font, cell[1]), _INK, font)
    return np.asarray(sheet).copy()


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB, whole or not at all. Raises OutputError if it cannot."""
    encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    with atomic_path(path) as partial:
        partial.write_bytes(encoded.tobytes())


def _color_table() -> np.ndarray:
    """Colour of every label, (256, 1, 3) uint8, as ``cv2.applyColorMap`` wants it."""
    return np.array([object_color(i) for i in range(256)], np.uint8)[:, None]


def _largest_part(mask: np.ndarray) -> tuple[float, ...]:
    """Of a mask (H, W) bool, not empty: x and y of a pixel in the middle, top, bottom, area."""
    _, parts, figures, centers = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    part = 1 + int(figures[1:, cv2.CC_STAT_AREA].argmax())
    x, y = centers[part]
    if parts[round(y), round(x)] != part:  # the middle of a ring is not in it
        ys, xs = np.nonzero(parts == part)
        nearest = ((ys - y) ** 2 + (xs - x) ** 2).argmin()
        x, y = xs[nearest], ys[nearest]
    top, height = figures[part, cv2.CC_STAT_TOP], figures[part, cv2.CC_STAT_HEIGHT]
    return x, y, top, top + height, figures[part, cv2.CC_STAT_AREA]


def _small_ids(labels: np.ndarray) -> np.ndarray:
    """Ids (H, W) uint16 -> (H, W) uint8, 1 to 7 by their colour; 0 stays."""
    return np.where(labels > 0, (labels - 1) % len(_COLORS) + 1, 0).astype(np.uint8)


def _square(reach: int) -> np.ndarray:
    """Structuring element that looks ``reach`` pixels far."""
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _hatch(colors: np.ndarray, labels: np.ndarray, width: int) -> None:
    """Draw oblique stripes over the void pixels of ``colors`` (H, W, 3), in place."""
    height, row_length = labels.shape
    stripes = np.add.outer(np.arange(height), np.arange(row_length)) // width % 2 == 1
    colors[stripes & (labels == IGNORE)] = _STRIPE_COLOR


def _fitted(image: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """The image (h, w, 3) as large as it fits into ``cell`` (H, W), centred on white."""
    height, width = image.shape[:2]
    scale = min(cell[0] / height, cell[1] / width)
    size = max(1, min(cell[0], round(height * scale))), max(1, min(cell[1], round(width * scale)))
    # areas keep thin outlines when shrinking; enlarged ones should not show their pixels
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    fitted = np.full((*cell, 3), _PAPER, np.uint8)
    top, left = (cell[0] - size[0]) // 2, (cell[1] - size[1]) // 2
    resized = cv2.resize(image, size[::-1], interpolation=how)
    fitted[top : top + size[0], left : left + size[1]] = resized
    return fitted


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut to fit into ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
