"""The result folder of a demo run.

<folder>/Annotations/<video>/<frame>.png   palette PNGs with the user's ids
<folder>/<video>.zip                       the same, packed
<folder>/overlay.mp4                       the video with the objects drawn over it
<folder>/contact_sheet.png                 a dozen frames of it
<folder>/summary.json                      what was made from what, how fast; which object is where
"""

import json
import shutil
from pathlib import Path

from utils.errors import UserError
from utils.files import write_json
from utils.masks import zip_results

_TOOL = "tools/demo.py"


class DemoFolder:
    """Paths of one run; ``claim`` it before writing."""

    def __init__(self, folder: Path, video: str) -> None:
        self.folder, self.video = folder, video
        self.annotations = folder / "Annotations"
        self.archive = folder / f"{video}.zip"
        self.overlay = folder / "overlay.mp4"
        self.contact_sheet = folder / "contact_sheet.png"
        self.summary = folder / "summary.json"

    def mask_path(self, frame_name: str) -> Path:
        return self.annotations / self.video / f"{frame_name}.png"

    def claim(self, settings: dict) -> None:
        """Remove what an earlier run on the same input left.

        Raises UserError if the folder holds results of another input or of another tool.
        """
        results = (self.annotations, self.archive, self.overlay, self.contact_sheet, self.summary)
        if any(path.exists() for path in results):
            self._check_is_ours(settings["input"])
        shutil.rmtree(self.annotations, ignore_errors=True)
        for path in (self.archive, self.overlay, self.contact_sheet):
            path.unlink(missing_ok=True)
        self.write_summary(settings | {"finished": False})

    def write_summary(self, content: dict) -> None:
        write_json(self.summary, {"tool": _TOOL} | content)

    def pack(self) -> Path:
        """The archive of all masks."""
        zip_results(self.annotations, self.archive)
        return self.archive

    def _check_is_ours(self, source: str) -> None:
        try:
            old = json.loads(self.summary.read_text(encoding="utf-8"))
            tool, old_source = old["tool"], old["input"]
        except (OSError, ValueError, KeyError, TypeError):
            tool = old_source = None
        if tool != _TOOL:
            raise UserError(
                f"{self.folder} holds files that {_TOOL} did not make; choose another --output"
            )
        if old_source != source:
            raise UserError(
                f"{self.folder} holds the results of {old_source}; choose another --output, or "
                "remove them"
            )
