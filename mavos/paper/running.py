"""Measures the rows of a table that are not measured yet, each in a process of its own."""

import datetime
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mavos.paper import report
from mavos.paper.data_at_hand import Data
from mavos.paper.datasets import count
from mavos.paper.jobs import Job, Setup
from mavos.paper.kinds import find_measured, make_jobs
from mavos.paper.schema import Table
from mavos.run.signals import INTERRUPTED, TERMINATED, Terminated
from mavos.utils.errors import UserError
from mavos.utils.paths import PROJECT

log = logging.getLogger(__name__)

_TAIL = 20_000  # characters of a tool's messages that are kept to look for its error
_LONGEST = 300  # characters of an error in a table
_LEAVE_SECONDS = (5.0, 20.0)  # after Ctrl-C, which it has heard too; after SIGTERM


@dataclass
class Ran:
    """What became of a table: the files written, why jobs failed (by the label of the row and what
    they were on), and whether there is anything of ours, or could have been."""

    files: list[Path] = field(default_factory=list)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    all_missing: bool = False  # the files of every job are missing


class RowFailed(Exception):
    """A row that should have run did not; the message says why in a line."""


def run_table(table: Table, setup: Setup, data: Data | None = None) -> Ran:
    """Measure what can be and is not yet, then write the table; a failed row stops no other.

    The table is written after every job, so that it is there whatever happens.
    """
    jobs = make_jobs(table, setup, data or Data(setup.data_root))
    todo = [job for by_set in jobs.values() for job in by_set.values()]
    ran = Ran()
    for number, job in enumerate(todo, start=1):
        what = f"{table.name}, {number} of {len(todo)}: {job.label}"
        if find_measured(table, job) is not None and not (setup.overwrite and job.is_timing):
            log.info("%s is finished, in %s", what, job.folder)
        elif job.missing:
            log.info("%s cannot run: %s", what, "; ".join(map(str, job.missing)))
        else:
            log.info("%s\n  %s", what, job.command)
            try:
                run_job(job, setup)
                if find_measured(table, job) is None:
                    raise RowFailed(f"what is in {job.folder} is not complete")
            except RowFailed as failed:
                log.warning("%s failed: %s", what, failed)
                ran.failures[job.row.label, job.on] = str(failed)
            report.write_text(table, jobs, ran.failures, setup)
    ran.files = report.write(table, jobs, ran.failures, setup)
    ran.all_missing = all(job.missing and not find_measured(table, job) for job in todo)
    return ran


def run_job(job: Job, setup: Setup) -> None:
    """Run one job and note that its results are there. Raises RowFailed."""
    if not job.same_weights() and not setup.overwrite:
        raise RowFailed(f"{job.folder} holds results of other weights; --overwrite replaces them")
    replaces = setup.overwrite and job.conflicts()
    if replaces or not job.conflicts():
        job.note()
    before = _stamps(job)
    if job.tool:
        more = ["--overwrite"] if replaces or (setup.overwrite and job.is_timing) else []
        messages = run_tool(job.tool, [*job.arguments, *job.machine, *more])
    else:
        messages = ""
        _count(job, setup.data_root)
    after = _stamps(job)
    if any(after[name] in (None, before[name]) for name in job.results):
        said = re.findall(r"not scored: .*", messages)
        raise RowFailed(said[-1] if said else f"no {' and '.join(job.results)} in {job.folder}")
    job.note(datetime.date.today().isoformat())


def _count(job: Job, data_root: Path) -> None:
    try:
        count(job, data_root)
    except UserError as error:
        raise RowFailed(str(error)) from error


def run_tool(tool: str, arguments: Sequence[str]) -> str:
    """Run ``tools/<tool>.py``; its messages are passed on, and the last of them returned.

    Raises RowFailed with its error. Ctrl-C ends it too, and Terminated.
    """
    command = [sys.executable, str(PROJECT / "tools" / f"{tool}.py"), *arguments]
    env = {"OMP_WAIT_POLICY": "passive"} | os.environ  # idle threads must not spin
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    messages = ""
    try:
        while piece := os.read(process.stderr.fileno(), 65536):
            text = piece.decode(errors="replace")
            sys.stderr.write(text)
            sys.stderr.flush()
            messages = (messages + text)[-_TAIL:]
        status = process.wait()
    except KeyboardInterrupt as request:
        if isinstance(request, Terminated):  # which it has not heard; Ctrl-C in a terminal it has
            process.send_signal(signal.SIGINT)
        _leave(process)
        raise
    finally:
        process.kill()  # if somebody insists; nothing to one that has ended
        process.stderr.close()
    if status in (INTERRUPTED, TERMINATED):
        raise KeyboardInterrupt
    if status < 0:
        raise RowFailed(
            f"tools/{tool}.py was ended by signal {-status}; 9 often means out of memory"
        )
    if status:
        _, found, error = messages.rpartition("error: ")
        said = " ".join(error.split())[:_LONGEST] if found else f"see the messages of {tool}.py"
        raise RowFailed(f"tools/{tool}.py ended with status {status}: {said}")
    return messages


def _leave(process: subprocess.Popen) -> None:
    """Wait for a process that has heard Ctrl-C too, and end it if it has not."""
    for seconds, insist in zip(_LEAVE_SECONDS, (process.terminate, process.kill), strict=True):
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            insist()
    process.wait()


def _stamps(job: Job) -> dict[str, int | None]:
    """When each of the result files was written; None where there is none."""
    paths = {name: job.folder / name for name in job.results}
    return {n: path.stat().st_mtime_ns if path.is_file() else None for n, path in paths.items()}
