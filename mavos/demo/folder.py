"""The result folder of a demo run.

<folder>/Annotations/<video>/<frame>.png   palette PNGs with the user's ids
<folder>/<video>.zip                       the same, packed
<folder>/overlay.mp4                       the video with the objects drawn over it
<folder>/contact_sheet.png                 a dozen frames of it
<folder>/summary.json                      what was made from what, how fast; which object is where
"""

import json
import shutil
from collections.abc import Iterable
from glob import has_magic
from pathlib import Path

from mavos.dataloaders.media.captures import LEFT_OUT
from mavos.dataloaders.media.mask_writing import zip_results
from mavos.utils.errors import UserError
from mavos.utils.files import cannot_write, write_json

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

    def claim(self, settings: dict, masks: Iterable[Path] = ()) -> None:
        """Remove what an earlier run on the same input left.

        Raises UserError if the folder holds results of another input or of another tool, the input
        itself, or one of the ``masks`` where it would be removed; OutputError if it cannot be
        written.
        """
        self._check_holds_no_input(settings["input"], masks)
        results = (self.annotations, self.archive, self.overlay, self.contact_sheet, self.summary)
        if any(path.exists() for path in results):
            self._check_is_ours(settings["input"])
            try:
                self._remove_results()
            except OSError as error:
                raise cannot_write(self.folder, error) from error
        self.write_summary(settings | {"finished": False})

    def write_summary(self, content: dict) -> None:
        write_json(self.summary, {"tool": _TOOL} | content)

    def pack(self) -> Path:
        """The archive of all masks."""
        zip_results(self.annotations, self.archive)
        return self.archive

    def _remove_results(self) -> None:
        if self.annotations.exists():
            shutil.rmtree(self.annotations)
        begun = self.folder.glob(f".{self.overlay.stem}.*{self.overlay.suffix}")  # by a killed run
        for path in (self.archive, self.overlay, self.contact_sheet, *begun):
            path.unlink(missing_ok=True)

    def _check_holds_no_input(self, source: str, masks: Iterable[Path]) -> None:
        folder, path = self.folder.resolve(), Path(source)
        is_its_pattern = has_magic(source) and path.parent == folder and not path.exists()
        if path == folder or is_its_pattern:
            raise UserError(f"--output {self.folder} is the folder of --input; choose another one")
        removed = self.annotations.resolve()
        for path in masks:
            if removed in path.resolve().parents:
                raise UserError(
                    f"--mask {path} is among the results that this run would replace; copy it to "
                    "another folder, or choose another --output"
                )

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
        if old_source != source or source.endswith(LEFT_OUT):  # which may be what differs
            raise UserError(
                f"{self.folder} holds the results of {old_source}; choose another --output, or "
                "remove them"
            )
