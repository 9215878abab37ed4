"""The command behind ``tools/benchmark.py``: every run in turn, then tables and pictures."""

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict

import torch

from mavos.pictures.plots import NoMatplotlib
from mavos.run.entry import USER_ERROR
from mavos.run.signals import INTERRUPTED, sigterm_as_ctrl_c
from mavos.speed_curves import measure, pictures, report
from mavos.speed_curves.options import Plan, parse
from mavos.speed_curves.records import Records
from mavos.speed_curves.runs import Run
from mavos.utils.device import machine, pick_device
from mavos.utils.errors import ReportedElsewhere, UserError
from mavos.utils.logging import run_header, setup_logging
from mavos.utils.paths import PROJECT

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    plan = parse(argv)
    if plan.clock == "cpu" and pick_device(plan.length[0].config().eval.device).type != "cpu":
        raise UserError("--clock cpu says nothing of a GPU; leave it out or add --device cpu")
    setup_logging()
    records = Records(plan.output / "benchmark.json", _measured_on(plan))
    command = shlex.join(["python", "tools/benchmark.py", *argv])
    runs, failed = [*plan.length, *plan.objects], []
    for number, run in enumerate(runs, start=1):
        found = records.find(run)
        known = found is not None and found["ended"] is None and not plan.overwrite
        log.info("%d of %d: %s%s", number, len(runs), run, ", measured before" if known else "")
        if not known:
            figures = in_own_process(run)
            if figures["rows"]:
                records.add(run, figures)
            else:
                failed.append(f"{run}: {figures['ended']}")
                log.warning(failed[-1])
        records.write(command, plan.length, plan.objects)
    _report(plan, records)
    if failed:
        raise UserError(f"{len(failed)} of {len(runs)} not measured: {'; '.join(failed)}")
    return 0


def in_own_process(run: Run) -> dict:
    """Measure a run in a process that ends with it: its size and ``rows``, and why it ``ended``
    too early, or None.

    Without memory for it there may be no rows. Raises UserError if it fails otherwise.
    """
    command = [sys.executable, measure.__file__, json.dumps(asdict(run))]
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONPATH": path}
    with (
        sigterm_as_ctrl_c(),
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process,
    ):
        try:
            figures = collect(map(json.loads, process.stdout))
            status = process.wait()
        finally:
            process.kill()
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status == USER_ERROR:
        raise ReportedElsewhere(f"{run}: could not be measured")
    if status < 0:  # as Linux does when memory runs out
        rows, name = figures["rows"], signal.Signals(-status).name
        when = f"after frame {rows[-1]['frame']}" if rows else "before its first figures"
        figures["ended"] = f"ended by {name} {when}; no memory left?"
    elif status:
        raise UserError(f"{run}: measuring it ended with status {status}; finished ones are kept")
    return figures


def collect(reports: Iterable[dict]) -> dict:
    """One object of what ``measure`` reports: its rows as a list, the rest by its names."""
    figures = {"ended": None, "rows": []}
    for one in reports:
        if "frame" in one:
            figures["rows"].append(one)
        else:
            figures |= one
    return figures


def _measured_on(plan: Plan) -> dict:
    """The machine and the code."""
    cfg = plan.length[0].config().eval
    found = machine(pick_device(cfg.device))
    code = run_header()
    log.info("%s, %s", code, found["device"])
    return found | {"threads": cfg.threads or torch.get_num_threads(), "code": code}


def _report(plan: Plan, records: Records) -> None:
    """Tables on standard output; pictures, if they can be drawn."""
    length, objects = map(records.found, (plan.length, plan.objects))
    print(report.length_table(length))
    if objects:
        print(report.objects_table(objects))
    for record in length + objects:
        if record["ended"] is not None:
            log.warning("%s: %s", report.label(record), record["ended"])
    log.info("wrote %s", records.path)
    try:
        for path in pictures.draw(length, objects, plan.output, pictures.CLOCKS[plan.clock]):
            log.info("wrote %s", path)
    except NoMatplotlib as error:
        log.warning("no pictures: %s", error)
