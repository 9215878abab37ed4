"""How rows are measured: for each kind of table, how its rows become jobs and figures."""

from collections.abc import Mapping

from mavos.paper import datasets, evaluation, length
from mavos.paper.data_at_hand import Data
from mavos.paper.jobs import Job, Measured, Setup
from mavos.paper.schema import Table

_KINDS = {"evaluation": evaluation, "length": length, "datasets": datasets}

Jobs = Mapping[str, Mapping[str, Job]]  # by the label of the row, then by what the job is on


def make_jobs(table: Table, setup: Setup, data: Data) -> Jobs:
    """The jobs of the rows that can be measured here, if nothing is missing."""
    make = _KINDS[table.kind].make_jobs
    return {
        row.label: make(table, row, setup, data)
        for row in table.rows
        if row.network is not None or table.kind == "datasets"
    }


def find_measured(table: Table, job: Job) -> Measured | None:
    """Ours of a job; None if it is not finished."""
    return _KINDS[table.kind].measured(job) if job.finished() else None
