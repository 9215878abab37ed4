"""A row made concrete on this machine: what runs, where its results go, what lacks."""

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
    overwrite: bool = False  # replace results that other settings made

    def run_folder(self, where: str, parts: Iterable[str]) -> Path:
        """Of a row: one for the same evaluation in whatever table."""
        return self.output / "runs" / where / re.sub(r"[^\w.=-]+", "_", "_".join(parts))


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
    """Ours, of a finished row."""

    values: Mapping[str, float]  # by the names of schema.METRICS
    device: str
    videos: int = 0  # 0: none belong to it
    caveat: str = ""  # why it was not measured as the benchmark does


@dataclass(frozen=True)
class Job:
    """One row that can run, or could if nothing were missing."""

    row: Row
    policy: str  # of the long-term memory; "" where the method has one way only
    tool: str  # tools/<tool>.py
    results: tuple[str, ...]  # files that it leaves in the folder
    arguments: tuple[str, ...]  # all that decide the results
    machine: tuple[str, ...]  # those that do not
    folder: Path
    checkpoint: Path | None = None  # None: random weights
    weights: str = "random"  # the same in words
    videos: int = 0  # in the data at hand; 0: not there, or not needed
    missing: tuple[Missing, ...] = ()

    @property
    def is_timing(self) -> bool:
        """Whether its figures may be others the next time: those of an evaluation are not."""
        return self.tool == "benchmark"

    @property
    def command(self) -> str:
        """For a shell in the project's folder."""
        words = map(shown, self.arguments + self.machine)
        return shlex.join(["python", f"tools/{self.tool}.py", *words])

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
