"""What can run with the data and weights at hand, and what is missing, as text and as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from mavos.paper.lines import Line, Part
from mavos.paper.schema import Table

_STATES = ("done", "partly", "ready", "missing", "printed")


def as_text(listed: Iterable[tuple[Table, list[Line]]]) -> str:
    """A line for each row, then how to get each thing that is missing."""
    listed = list(listed)
    text: list[str] = []
    for table, lines in listed:
        text += [f"{table.name}  {table.title}"]
        width = max(len(line.row.label) for line in lines)
        shown = (f"  {line.state:9}{line.row.label:{width}}  {_detail(line)}" for line in lines)
        text += [line.rstrip() for line in shown]
        text += [""]
    lines = [line for _, found in listed for line in found]
    text += _remedies(lines)
    count = {state: sum(line.state == state for line in lines) for state in _STATES}
    text += ["rows: " + ", ".join(f"{number} {name}" for name, number in count.items())]
    return "\n".join(text)


def as_json(listed: Iterable[tuple[Table, list[Line]]]) -> list[dict[str, Any]]:
    """Every row with the paper's numbers, what it runs on which dataset, and what is missing."""
    return [
        {
            "table": table.name,
            "title": table.title,
            "note": table.note,
            "columns": [column.key for column in table.columns],
            "rows": [_row(line) for line in lines],
        }
        for table, lines in listed
    ]


def _detail(line: Line) -> str:
    """What there is to say of a row: where it was measured, what is missing, what is wrong."""
    parts = line.parts.values()
    if line.state == "done":
        said = dict.fromkeys(f"{p.measured.device} {p.job.finished()}".strip() for p in parts)
    else:
        said = dict.fromkeys(str(missing) for part in parts for missing in part.job.missing)
        said |= dict.fromkeys(
            part.status for part in parts if part.state == "ready" and part.status != "not run"
        )
    return "; ".join(said)


def _row(line: Line) -> dict[str, Any]:
    row, table = line.row, line.table
    return {
        "label": row.label,
        **dict(zip(table.words, row.facts, strict=bool(row.facts))),
        "state": line.state,
        "paper": {column.key: line.paper(column) for column in table.columns},
        "ours": {column.key: line.ours(column) for column in table.columns},
        "source": row.source or table.source,
        "flag": row.flag,
        "note": row.note,
        "model": row.network.model if row.network else None,
        "runs": [_run(part) for part in line.parts.values()],
    }


def _run(part: Part) -> dict[str, Any]:
    job = part.job
    return {
        "on": job.on,
        "where": job.where,
        "videos": job.videos,
        "videos of the test set": job.full,
        "policy": job.policy,
        "memory gap": job.gap,
        "weights": str(job.checkpoint) if job.checkpoint else None,
        "state": part.state,
        "status": part.status,
        "command": job.command,
        "missing": [vars(missing) for missing in job.missing],
    }


def _remedies(lines: Iterable[Line]) -> Iterator[str]:
    """How to get each thing that is missing, each once: data first, then weights."""
    missing = dict.fromkeys(
        one for line in lines for part in line.parts.values() for one in part.job.missing
    )
    for kind in ("data", "weights"):
        ways: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for thing in missing:
            if thing.kind == kind:
                ways.setdefault((thing.fault, thing.remedies), []).append(thing.what)
        if not ways:
            continue
        yield f"missing {kind}"
        for (fault, remedies), whats in ways.items():
            yield f"  {'; '.join(whats)}"
            yield from (f"    {text}" for text in [*fault.splitlines(), *remedies])
        yield ""
