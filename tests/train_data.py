"""Makes small labelled videos to learn from."""

from pathlib import Path

import numpy as np
from eval_tool import save_mask
from PIL import Image

COLOURS = np.array([(20, 40, 60), (200, 40, 40), (40, 200, 40), (40, 40, 200)], np.uint8)


def save_frame(
    root: Path, video: str, name: str, ids: np.ndarray, suffix: str = ".png"
) -> tuple[Path, Path]:
    """A picture whose colours are those of ``ids`` (H, W), and its mask."""
    picture = root / "JPEGImages" / video / f"{name}{suffix}"
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(COLOURS[ids % len(COLOURS)]).save(picture)
    return picture, save_mask(root / "Annotations" / video / f"{name}.png", ids)


def save_video(
    root: Path,
    video: str,
    length: int = 6,
    ids: tuple[int, ...] = (1, 2),
    size: tuple[int, int] = (60, 90),
) -> None:
    """Squares of a fifth of the width that move to the right by one pixel per frame."""
    height, width = size
    side = width // 5
    for t in range(length):
        labels = np.zeros(size, np.uint8)
        for k, object_id in enumerate(ids):
            left = (k * 2 * side + t) % (width - side)
            labels[height // 4 : height // 4 + side, left : left + side] = object_id
        save_frame(root, video, f"{t:05d}", labels)


def colours_of(labels: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) that ``save_frame`` makes of ids (H, W)."""
    return COLOURS[labels % len(COLOURS)]
