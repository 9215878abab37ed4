"""A row made concrete on this machine: what runs, where its results go, what is missing."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mavos.paper.schema import Row
from mavos.utils.files import write_json
from mavos.utils.paths import DATASETS, PRETRAINED, PROJECT, RESULTS, TRAINED

_RECORD = "row.json"  # beside the results of a row: what makes them, and whether it has ended


@dataclass(frozen=True)
class Setup:
    """What holds for all rows of a run."""

    data_root: Path = DATASETS
    pretrained: Path = PRETRAINED
    trained: Path = TRAINED  # what training writes
    output: Path = RESULTS / "tables"
    options: tuple[str, ...] = ()  # for the tool that measures, with every row
    device: str = ""  # empty: the tool's choice
    gpu_num: int = 1  # processes of an evaluation
    videos: int = 0  # only the first so many of each test set, for a look; 0: all
    overwrite: bool = False  # replace results that other settings made

    def run_folder(self, where: str, parts: Iterable[str]) -> Path:
        """Of a row: one for the same evaluation in whatever table."""
        name = re.sub(r"[^\w.=-]+", "_", "_".join(parts))
        return self.output / "runs" / (where + self.suffix) / name

    @property
    def suffix(self) -> str:
        """Of file names, so that a look never replaces results."""
        return f"_first{self.videos}" if self.videos else ""


def shown(path: Path | str) -> str:
    """A path as seen from the project's folder, if it lies there."""
    return str(path).removeprefix(f"{PROJECT}/")


@dataclass(frozen=True)
class Missing:
    """One thing that a row waits for."""

    kind: Literal["weights", "data"]
    what: str  # the file, with where it goes; or the dataset and split
    remedies: tuple[str, ...]  # commands, in order, or a hint
    fault: str = ""  # of a dataset: what is wrong, may be several lines

    def __str__(self) -> str:
        return f"{self.kind} {self.what}"


@dataclass(frozen=True)
class Measured:
    """Ours, of what has been run for one row."""

    values: Mapping[str, float | str]  # by figures of columns; words such as "out of memory"
    device: str
    videos: int = 0  # 0: none belong to it
    caveat: str = ""  # why it was not measured as the paper's was


@dataclass(frozen=True)
class Job:
    """One thing to run for a row, or that could be run if nothing were missing."""

    row: Row
    on: str  # the columns that it fills: their test set; "" where the table has none
    tool: str  # tools/<tool>.py; "": counted in this process
    results: tuple[str, ...]  # files that it leaves in the folder
    arguments: tuple[str, ...]  # all that decide the results
    folder: Path
    machine: tuple[str, ...] = ()  # arguments that do not
    policy: str = ""  # of the long-term memory
    gap: int = 0  # frames between its updates
    where: str = ""  # dataset and split, or the video
    checkpoint: Path | None = None  # None: random weights
    weights: str = "random"  # the same in words
    videos: int = 0  # to be evaluated, of the data at hand; 0: not there, or not needed
    full: int = 0  # videos of the whole test set
    missing: tuple[Missing, ...] = ()

    @property
    def is_timing(self) -> bool:
        """Whether its figures may be others the next time: those of an evaluation are not."""
        return self.tool == "benchmark"

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.row.label} on {self.on}" if self.on else self.row.label

    @property
    def command(self) -> str:
        """For a shell in the project's folder."""
        words = map(shown, self.arguments + self.machine)
        return shlex.join(["python", f"tools/{self.tool or 'tables'}.py", *words])

    def finished(self) -> str:
        """The day on which this very command ended well with these weights; "" if it did not."""
        record = self._record()
        return record["finished"] if record is not None and self._is_mine(record) else ""

    def conflicts(self) -> bool:
        """Whether the folder holds results, finished or not, of another command or weights."""
        record = self._record()
        return record is not None and not self._is_mine(record)

    def same_weights(self) -> bool:
        """Whether the folder's results, if there are any, are of the weights as they are now."""
        record = self._record()
        return record is None or record["checkpoint"] == self._identity()["checkpoint"]

    def note(self, finished: str = "") -> None:
        """Write down what the results in the folder are made with, and when they were finished."""
        write_json(self.folder / _RECORD, self._identity() | {"finished": finished})

    def _record(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.folder / _RECORD).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def _is_mine(self, record: dict[str, Any]) -> bool:
        return {k: v for k, v in record.items() if k != "finished"} == self._identity()

    def _identity(self) -> dict[str, Any]:
        checkpoint = None
        if self.checkpoint is not None and self.checkpoint.is_file():
            stat = self.checkpoint.stat()
            checkpoint = {"bytes": stat.st_size, "modified": stat.st_mtime}
        return {"tool": self.tool, "arguments": list(self.arguments), "checkpoint": checkpoint}
