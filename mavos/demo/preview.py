"""A window that shows the frames while they are segmented."""

import contextlib
import subprocess
import sys

import cv2
import numpy as np

from mavos.utils.errors import UserError

_TITLE = "MAVOS (q ends)"
_KEYS_THAT_END = (ord("q"), 27)  # 27: Escape
_TRIAL = "import cv2; cv2.namedWindow('trial'); cv2.waitKey(1)"


class Preview:
    """A window on the screen. Raises UserError if there is no screen, or no way to use it."""

    def __init__(self) -> None:
        # in another process: some builds of OpenCV abort where there is no screen
        trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, timeout=60)
        if trial.returncode != 0:
            raise UserError(
                "--preview: no window can be opened. Without a screen leave it out; with one, this "
                "OpenCV may be the one without windows: pip uninstall opencv-python-headless, then "
                "pip install --force-reinstall opencv-python"
            )
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, image: np.ndarray) -> bool:
        """Show (H, W, 3) uint8 RGB; False if the user pressed q or closed the window."""
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if cv2.waitKey(1) & 0xFF in _KEYS_THAT_END:
            return False
        return cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        with contextlib.suppress(cv2.error):  # the user may have closed it
            cv2.destroyWindow(_TITLE)
