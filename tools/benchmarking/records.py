"""What was measured, kept in one JSON file: a command that is given again does not repeat it."""

import json
from dataclasses import asdict
from pathlib import Path

from tools.benchmarking.runs import Run
from utils.errors import UserError
from utils.files import write_json

PARTS = ("length", "objects", "earlier")  # of the file; "earlier": not asked for by the command


class Records:
    """Figures by run. A record has the ``run``, the ``machine``, ``rows`` and why it ``ended``."""

    def __init__(self, path: Path, machine: dict):
        """Raises UserError if ``path`` is something else."""
        self.path, self._machine = path, machine
        self._records: list[dict] = []
        if path.exists():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                self._records = [record for part in PARTS for record in found[part]]
                {record["run"]["model"]: record["rows"] for record in self._records}
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise UserError(
                    f"{path} was not written by this tool, or is damaged; remove it or choose "
                    "another --output"
                ) from error

    def find(self, run: Run) -> dict | None:
        """What this machine measured of it; None if that is not there."""
        wanted = _plain(asdict(run))
        for record in self._records:
            if (record["run"], record["machine"]) == (wanted, self._machine):
                return record
        return None

    def add(self, run: Run, figures: dict) -> None:
        """Take the figures of a run in, instead of older ones."""
        old = self.find(run)
        self._records = [record for record in self._records if record is not old]
        config = {"model": asdict(run.config().model)}
        named = {"run": asdict(run), "machine": self._machine, "config": config}
        self._records.append(_plain(named | figures))

    def write(self, command: str, length: list[Run], objects: list[Run]) -> None:
        """The file, with the records that are asked for in order. Raises OutputError."""
        asked = {"length": self.found(length), "objects": self.found(objects)}
        shown = [id(record) for part in asked.values() for record in part]
        earlier = [record for record in self._records if id(record) not in shown]
        write_json(self.path, {"command": command, **asked, "earlier": earlier})

    def found(self, runs: list[Run]) -> list[dict]:
        """The records of those that are there."""
        found = map(self.find, runs)
        return [record for record in found if record is not None]


def _plain(value: dict) -> dict:
    """As it comes back from a file."""
    return json.loads(json.dumps(value))
