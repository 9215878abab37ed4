"""The tools that measure rows: for each kind of table, how its rows become jobs and figures."""

from mavos.paper import benchmark, evaluation
from mavos.paper.evaluation import Data
from mavos.paper.jobs import Job, Measured, Setup
from mavos.paper.schema import Table

_KINDS = {"evaluation": evaluation, "benchmark": benchmark}


def make_jobs(table: Table, setup: Setup, data: Data) -> dict[str, Job]:
    """The jobs of the rows that this framework has a network for, by their labels."""
    make = _KINDS[table.kind].make_job
    return {row.label: make(table, row, setup, data) for row in table.rows if row.model}


def find_measured(table: Table, job: Job) -> Measured | None:
    """Ours of a row; None if it is not finished."""
    return _KINDS[table.kind].measured(job) if job.finished() else None
