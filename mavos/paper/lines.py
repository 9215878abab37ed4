"""What each row of a table has to show: ours, the paper's, the difference, or why there is none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mavos.paper.jobs import Job, Measured, Setup, shown
from mavos.paper.kinds import Jobs, find_measured
from mavos.paper.schema import METRICS, Column, Printed, Row, Table


@dataclass(frozen=True)
class Part:
    """What one job of a row has come to on this machine."""

    job: Job
    measured: Measured | None
    status: str  # "done", else why there is nothing of ours

    @property
    def state(self) -> str:
        """done, ready or missing."""
        if self.measured is not None:
            return "done"
        return "missing" if self.job.missing else "ready"


@dataclass(frozen=True)
class Line:
    """A row of a table as it stands on this machine."""

    table: Table
    row: Row
    parts: Mapping[str, Part]  # by what their jobs are on; empty: printed numbers only

    def ours(self, column: Column) -> Printed:
        """As shown: rounded to the metric's decimals; None if there is none."""
        part = self.parts.get(column.on)
        value = part.measured.values.get(column.figure) if part and part.measured else None
        return round(value, METRICS[column.metric].decimals) if _is_number(value) else value

    def paper(self, column: Column) -> Printed:
        return self.row.printed[self.table.columns.index(column)]

    def difference(self, column: Column) -> float | None:
        """Ours, as shown, less the paper's; None unless both are numbers."""
        ours, paper = self.ours(column), self.paper(column)
        if not (_is_number(ours) and _is_number(paper)):
            return None
        return round(ours - paper, METRICS[column.metric].decimals)

    @property
    def state(self) -> str:
        """printed (nothing can be run for it), done, ready, partly (the rest is missing) or
        missing."""
        states = {part.state for part in self.parts.values()}
        if not states:
            return "printed"
        if len(states) == 1:
            return states.pop()
        return "ready" if "ready" in states else "partly"


def make_lines(
    table: Table, jobs: Jobs, failures: Mapping[tuple[str, str], str] | None = None
) -> list[Line]:
    """failures: of this run, by the label of the row and what the job was on."""
    return [
        Line(
            table,
            row,
            {
                on: _part(table, job, (failures or {}).get((row.label, on)))
                for on, job in jobs.get(row.label, {}).items()
            },
        )
        for row in table.rows
    ]


def warnings(lines: Sequence[Line], setup: Setup) -> Iterator[str]:
    """What keeps ours from being compared, with the paper's or one row with another."""
    parts = [part for line in lines for part in line.parts.values() if part.measured is not None]
    if setup.videos:
        yield f"A look, not the benchmark: only the first {setup.videos} of each test set's videos."
    few = dict.fromkeys(
        f"{part.measured.videos} of the {part.job.full} videos of {part.job.where}"
        for part in parts
        if part.measured.videos != part.job.full
    )
    if few:
        yield f"Not the benchmark: {', '.join(few)} were evaluated, so the differences say nothing."
    devices = sorted({part.measured.device for part in parts} - {""})
    if len(devices) > 1:
        yield (
            f"Measured on {len(devices)} machines, {', '.join(devices)}: speed and memory compare "
            "between rows of the same one only."
        )
    if setup.options and parts:
        yield f"Measured with options of our own: {' '.join(setup.options)}"
    yield from dict.fromkeys(part.measured.caveat for part in parts if part.measured.caveat)


def _part(table: Table, job: Job, failure: str | None) -> Part:
    if failure:
        return Part(job, None, f"failed: {failure}")
    measured = find_measured(table, job)
    if measured is not None:
        return Part(job, measured, "done")
    if job.missing:
        return Part(job, None, f"not run, missing: {'; '.join(map(str, job.missing))}")
    if job.conflicts():
        return Part(job, None, f"not run: {shown(job.folder)} has results of other settings")
    return Part(job, None, "not run")


def _is_number(value: Printed) -> bool:
    return isinstance(value, float | int)
