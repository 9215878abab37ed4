"""Rows that ``tools/benchmark.py`` measures: speed and memory of one video that gets longer."""

import json

from mavos import configs
from mavos.paper.data_at_hand import Data
from mavos.paper.jobs import Job, Measured, Setup
from mavos.paper.schema import Row, Table

_ENDED = "out of memory"  # the one reason why a video ends early


def make_jobs(table: Table, row: Row, setup: Setup, data: Data) -> dict[str, Job]:
    """One; it needs neither data nor weights, so nothing is ever missing.

    The device decides its figures, so it is no matter of the machine as with an evaluation.
    """
    network = row.network
    model = configs.load(network.model, overrides=network.overrides).model
    policy = model.setting("policy")
    folder = setup.output / "runs" / table.name / "_".join([network.model, *network.overrides])
    frames = max(column.at for column in table.columns)
    arguments = ["--model", network.model, "--frames", str(frames)]
    arguments += ["--policy", policy] if policy else []
    arguments += ["--device", setup.device] if setup.device else []
    job = Job(
        row,
        "",
        tool="benchmark",
        results=("benchmark.json",),
        arguments=(*arguments, "--output", str(folder), *network.overrides, *setup.options),
        folder=folder,
        policy=policy or "",
        gap=model.setting("lt_gap") or 0,
        where="one synthetic video",
    )
    return {"": job}


def measured(job: Job) -> Measured | None:
    """The figures at every length that was reached; None if there are none at all."""
    record = read_record(job)
    if record is None or not record["rows"]:
        return None
    values: dict[str, float | str] = {}
    for row in record["rows"]:
        predicted, seconds = row["predicted"], row["seconds"]
        values[f"FPS at {row['frame']}"] = predicted / seconds if seconds > 0 else 0.0
        values[f"memory at {row['frame']}"] = row["peak_bytes"] / 2**30
    if record["ended"] is not None:
        not_reached = [mark for mark in record["run"]["marks"] if f"FPS at {mark}" not in values]
        values |= {f"{metric} at {m}": _ENDED for m in not_reached for metric in ("FPS", "memory")}
    machine = record["machine"]
    device = machine["device"] if machine["device"] != "cpu" else machine["processor"]
    return Measured(values, device)


def read_record(job: Job) -> dict | None:
    """What ``tools/benchmark.py`` has written of the job; None if it has not."""
    try:
        (record,) = json.loads((job.folder / "benchmark.json").read_text(encoding="utf-8"))[
            "length"
        ]
    except (FileNotFoundError, ValueError):
        return None
    return record
