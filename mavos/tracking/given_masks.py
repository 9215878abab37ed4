"""Masks as users hand them over in Python, of any of the usual forms, brought to one."""

from collections.abc import Iterable, Sequence
from operator import index
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mavos.dataloaders.media.mask_files import is_black_and_white
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE

HIGHEST_ID = 2**16 - 1
_FORMS = (
    "expected integers (height, width) that are object ids, booleans (height, width) of one "
    "object, or a stack (objects, height, width) with an id for each in `ids`"
)


def as_array(image: np.ndarray | Tensor) -> np.ndarray:
    """A tensor on any device, or anything that NumPy takes, as an array; it may share memory."""
    return image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)


class Given(NamedTuple):
    """The masks of some objects in one frame."""

    labels: np.ndarray  # (H, W) int32: ids of ``ids``, 0 elsewhere
    ids: tuple[int, ...]  # objects whose mask this is; one without a pixel is not in the frame
    ignored: np.ndarray | None  # (H, W) bool: pixels that belong to nothing, background included


def read_given(
    mask: np.ndarray | Tensor, ids: Sequence[int] | None, size: tuple[int, int]
) -> Given:
    """The objects of ``mask``, or those of them that ``ids`` names, in a frame of ``size`` (H, W).

    mask: integers (H, W), whose values are ids; 255 is "ignore" in uint8, but a map of only 0 and
    255 holds one object. Booleans (H, W): one object, its id in ``ids`` or 1. A stack (N, H, W) of
    anything that is 0 outside its object, with N ids: later ones lie on top.
    Raises UserError for another form, another size, or ids that are not 1 to 65535.
    """
    array = as_array(mask)
    wanted = None if ids is None else _checked_ids(ids)
    if array.ndim not in (2, 3) or (array.ndim == 2 and array.dtype.kind not in "bui"):
        raise UserError(f"mask: got {array.dtype} of shape {array.shape}; {_FORMS}")
    if array.shape[-2:] != tuple(size):
        raise UserError(
            f"mask: it is {array.shape[-1]}x{array.shape[-2]}, its frame {size[1]}x{size[0]} "
            "(width x height); make the mask at the size of the frame"
        )
    if array.ndim == 3:
        return _from_stack(array, wanted)
    if array.dtype.kind == "b" or (array.dtype == np.uint8 and is_black_and_white(array)):
        if wanted is not None and len(wanted) != 1:
            raise UserError(f"mask: it holds one object, but ids names {len(wanted)}; {_FORMS}")
        return _from_stack(array[None], wanted or (1,))
    return _from_ids(array, wanted)


def _from_stack(stack: np.ndarray, ids: tuple[int, ...] | None) -> Given:
    if ids is None or len(ids) != len(stack):
        named = "none" if ids is None else len(ids)
        raise UserError(f"mask: a stack of {len(stack)} masks, but ids names {named}; {_FORMS}")
    labels = np.zeros(stack.shape[1:], np.int32)
    for object_id, mask in zip(ids, stack, strict=True):
        labels[mask != 0] = object_id
    return Given(labels, ids, None)


def _from_ids(array: np.ndarray, ids: tuple[int, ...] | None) -> Given:
    labels, ignored = array.astype(np.int64), None
    if array.dtype == np.uint8:
        ignored = labels == IGNORE
        labels[ignored] = 0
        ignored = ignored if ignored.any() else None
    present = _checked_ids(i for i in np.unique(labels).tolist() if i)
    if ids is not None:
        labels[~np.isin(labels, ids)] = 0
    return Given(labels.astype(np.int32), present if ids is None else ids, ignored)


def _checked_ids(ids: Iterable[int]) -> tuple[int, ...]:
    try:
        checked = tuple(index(i) for i in ids)
    except TypeError as error:
        raise UserError(f"ids must be a sequence of integers, got {ids!r}") from error
    wrong = [i for i in checked if not 1 <= i <= HIGHEST_ID]
    if wrong:
        raise UserError(f"object ids must be 1 to {HIGHEST_ID}, got {wrong[0]}")
    if len(set(checked)) < len(checked):
        raise UserError(f"ids names an object twice: {checked}")
    return checked
