"""Fig. 1 left of the paper: FPS over the mean length of the videos, the memory at the points."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mavos.paper.drawing.bars import TEXT
from mavos.paper.lines import Line
from mavos.paper.schema import Column, Printed, Table
from mavos.paper.testsets import TEST_SETS
from mavos.pictures.plots import line_color, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Value = Callable[[Line, Column], Printed]

_SCORE = "J&F"
_NO_POINT = 0.0  # where the paper marks a network that ran out of memory
_NEAR = 0.12  # of the height: points no further apart have their labels on two sides


def make(table: Table, lines: Sequence[Line]) -> "Figure":
    """The paper's on the left, ours beside it. Raises NoMatplotlib."""
    figure = new_figure(12, 5.6)
    paper, ours = figure.subplots(1, 2)
    _panel(paper, table, lines, lambda line, column: line.paper(column))
    _panel(ours, table, lines, lambda line, column: line.ours(column))
    parts = [part for line in lines for part in line.parts.values()]
    devices = sorted({part.measured.device for part in parts if part.measured is not None})
    paper.set_title("the paper's, one V100", fontsize=9.5, color=TEXT)
    ours.set_title(f"ours, {', '.join(devices) or 'not run yet'}", fontsize=9.5, color=TEXT)
    handles, names = paper.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=4, frameon=False, fontsize=8.5)
    return figure


def _panel(axes: "Axes", table: Table, lines: Sequence[Line], value: Value) -> None:
    columns = {(column.metric, column.on): column for column in table.columns}
    sets = dict.fromkeys(column.on for column in table.columns)
    labels: dict[str, list[tuple[float, str, int]]] = {on: [] for on in sets}
    for i, line in enumerate(lines):
        speeds = {on: value(line, columns["FPS", on]) for on in sets}
        held = {on: value(line, columns["memory", on]) for on in sets}
        points = {on: speed for on, speed in speeds.items() if isinstance(speed, float | int)}
        frames = [TEST_SETS[on].mean_frames for on in points]
        axes.plot(
            frames, list(points.values()), "o-", color=line_color(i), label=line.row.label, lw=2
        )
        for on, memory in held.items():
            if isinstance(memory, str):
                axes.plot(TEST_SETS[on].mean_frames, _NO_POINT, "x", color=line_color(i), mew=2.5)
                labels[on].append((_NO_POINT, "OOM", i))
            elif on in points and memory is not None:
                labels[on].append((points[on], f"{memory:.1f} GB", i))
    axes.set_xscale("log")
    axes.set_xlim(50, 5000)
    highest = max([speed for found in labels.values() for speed, _, _ in found], default=40)
    axes.set_ylim(-0.09 * highest, 1.15 * highest)
    _write_memory(axes, labels)
    _write_scores(axes, lines, columns, value)
    marks = {f"{TEST_SETS[on].mean_frames}\n{on}": TEST_SETS[on].mean_frames for on in sets}
    axes.set_xticks(list(marks.values()), list(marks), fontsize=8.5)
    axes.minorticks_off()
    axes.set_xlabel("mean frames per video (Table 1)", fontsize=8.5)
    axes.set_ylabel("frames per second", fontsize=8.5)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _write_memory(axes: "Axes", labels: dict[str, list[tuple[float, str, int]]]) -> None:
    """Above each point; below it where another one is close above."""
    near = _NEAR * (axes.get_ylim()[1] - axes.get_ylim()[0])
    for on, found in labels.items():
        speeds = [speed for speed, _, _ in found]
        for speed, text, i in found:
            is_below = any(0 < other - speed < near for other in speeds)
            axes.annotate(
                text,
                (TEST_SETS[on].mean_frames, speed),
                (8, -7 if is_below else 7),
                textcoords="offset points",
                color=line_color(i),
                fontsize=8.5,
                fontweight="bold",
                ha="center",
                va="top" if is_below else "bottom",
            )


def _write_scores(axes: "Axes", lines: Sequence[Line], columns: dict, value: Value) -> None:
    """J&F as a small table inside, as the paper has it."""
    sets = [on for metric, on in columns if metric == _SCORE]
    cells = [[_score(value(line, columns[_SCORE, on])) for on in sets] for line in lines]
    if not any(map(any, cells)):
        return
    inner = axes.table(
        cellText=cells,
        rowLabels=[line.row.label for line in lines],
        colLabels=[f"J&F {on}" for on in sets],
        bbox=(0.62, 0.36, 0.37, 0.25),
        cellLoc="center",
    )
    inner.auto_set_font_size(False)
    inner.set_fontsize(7)
    for (_, column), box in inner.get_celld().items():
        box.set_linewidth(0.4)
        box.set_edgecolor("0.75")
        if column == -1:
            box.set_text_props(ha="right")


def _score(value: Printed) -> str:
    return "" if value is None else f"{value:.1f}"
