"""An object in a box, found by GrabCut."""

import cv2
import numpy as np

from mavos.webapp.refusals import Refused

_WORK_EDGE = 320  # pixels of the longer edge that GrabCut sees: it takes about half a second
_MARGIN = 0.25  # of the box, on each side: what the background looks like
_ROUNDS = 5
_SPECK = 5  # pixels, of what GrabCut sees: smaller areas and holes are no part of an object's shape
_LEAST_SHARE = 0.01  # of the box, that an object must fill


def object_in_box(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Mask (H, W) bool of what stands out from its surroundings in the box.

    image: (H, W, 3) uint8 RGB; box: left, top, right, bottom in pixels. Raises Refused for a box
    that is too small or holds nothing that stands out.
    """
    height, width = image.shape[:2]
    limits = np.array([width, height, width, height])
    left, top, right, bottom = np.clip(np.round(box), 0, limits).astype(int).tolist()
    if right - left < 4 or bottom - top < 4:
        raise Refused("the box is too small: draw it around the object, with a little air")
    reach = int(_MARGIN * max(right - left, bottom - top)) + 2
    x0, y0 = max(0, left - reach), max(0, top - reach)
    crop = image[y0 : min(height, bottom + reach), x0 : min(width, right + reach)]
    scale = min(1.0, _WORK_EDGE / max(crop.shape[:2]))
    small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    corners = (left - x0, top - y0, right - x0, bottom - y0)
    inside = _grab_cut(small, [round(v * scale) for v in corners])
    found = np.zeros((height, width), bool)
    enlarged = cv2.resize(inside, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    found[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = enlarged
    found[:top], found[bottom:], found[:, :left], found[:, right:] = False, False, False, False
    if found.sum() < _LEAST_SHARE * (right - left) * (bottom - top):
        raise Refused("nothing stands out in this box: draw it tighter, or use the brush")
    return found


def _grab_cut(image: np.ndarray, box: list[int]) -> np.ndarray:
    """Mask (h, w) float32 of 0 and 1."""
    left, top, right, bottom = box
    mask = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    mask[top:bottom, left:right] = cv2.GC_PR_FGD
    if not (mask == cv2.GC_BGD).any():  # GrabCut learns from what is outside; a frame of one pixel
        mask[[0, -1]] = mask[:, [0, -1]] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # the same box gives the same mask
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, mask, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    # specks and hair cracks come from noise and glare
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_SPECK, _SPECK))
    found = cv2.morphologyEx(found, cv2.MORPH_CLOSE, kernel)
    return cv2.morphologyEx(found, cv2.MORPH_OPEN, kernel).astype(np.float32)
