"""A table as Markdown and CSV: ours beside the paper's, and the difference."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mavos.paper import claims, drawing
from mavos.paper.jobs import Setup
from mavos.paper.kinds import Jobs
from mavos.paper.lines import Line, Part, make_lines, warnings
from mavos.paper.schema import METRICS, Column, Printed, Table
from mavos.utils.files import atomic_path

Failures = Mapping[tuple[str, str], str]

NO_PRINT, ABSENT = "—", "·"
LEGEND = (
    f"A cell is ours / the paper's (difference). {ABSENT} not measured; {NO_PRINT} printed as a "
    "dash, or not printed."
)
_SPEED = (
    "FPS is that of the network alone over all frames; memory is the peak, of tensors on a GPU, of "
    "the process elsewhere, in GiB. Both are of the machine named below, and do not compare with "
    "another one's."
)
_PRINTED_ONLY = "printed numbers only"
_COLUMNS = ("table", "method", "model", "long-term memory", "memory gap", "weights", "status")
_ENDING = ("machine", "date", "videos", "source of the paper's", "flag", "note", "command")


def write(table: Table, jobs: Jobs, failures: Failures, setup: Setup) -> list[Path]:
    """``<name>.md``, ``.csv`` and pictures; returns the paths of those written.

    Without matplotlib there is no picture, and the log says so.
    """
    paths = write_text(table, jobs, failures, setup)
    lines = make_lines(table, jobs, failures)
    return paths + drawing.draw(table, lines, list(warnings(lines, setup)), _stem(table, setup))


def write_text(table: Table, jobs: Jobs, failures: Failures, setup: Setup) -> list[Path]:
    """Markdown and CSV, each whole or not at all."""
    lines = make_lines(table, jobs, failures)
    paths = [Path(f"{_stem(table, setup)}{suffix}") for suffix in (".md", ".csv")]
    with atomic_path(paths[0]) as partial:
        partial.write_text(markdown(table, lines, setup), encoding="utf-8")
    with atomic_path(paths[1]) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(csv_rows(table, lines))
    return paths


def _stem(table: Table, setup: Setup) -> Path:
    return setup.output / f"{table.name}{setup.suffix}"


def markdown(table: Table, lines: Sequence[Line], setup: Setup) -> str:
    """The table with everything that a reader of its numbers must know."""
    before = [
        f"# {table.title}",
        f"{LEGEND} The paper's: {table.source}." if table.source else "",
        _SPEED if table.kind != "datasets" else "",
        table.note,
        *(f"> **{warning}**" for warning in warnings(lines, setup)),
    ]
    header = ["method", *table.words, *map(_title, table.columns), "state"]
    notes: list[str] = []
    rows = [_table_row(_cells(line, notes)) for line in lines]
    paragraphs = [
        *filter(None, before),
        "\n".join([_table_row(header), _table_row("---" for _ in header), *rows]),
        *(f"[{number}] {note}" for number, note in enumerate(notes, start=1)),
    ]
    said = [f"- {one}" for one in claims.sentences(table, lines)]
    paragraphs += ["## What the paper says in words", "\n".join(said)] if said else []
    return "\n\n".join([*paragraphs, "## What ours runs", "\n".join(_runs(lines))]) + "\n"


def csv_rows(table: Table, lines: Sequence[Line]) -> Iterator[list[str]]:
    """A header, then everything that is known of each row; a number that is not is empty.

    What differs between the test sets of a row is joined by semicolons.
    """
    sides = ("ours", "paper", "difference")
    columns = [f"{column.key} {side}" for column in table.columns for side in sides]
    yield [*_COLUMNS[:2], *table.words, *_COLUMNS[2:], *columns, *_ENDING]
    for line in lines:
        row, parts = line.row, list(line.parts.values())
        numbers = [
            "" if value is None else str(value)
            for column in table.columns
            for value in (line.ours(column), line.paper(column), line.difference(column))
        ]
        done = [part for part in parts if part.measured is not None]
        yield [
            *(table.name, row.label, *(row.facts or [""] * len(table.words))),
            row.network.model if row.network else "",
            _joined(part.job.policy for part in parts),
            _joined(str(part.job.gap or "") for part in parts),
            _joined(part.job.weights for part in parts if part.job.checkpoint or part.job.tool),
            _joined(part.status for part in parts) or _PRINTED_ONLY,
            *numbers,
            _joined(part.measured.device for part in done),
            _joined(part.job.finished() for part in done),
            "; ".join(f"{p.job.on} {p.measured.videos}" for p in done if p.measured.videos),
            row.source or table.source,
            row.flag,
            row.note,
            _joined(part.job.command for part in parts),
        ]


def cell(line: Line, column: Column) -> str:
    """Ours / the paper's (difference); ours alone where nothing is printed."""
    decimals = METRICS[column.metric].decimals
    ours, paper, difference = line.ours(column), line.paper(column), line.difference(column)
    shown = ABSENT if ours is None else _as_text(ours, decimals)
    if not line.table.source:
        return shown
    text = f"{shown} / {NO_PRINT if paper is None else _as_text(paper, decimals)}"
    return text if difference is None else f"{text} ({difference:+.{decimals}f})"


def _as_text(value: Printed, decimals: int) -> str:
    return value if isinstance(value, str) else f"{value:.{decimals}f}"


def _title(column: Column) -> str:
    title = METRICS[column.metric].title
    if column.at:
        return f"{title} at {column.at:,} frames"
    return f"{title}, {column.on}" if column.on else title


def _cells(line: Line, notes: list[str]) -> list[str]:
    """One row; its footnotes are added to ``notes``."""
    row, label = line.row, line.row.label
    source = f"The paper's: {row.source}." if row.source else ""
    for note in filter(None, (row.flag, row.note, source)):
        if note not in notes:
            notes.append(note)
        label += f" [{notes.index(note) + 1}]"
    words = row.facts or [""] * len(line.table.words)
    state = _joined(_state(part) for part in line.parts.values())
    return [label, *words, *(cell(line, c) for c in line.table.columns), state or _PRINTED_ONLY]


def _state(part: Part) -> str:
    """In short; ``_runs`` says more."""
    if part.measured is None and part.job.missing:
        return "not run, files missing"
    return part.status.partition(":")[0]


def _runs(lines: Sequence[Line]) -> Iterator[str]:
    """A table of what is run, a row for each job."""
    header = ("method", "on", "model", "long-term memory", "weights", "videos", "machine", "state")
    yield _table_row(header)
    yield _table_row("---" for _ in header)
    for line in lines:
        for part in line.parts.values():
            job, measured = part.job, part.measured
            memory = f"{job.policy}, updated every {job.gap} frames" if job.policy else ""
            videos = f"{measured.videos} of {job.full}" if measured and job.full else ""
            device = f"{measured.device}, {job.finished()}" if measured else ""
            network = line.row.network
            model = " ".join([network.model, *network.overrides]) if network else ""
            weights = job.weights if network else ""
            cells = (line.row.label, job.where, model, memory, weights, videos)
            yield _table_row([*cells, device.lstrip(", "), part.status])


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _table_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(text.split()).replace("|", "\\|") for text in cells) + " |"
