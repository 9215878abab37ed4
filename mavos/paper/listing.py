"""What can run with the data and weights at hand, and what is missing, as text and as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from mavos.paper.lines import Line
from mavos.paper.schema import Table


def as_text(listed: Iterable[tuple[Table, list[Line]]]) -> str:
    """A line for each row, then how to get each thing that is missing."""
    listed = list(listed)
    text: list[str] = []
    for table, lines in listed:
        assumed = " (numbering is our reading)" if table.numbering_assumed else ""
        text += [f"{table.name}  {table.title}{assumed}"]
        width = max(len(line.row.label) for line in lines)
        text += [f"  {state(line):9}{line.row.label:{width}}  {_detail(line)}" for line in lines]
        text += [""]
    text += _remedies([line for _, lines in listed for line in lines])
    count = {name: 0 for name in ("done", "ready", "missing")}
    for _, lines in listed:
        for line in lines:
            count[state(line)] = count.get(state(line), 0) + 1
    text += ["rows: " + ", ".join(f"{number} {name}" for name, number in count.items())]
    return "\n".join(text)


def as_json(listed: Iterable[tuple[Table, list[Line]]]) -> list[dict[str, Any]]:
    """Every row with its state, its command and the paper's numbers."""
    return [
        {
            "table": table.name,
            "title": table.title,
            "numbering_assumed": table.numbering_assumed,
            "rows": [_row(table, line) for line in lines],
        }
        for table, lines in listed
    ]


def state(line: Line) -> str:
    """done, ready, missing, or none: there is no network for the row."""
    if line.job is None:
        return "none"
    if line.measured is not None:
        return "done"
    return "missing" if line.job.missing else "ready"


def _detail(line: Line) -> str:
    if line.measured is not None:
        return f"{line.measured.device}, {line.job.finished()}"
    return line.status.removeprefix("not run").lstrip(",: ").removeprefix("missing: ")


def _row(table: Table, line: Line) -> dict[str, Any]:
    job, row = line.job, line.row
    return {
        "label": row.label,
        "model": row.model,
        "state": state(line),
        "status": line.status,
        "policy": job.policy if job else None,
        "weights": str(job.checkpoint) if job and job.checkpoint else None,
        "dataset": table.dataset or None,
        "split": row.split or table.split or None,
        "paper": {metric: row.paper.get(metric) for metric in table.metrics},
        "source": row.source,
        "flag": row.flag,
        "command": job.command if job else None,
        "missing": [vars(missing) for missing in job.missing] if job else [],
    }


def _remedies(lines: Iterable[Line]) -> Iterator[str]:
    """How to get each thing that is missing, each once: data first, then weights."""
    missing = dict.fromkeys(m for line in lines if line.job for m in line.job.missing)
    for kind in ("data", "weights"):
        things = [thing for thing in missing if thing.kind == kind]
        if not things:
            continue
        yield f"missing {kind}"
        for thing in things:
            yield f"  {thing.what}"
            yield from (f"    {told}" for told in [*thing.fault.splitlines(), *thing.remedies])
        yield ""
