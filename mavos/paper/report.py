"""A table as Markdown and CSV: ours beside the paper's, and the difference."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mavos.paper import figure
from mavos.paper.jobs import Job, Setup
from mavos.paper.lines import Line, make_lines, met_claims, warnings
from mavos.paper.schema import METRICS, Claim, Table
from mavos.utils.files import atomic_path

UNKNOWN, ABSENT = "—", "·"
LEGEND = (
    f"A cell is ours / the paper's (difference). {ABSENT} not measured; "
    f"{UNKNOWN} printed number not carried yet."
)
_ASSUMED = "Which table of the paper this is, and which rows it prints, is our reading."
_SPEED = (
    "FPS is that of the network alone, memory the peak of tensors on a GPU, of the process "
    "elsewhere; both are of the machine in the last column and do not compare with another one's."
)

_COLUMNS = (
    "table",
    "method",
    "model",
    "long-term memory",
    "weights",
    "status",
    "machine",
    "date",
    "videos",
)


def write(
    table: Table, jobs: Mapping[str, Job], failures: Mapping[str, str], setup: Setup
) -> list[Path]:
    """``<name>.md``, ``.csv`` and ``.png``; returns the paths of those written.

    Without matplotlib there is no picture, and the log says so.
    """
    paths = write_text(table, jobs, failures, setup)
    lines = make_lines(table, jobs, failures)
    picture = setup.output / f"{table.name}.png"
    return paths + figure.draw(table, lines, list(warnings(table, lines, setup.options)), picture)


def write_text(
    table: Table, jobs: Mapping[str, Job], failures: Mapping[str, str], setup: Setup
) -> list[Path]:
    """Markdown and CSV, each whole or not at all."""
    lines = make_lines(table, jobs, failures)
    paths = [setup.output / f"{table.name}{suffix}" for suffix in (".md", ".csv")]
    with atomic_path(paths[0]) as partial:
        partial.write_text(markdown(table, lines, setup.options), encoding="utf-8")
    with atomic_path(paths[1]) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(csv_rows(table, lines))
    return paths


def markdown(table: Table, lines: Sequence[Line], options: Sequence[str] = ()) -> str:
    """The table with everything that a reader of its numbers must know."""
    text = [f"# {table.title}", "", LEGEND, _SPEED]
    text += [_ASSUMED] if table.numbering_assumed else []
    text += [table.note] if table.note else []
    text += [f"\n> **{warning}**" for warning in warnings(table, lines, options)]
    header = [
        "method",
        "long-term memory",
        *(METRICS[m].title for m in table.metrics),
        "weights",
        "run",
    ]
    text += ["", _table_row(header), _table_row("---" for _ in header)]
    notes: list[str] = []
    text += [_table_row(_cells(table, line, notes)) for line in lines]
    text += ["", *(f"[{number}] {note}\n" for number, note in enumerate(notes, start=1))]
    text += [_claim(*met) for met in met_claims(table, lines)]
    return "\n".join(text).rstrip() + "\n"


def csv_rows(table: Table, lines: Sequence[Line]) -> Iterator[list[str]]:
    """A header, then everything that is known of each row; a number that is not is empty."""
    sides = ("ours", "paper", "difference")
    columns = [f"{metric} {side}" for metric in table.metrics for side in sides]
    yield [*_COLUMNS, *columns, "source of the paper's", "note", "command"]
    for line in lines:
        job, measured = line.job, line.measured
        numbers = [
            "" if value is None else str(value)
            for metric in table.metrics
            for value in (line.ours(metric), line.paper(metric), line.difference(metric))
        ]
        yield [
            table.name,
            line.row.label,
            line.row.model,
            job.policy if job else "",
            job.weights if job else "",
            line.status,
            measured.device if measured else "",
            job.finished() if measured else "",
            str(measured.videos or "") if measured else "",
            *numbers,
            line.row.source,
            line.row.flag,
            job.command if job else "",
        ]


def cell(line: Line, metric: str) -> str:
    """Ours / the paper's (difference)."""
    decimals = METRICS[metric].decimals
    ours, paper, difference = line.ours(metric), line.paper(metric), line.difference(metric)
    text = f"{ABSENT if ours is None else f'{ours:.{decimals}f}'} / "
    text += UNKNOWN if paper is None else f"{paper:g}"
    return text if difference is None else f"{text} ({difference:+.{decimals}f})"


def _cells(table: Table, line: Line, notes: list[str]) -> list[str]:
    """One row; its footnotes are added to ``notes``."""
    label = line.row.label
    source = f"The paper's: {line.row.source}." if line.row.source else ""
    note = " ".join(filter(None, (line.row.flag, source)))
    if note:
        if note not in notes:
            notes.append(note)
        label += f" [{notes.index(note) + 1}]"
    run = line.status
    if line.measured is not None:
        run = f"{line.measured.device}, {line.job.finished()}"
    policy, weights = (line.job.policy, line.job.weights) if line.job else ("", "")
    return [label, policy, *(cell(line, metric) for metric in table.metrics), weights, run]


def _claim(claim: Claim, ours: float | None, lacks: str) -> str:
    unit = "times" if claim.kind == "times" else "% less"
    told = f"{ABSENT} ({lacks})" if ours is None else f"{ours:.1f}"
    what = METRICS[claim.metric].title
    return (
        f"{what} of {claim.row} against {claim.against}: {told} / {claim.paper:g} {unit} "
        f"({claim.source}).\n"
    )


def _table_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"
