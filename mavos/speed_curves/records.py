"""What was measured, kept in one JSON file: a command that is given again does not repeat it."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

from mavos.speed_curves.runs import Run
from mavos.utils.errors import UserError
from mavos.utils.files import write_json

log = logging.getLogger(__name__)

PARTS = ("length", "objects", "earlier")  # of the file; "earlier": not asked for by the command


class Records:
    """Figures by run. A record has the ``run``, the ``machine``, ``rows`` and why it ``ended``."""

    def __init__(self, path: Path, machine: dict):
        """machine: with the ``code``. Raises UserError if ``path`` is something else."""
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
        # perhaps of other code that has the same name
        self._old = [] if names_code(machine["code"]) else self._records[:]
        if self._old:
            log.info("edited code, or no commit: what is in %s is not used again", path)

    def find(self, run: Run) -> dict | None:
        """What this machine measured of it with this code; None if that is not there."""
        old = {id(record) for record in self._old}
        return next((record for record in self._of(run) if id(record) not in old), None)

    def add(self, run: Run, figures: dict) -> None:
        """Take the figures of a run in, instead of older ones."""
        replaced = {id(record) for record in self._of(run)}
        self._records = [record for record in self._records if id(record) not in replaced]
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

    def _of(self, run: Run) -> list[dict]:
        """The records of it with this machine and this name of the code."""
        key = _plain(asdict(run)), self._machine
        return [record for record in self._records if (record["run"], record["machine"]) == key]


def names_code(header: str) -> bool:
    """Whether a ``run_header`` identifies the code that ran: a commit, and nothing edited since."""
    return not header.partition(",")[0].endswith(("-dirty", "no git"))


def _plain(value: dict) -> dict:
    """As it comes back from a file."""
    return json.loads(json.dumps(value))
