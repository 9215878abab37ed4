"""What each row of a table has to tell: ours, the paper's, the difference, or why there is none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mavos.paper.jobs import Job, Measured, shown
from mavos.paper.kinds import find_measured
from mavos.paper.schema import METRICS, Claim, Row, Table


@dataclass(frozen=True)
class Line:
    """A row of a table as it stands on this machine."""

    row: Row
    job: Job | None  # None: no network for it here
    measured: Measured | None
    status: str  # "done", else why there is nothing of ours

    def ours(self, metric: str) -> float | None:
        """As shown: rounded to the metric's decimals."""
        value = self.measured and self.measured.values.get(metric)
        return None if value is None else round(value, METRICS[metric].decimals)

    def paper(self, metric: str) -> float | None:
        return self.row.paper.get(metric)

    def difference(self, metric: str) -> float | None:
        """Ours, as shown, less the paper's; None unless both are there."""
        ours, paper = self.ours(metric), self.paper(metric)
        if ours is None or paper is None:
            return None
        return round(ours - paper, METRICS[metric].decimals)


def make_lines(
    table: Table, jobs: Mapping[str, Job], failures: Mapping[str, str] | None = None
) -> list[Line]:
    """jobs, failures (of this run): by the labels of their rows."""
    return [
        _line(table, row, jobs.get(row.label), (failures or {}).get(row.label))
        for row in table.rows
    ]


def warnings(table: Table, lines: Sequence[Line], options: Sequence[str]) -> Iterator[str]:
    """What keeps ours from being compared, with the paper's or one row with another.

    options: of every row.
    """
    measured = [line.measured for line in lines if line.measured is not None]
    numbers = {one.videos for one in measured}
    if table.videos and numbers - {table.videos}:
        found = ", ".join(map(str, sorted(numbers)))
        yield (
            f"Not the benchmark: {found} of its {table.videos} videos were evaluated, so the "
            "differences say nothing."
        )
    devices = sorted({one.device for one in measured})
    if len(devices) > 1:
        yield (
            f"Measured on {len(devices)} machines, {', '.join(devices)}: speed and memory compare "
            "between rows of the same one only."
        )
    if options and measured:
        yield f"Measured with options of our own: {' '.join(options)}"
    yield from dict.fromkeys(one.caveat for one in measured if one.caveat)


def met_claims(table: Table, lines: Sequence[Line]) -> Iterator[tuple[Claim, float | None, str]]:
    """The claims of a table with our value, or None and why there is none."""
    by_label = {line.row.label: line.measured for line in lines}
    for claim in table.claims:
        one, other = by_label[claim.row], by_label[claim.against]
        if one is None or other is None:
            yield claim, None, "not measured"
        elif one.device != other.device:
            yield claim, None, f"no ratio of two machines, {one.device} and {other.device}"
        elif not other.values[claim.metric]:
            yield claim, None, f"{claim.against} has 0"
        else:
            yield claim, claim.of(one.values[claim.metric], other.values[claim.metric]), ""


def _line(table: Table, row: Row, job: Job | None, failure: str | None) -> Line:
    if job is None:
        return Line(row, None, None, "not part of this framework")
    if failure:
        return Line(row, job, None, f"failed: {failure}")
    measured = find_measured(table, job)
    if measured is not None:
        return Line(row, job, measured, "done")
    if job.missing:
        return Line(row, job, None, f"not run, missing: {'; '.join(map(str, job.missing))}")
    if job.conflicts():
        return Line(row, job, None, f"not run: {shown(job.folder)} has results of other settings")
    return Line(row, job, None, "not run")
