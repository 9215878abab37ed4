"""Bars of J&F, a panel for each test set: ours above the paper's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mavos.paper.lines import Line
from mavos.paper.schema import METRICS, Column, Table
from mavos.paper.testsets import TEST_SETS
from mavos.pictures.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, PAPER, TEXT = "#1b6ca8", "#c9cdd2", "#4a4f55"


def make(table: Table, lines: Sequence[Line]) -> "Figure":
    """Raises NoMatplotlib."""
    columns = [column for column in table.columns if column.metric == table.columns[0].metric]
    figure = new_figure(3.2 + 3.2 * len(columns), 1.9 + 0.42 * len(lines))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, column in zip(panels, columns, strict=True):
        _panel(axes, column, lines)
    panels[0].set_yticks(range(len(lines)), [line.row.label for line in lines], fontsize=9)
    panels[0].invert_yaxis()
    handles = [panels[0].barh(0, 0, color=color) for color in (OURS, PAPER)]
    figure.legend(
        handles, ["ours", "the paper's"], frameon=False, fontsize=8, loc="outside upper right"
    )
    return figure


def _panel(axes: "Axes", column: Column, lines: Sequence[Line]) -> None:
    for place, line in enumerate(lines):
        part = line.parts.get(column.on)
        ours, paper, difference = line.ours(column), line.paper(column), line.difference(column)
        change = "" if difference is None else f"  ({difference:+.1f})"
        not_run = "not run" if part is not None else ""
        middle = place if part is None else place + 0.19
        for y, value, color, absent, more in (
            (place - 0.19, ours, OURS, not_run, change),
            (middle, paper, PAPER, "", ""),
        ):
            is_number = isinstance(value, float | int)
            end = value if is_number else 0
            axes.barh(y, end, height=0.36, color=color)
            text = f"{value:.1f}{more}" if is_number else value or absent
            axes.text(end + 0.8, y, text, va="center", fontsize=7.5, color=TEXT)
    title = f"{METRICS[column.metric].title}, {TEST_SETS[column.on].title}"
    axes.set_title(title, fontsize=8.5, loc="left", color=TEXT)
    axes.set_xlim(0, 128)
    axes.set_xticks(range(0, 101, 25))
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
