"""The pictures of the tables: bars of the first metric, or speed against memory."""

import logging
import textwrap
from collections.abc import Sequence
from pathlib import Path

from mavos.paper.lines import Line
from mavos.paper.schema import METRICS, Table
from mavos.pictures.plots import NoMatplotlib, new_figure, write_figure

log = logging.getLogger(__name__)

_OURS, _PAPER, _TEXT = "#1b6ca8", "#c9cdd2", "#4a4f55"


def draw(table: Table, lines: Sequence[Line], warnings: Sequence[str], path: Path) -> list[Path]:
    """Write the picture of a table, with the warnings on it, and return its path.

    Where matplotlib is missing it says so in the log and returns nothing.
    """
    try:
        figure = new_figure(8, 1.6 + 0.55 * len(lines))
    except NoMatplotlib as error:
        log.warning("no picture: %s", error)
        return []
    axes = figure.add_subplot()
    (_speed_and_memory if table.kind == "benchmark" else _bars)(axes, table, lines)
    axes.set_title(table.title, loc="left", fontsize=11)
    told = "\n".join([axes.get_xlabel(), *(textwrap.fill(text, 100) for text in warnings)])
    axes.set_xlabel(told, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    write_figure(path, figure)
    return [path]


def _bars(axes, table: Table, lines: Sequence[Line]) -> None:
    """Ours above the paper's for each row, with the difference; words where a number lacks."""
    metric = table.metrics[0]
    decimals = METRICS[metric].decimals
    for place, line in enumerate(lines):
        ours, paper, difference = line.ours(metric), line.paper(metric), line.difference(metric)
        for y, value, color, absent in (
            (place - 0.19, ours, _OURS, "not run" if line.job else line.status),
            (place + 0.19, paper, _PAPER, "not carried yet"),
        ):
            axes.barh(y, value or 0, height=0.36, color=color)
            text = absent if value is None else f"{value:.{decimals}f}"
            if value is ours is not None and difference is not None:
                text += f"  ({difference:+.{decimals}f})"
            axes.text((value or 0) + 0.6, y, text, va="center", fontsize=8, color=_TEXT)
    axes.set_yticks(range(len(lines)), [line.row.label for line in lines])
    axes.invert_yaxis()
    axes.set(xlabel=METRICS[metric].title, xlim=(0, 112))
    axes.set_xticks(range(0, 101, 20))
    handles = [axes.barh(0, 0, color=color) for color in (_OURS, _PAPER)]
    axes.legend(handles, ["ours", "the paper's"], frameon=False, fontsize=8, loc="upper right",
                bbox_to_anchor=(1, 1.12), ncols=2)  # fmt: skip


def _speed_and_memory(axes, table: Table, lines: Sequence[Line]) -> None:
    """A point for each row that was measured; the others are named below."""
    measured = [line for line in lines if line.measured is not None]
    several = len({line.measured.device for line in measured}) > 1
    for line in measured:
        point = line.measured.values["memory"], line.measured.values["FPS"]
        axes.scatter(*point, s=50, color=_OURS)
        told = line.row.label + (f"\n{line.measured.device}" if several else "")
        axes.annotate(told, point, xytext=(6, 4), textcoords="offset points", fontsize=8)
    absent = [line.row.label for line in lines if line.measured is None]
    label = METRICS["memory"].title + (f"\nnot run: {', '.join(absent)}" if absent else "")
    axes.set(xlabel=label, ylabel=METRICS["FPS"].title)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
