"""Rows that ``tools/benchmark.py`` measures: speed and memory on a long video, without data."""

import json

from mavos import configs
from mavos.paper.evaluation import Data
from mavos.paper.jobs import Job, Measured, Setup
from mavos.paper.schema import Row, Table

FRAMES = 2000


def make_job(table: Table, row: Row, setup: Setup, data: Data) -> Job:
    """A benchmark needs neither data nor weights, so nothing is ever missing.

    The device decides its figures, so it is no matter of the machine as with an evaluation.
    """
    policy = configs.load(row.model, overrides=row.overrides).model.setting("policy")
    folder = setup.run_folder(table.name, [row.model, *row.overrides])
    arguments = ["--model", row.model, "--frames", str(FRAMES)]
    arguments += ["--policy", policy] if policy else []
    arguments += ["--device", setup.device] if setup.device else []
    return Job(
        row,
        policy=policy or "",
        tool="benchmark",
        results=("benchmark.json",),
        arguments=(*arguments, "--output", str(folder), *row.overrides, *setup.options),
        machine=(),
        folder=folder,
    )


def measured(job: Job) -> Measured | None:
    """The figures at the end of the video; None if it did not get there, or they are not there."""
    try:
        (record,) = json.loads((job.folder / "benchmark.json").read_text(encoding="utf-8"))[
            "length"
        ]
    except (FileNotFoundError, ValueError):
        return None
    if record.get("ended"):
        return None
    last = record["rows"][-1]
    values = {"FPS": last["fps"], "memory": last["peak_bytes"] / 2**30}
    machine = record["machine"]
    device = machine["device"] if machine["device"] != "cpu" else machine["processor"]
    return Measured(values, device)
