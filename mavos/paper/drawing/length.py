"""Speed and memory of one video as it gets longer, with the paper's Fig. 1 beside it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mavos.paper.drawing.bars import TEXT
from mavos.paper.length import read_record
from mavos.paper.lines import Line
from mavos.paper.schema import Table
from mavos.paper.tables.mavos_figure import FIG1
from mavos.paper.testsets import TEST_SETS
from mavos.pictures.plots import line_color, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GIB = 2**30
_MASK_BYTES = 4  # of a pixel of a float32 map


def make(table: Table, lines: Sequence[Line]) -> "Figure":
    """Raises NoMatplotlib."""
    figure = new_figure(12, 5.2)
    speed, memory = figure.subplots(1, 2)
    for i, line in enumerate(lines):
        record = read_record(line.parts[""].job) if line.parts[""].measured else None
        if record is None:
            speed.plot([], [], color=line_color(i), label=f"{line.row.label}, not run")
            continue
        rows = [row for row in record["rows"] if row["seconds"] > 0]
        frames = [row["frame"] for row in rows]
        style = {"color": line_color(i), "linewidth": 2}
        fps = [row["predicted"] / row["seconds"] for row in rows]
        speed.plot(frames, fps, label=line.row.label, **style)
        held = [row["peak_bytes"] / _GIB for row in rows]
        memory.plot(frames, held, **style)
        if record["ended"] is not None:
            for axes, values in ((speed, fps), (memory, held)):
                axes.plot(
                    frames[-1:], values[-1:], "x", color=line_color(i), markersize=10, mew=2.5
                )
        if line.row.label == "MAVOS":
            _add_kept_masks(memory, frames, held, record["frame_size"])
    _add_paper(memory)
    for axes, title in ((speed, "frames per second since the start"), (memory, "memory, GB")):
        axes.set_title(title, fontsize=9.5, color=TEXT, loc="left")
        axes.set_xlabel("length of the video, frames", fontsize=8.5)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    memory.legend(frameon=False, fontsize=8, loc="upper left")
    handles, names = speed.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=4, frameon=False, fontsize=8.5)
    return figure


def _add_kept_masks(
    axes: "Axes", frames: Sequence[int], held: Sequence[float], size: tuple[int, int]
) -> None:
    """What MAVOS would hold if all masks of the video stayed on the device as float32, as the
    released evaluation keeps them."""
    each = _MASK_BYTES * size[0] * size[1] / _GIB
    values = [base + each * number for number, base in zip(frames, held, strict=True)]
    label = "MAVOS, were its masks kept on the device (computed)"
    axes.plot(frames, values, "--", color="0.55", linewidth=1.2, label=label)


def _add_paper(axes: "Axes") -> None:
    """The memory that Fig. 1 prints for MAVOS."""
    printed = {on: FIG1.printed("MAVOS", f"memory {on}") for on in TEST_SETS}
    points = [(TEST_SETS[on].mean_frames, value) for on, value in printed.items()]
    label = "MAVOS in the paper's Fig. 1, by mean length"
    axes.plot(*zip(*points, strict=True), "D", color="0.35", markersize=5, label=label)
