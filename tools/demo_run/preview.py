"""A window that shows the frames while they are segmented."""

import os
import sys

import cv2
import numpy as np

from utils.errors import UserError

_TITLE = "MAVOS (q ends)"
_KEYS_THAT_END = (ord("q"), 27)  # 27: Escape


class Preview:
    """A window on the screen. Raises UserError if there is no screen, or no way to use it."""

    def __init__(self) -> None:
        # asked first: some builds of OpenCV end the whole process where there is no screen
        has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if sys.platform.startswith("linux") and not has_screen:
            raise UserError("--preview: there is no screen here; leave it out")
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise UserError(
                "--preview: this OpenCV has no windows; leave it out, or replace the package: pip "
                "uninstall opencv-python-headless && pip install --force-reinstall opencv-python"
            ) from error

    def show(self, image: np.ndarray) -> bool:
        """Show (H, W, 3) uint8 RGB; False if the user pressed q or closed the window."""
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if cv2.waitKey(1) & 0xFF in _KEYS_THAT_END:
            return False
        return cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        cv2.destroyWindow(_TITLE)
