"""Scores as a table, as the CSV files of the official scorers, and as JSON."""

import csv
import math
from pathlib import Path

from mavos.scoring.protocols import Protocol
from mavos.scoring.scores import Scores
from mavos.utils.files import atomic_path, write_json


def table(scores: Scores, protocol: Protocol) -> str:
    """The means, and a row for each object, as lines of text; 0 to 1."""
    rows = [
        (f"{video}_{object_id}", [f"{v:.3f}" for v in scores.of_object(video, object_id).values()])
        for video, objects in scores.videos.items()
        for object_id in objects
    ]
    width = max(len(name) for name, _ in rows)
    title = f"{protocol.title}: {len(scores.videos)} videos, {len(rows)} objects"
    lines = [f"{title} ({protocol.note})" if protocol.note else title, ""]
    total = scores.total()
    lines += ["  ".join(total), "  ".join(f"{v:{len(name)}.3f}" for name, v in total.items()), ""]
    lines.append("  ".join([f"{'object':{width}}", *scores.measures]))
    for name, values in rows:
        cells = (f"{v:>{len(m)}}" for m, v in zip(scores.measures, values, strict=True))
        lines.append("  ".join([f"{name:{width}}", *cells]))
    return "\n".join(lines)


def write(scores: Scores, protocol: Protocol, split: str, folder: Path) -> list[Path]:
    """``global_results-<split>.csv`` and ``per-sequence_results-<split>.csv``, as the toolkits of
    DAVIS and LVOS write them, and ``scores.json`` with everything; returns their paths.

    Each is written whole or not at all. Raises OutputError if that cannot be done.
    """
    paths = [
        folder / f"global_results-{split}.csv",
        folder / f"per-sequence_results-{split}.csv",
        folder / "scores.json",
    ]
    total = scores.total()
    _write_csv(paths[0], list(total), [[_cell(v) for v in total.values()]])
    means = [m for m in scores.measures if m.endswith("-Mean") and m != "J&F-Mean"]
    rows = []
    for video, objects in scores.videos.items():
        for object_id in objects:
            measured = scores.of_object(video, object_id)
            rows.append([f"{video}_{object_id}", *(_cell(measured[m]) for m in means)])
    _write_csv(paths[1], ["Sequence", *means], rows)
    write_scores_json(scores, protocol, paths[2])
    return paths


def write_scores_json(scores: Scores, protocol: Protocol, path: Path) -> None:
    """Means over everything, of each video and of each object, and the values of each frame."""
    header = {"protocol": protocol.name, "title": protocol.title}
    if protocol.note:
        header["note"] = protocol.note
    write_json(path, header | scores.to_json())


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"  # as pandas writes it for the toolkits


def _write_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
