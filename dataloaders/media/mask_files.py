"""Masks on disk: object ids of a frame, whatever a tool made of them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from mavos.dataloaders.media.file_listing import files_by_stem
from mavos.dataloaders.media.images import IMAGE_SUFFIXES, PILLOW_ERRORS, read_file
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE, davis_palette, values_in
from mavos.utils.pixel_limit import check_pixels
from mavos.utils.reading import reading

MASK_SUFFIXES = IMAGE_SUFFIXES | {".npy", ".gif"}
_ADVICE = "Save masks as palette or greyscale PNG whose pixel values are object ids 1 to 254"
_GREY_MODES = ("L", "I", "I;16", "I;16B", "I;16L")
# Pillow stretches 2-bit and 4-bit grey to 0..255; dividing gives the stored values back
_STRETCH = {"L;2": 85, "L;4": 17}


def list_masks(folder: Path) -> dict[str, Path]:
    """Frame name -> mask file, in natural order; other files are ignored.

    Raises UserError if the folder does not exist or two masks share one frame name.
    """
    return files_by_stem(folder, MASK_SUFFIXES)


def read_mask(path: Path | str) -> np.ndarray:
    """Object ids (H, W) uint8: 0 background, 1 to 254 objects, 255 ignore.

    Read are palette indices, grey values, DAVIS colours (RGB), 1-bit and 16-bit pictures and .npy
    arrays of integers; transparency is dropped. A file of only 0 and 255 holds one object, 1.
    Raises UserError for unreadable files, JPEGs, smoothed masks, unknown colours, ids above 255.
    """
    return black_and_white_as_ids(decode_mask(read_file(Path(path)), path))


def decode_mask(data: bytes, name: Path | str, colours: bool = True) -> np.ndarray:
    """Values (H, W) uint8 of a mask file's bytes, as ``read_mask`` but 0 and 255 stay as they are.

    name: of the file, for messages; its suffix tells arrays from pictures. colours: whether RGB
    pictures are taken for ids by their DAVIS colours, or refused.
    """
    if str(name).lower().endswith(".npy"):
        labels = _decode_array(data, name)
    else:
        labels = _decode_picture(data, name, colours)
    if labels.size == 0 or labels.min() < 0 or labels.max() > 255:
        found = f"{labels.min()} to {labels.max()}" if labels.size else "no pixel"
        raise UserError(f"{name}: values are {found}, object ids must fit in 0 to 255. {_ADVICE}")
    return labels.astype(np.uint8)


def black_and_white_as_ids(labels: np.ndarray) -> np.ndarray:
    """The same (H, W) uint8, but a mask of only 0 and 255 holds object 1."""
    return (labels == IGNORE).astype(np.uint8) if is_black_and_white(labels) else labels


def is_black_and_white(labels: np.ndarray) -> bool:
    """Whether (H, W) uint8 has 255 and nothing else but 0: one object in the form of DAVIS 2016."""
    return labels.size > 0 and values_in(labels) in ([IGNORE], [0, IGNORE])


def _decode_array(data: bytes, name: Path | str) -> np.ndarray:
    """.npy array (H, W) of integers or booleans, as any integer type."""
    with reading(name, "a .npy array", f"not a complete .npy array of numbers. {_ADVICE}"):
        labels = np.load(io.BytesIO(data), allow_pickle=False)
    if not isinstance(labels, np.ndarray):
        raise UserError(f"{name}: several arrays (.npz); expected one, as .npy. {_ADVICE}")
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise UserError(
            f"{name}: array of shape {labels.shape} and type {labels.dtype}; expected (height, "
            "width) of integers, the object ids"
        )
    return labels.astype(np.int64)


def _decode_picture(data: bytes, name: Path | str, colours: bool) -> np.ndarray:
    """Ids (H, W) of a picture file, any integer type, not yet checked to fit 8 bits."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            check_pixels(*image.size, name)
            kind, raw_mode = image.format, _raw_mode(image)
            image.load()
            mode, pixels = image.mode, np.asarray(image)
    except PILLOW_ERRORS as error:
        raise UserError(
            f"{name}: not a complete picture ({len(data)} bytes); expected a mask. "
            "Copy or export it again"
        ) from error
    if kind in ("JPEG", "MPO"):
        raise UserError(f"{name}: JPEG changes pixel values, so ids are lost. {_ADVICE}")
    if mode == "1":
        return pixels.astype(np.uint8)
    if mode == "P":
        return pixels  # indices; the colours say nothing about ids
    if mode == "PA":
        return pixels[..., 0]
    if mode in _GREY_MODES:
        return _ids_of_greys(pixels // _STRETCH.get(raw_mode, 1), name)
    if mode == "LA":
        return _ids_of_greys(pixels[..., 0], name)
    if mode in ("RGB", "RGBA"):
        if not colours:
            raise UserError(f"{name}: an {mode} picture, which official scorers misread. {_ADVICE}")
        return _ids_of_colours(pixels[..., :3], name)
    raise UserError(f"{name}: pictures of mode {mode} cannot be read as a mask. {_ADVICE}")


def _raw_mode(image: Image.Image) -> str:
    """How pixels are stored in the file, e.g. "L;4"; must be asked before the picture is loaded."""
    args = image.tile[0].args if image.tile else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _ids_of_greys(greys: np.ndarray, path: Path | str) -> np.ndarray:
    """Grey values (H, W) taken as ids; UserError if they are shades of a smoothed mask."""
    # Smoothing puts a ramp of shades between two areas, a band too narrow for any shade to fill
    # 2x2 pixels. Real objects nearly always do, however small. So: at least three such thin ids,
    # and more of them than of solid ones. (A count of ids alone would refuse scenes with dozens of
    # objects, and would let a small smoothed mask pass.) Palette files never hold shades.
    found = values_in(greys) if greys.dtype == np.uint8 else np.unique(greys).tolist()
    ids = set(found) - {0, IGNORE}
    if len(ids) < 3:
        return greys
    corner = greys[1:, 1:]
    solid = (corner == greys[:-1, :-1]) & (corner == greys[:-1, 1:]) & (corner == greys[1:, :-1])
    thin = ids - set(np.unique(corner[solid]).tolist())
    if len(thin) >= 3 and 2 * len(thin) > len(ids):
        raise UserError(
            f"{path}: {len(ids)} grey values, {len(thin)} of them only along edges: this looks "
            f"like a smoothed (anti-aliased) mask, whose shades are no ids. {_ADVICE}, no smoothing"
        )
    return greys


def _ids_of_colours(rgb: np.ndarray, path: Path | str) -> np.ndarray:
    """Colours (H, W, 3) uint8 of the DAVIS palette -> ids; grey pictures saved as RGB -> greys."""
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all():
        return _ids_of_greys(rgb[..., 0], path)
    # the palette file of DAVIS has 191 where the formula gives 192
    colours, inverse = np.unique(_packed(np.where(rgb == 191, 192, rgb)), return_inverse=True)
    ids = {colour: i for i, colour in enumerate(_packed(davis_palette()).tolist())}
    unknown = [colour for colour in colours.tolist() if colour not in ids]
    if unknown:
        red_green_blue = tuple(unknown[0].to_bytes(3, "big"))
        raise UserError(
            f"{path}: {len(unknown)} colours are not in the DAVIS palette, the first is RGB "
            f"{red_green_blue}. {_ADVICE}"
        )
    return np.array([ids[colour] for colour in colours.tolist()])[inverse.reshape(rgb.shape[:2])]


def _packed(rgb: np.ndarray) -> np.ndarray:
    """Colours (..., 3) uint8 -> one integer each (...), to compare them faster than by rows."""
    return rgb.astype(np.int32) @ np.array((1 << 16, 1 << 8, 1), np.int32)
