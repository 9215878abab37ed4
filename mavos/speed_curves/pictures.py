"""Pictures of what was measured, after Fig. 1 of the paper: speed on the left, memory beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mavos.pictures.plots import line_color, new_figure, write_figure
from mavos.speed_curves.report import MB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HOLDS = {  # each policy of the memory, for people who see the picture only
    "mca": "two frames, one of them fused by MCA",
    "reference": "the first annotated frame",
    "previous": "the last stored frame ({stored})",
    "reference_previous": "the first and the last stored frame ({stored})",
    "last": "the last {frames} stored frames ({stored})",
    "first": "the first stored frames and the newest two, {frames} + 1 ({stored})",
    "all": "all stored frames ({stored})",
}
LOG_FROM = 20  # times the least value is the greatest: then a logarithmic axis shows more
_LEAST_DISTANCE = 0.055  # of the numbers beside the ends of curves, in heights of the panel


@dataclass
class Curve:
    """Values against the length of the video or the number of objects."""

    name: str
    x: list[int]
    y: list[float]
    ended: bool = False  # too early


@dataclass(frozen=True)
class Clock:
    """What times are drawn, and how the axes call them."""

    milliseconds: str  # per frame, of a row
    frames: str  # of a row, and the seconds
    seconds: str  # that they took
    speed_label: str
    time_label: str


CLOCKS = {
    "wall": Clock(
        "ms_per_frame",
        "predicted",
        "seconds",
        "speed over the whole video, FPS",
        "time per frame, ms",
    ),
    "cpu": Clock(
        "cpu_ms_per_frame",
        "frame",
        "cpu_seconds",
        "frames per second of CPU time, whole video",
        "CPU time per frame, ms",
    ),
}


def draw(length: Sequence[dict], objects: Sequence[dict], folder: Path, clock: Clock) -> list[Path]:
    """Write benchmark.png and, if objects were counted, objects.png; returns their paths.

    Raises NoMatplotlib, and OutputError if a file cannot be written.
    """
    length = [record for record in length if record["rows"]]
    objects = [record for record in objects if len(record["rows"]) > 1]
    figures = {}
    if length:
        figures[folder / "benchmark.png"] = _against_length(length, clock)
    if objects:
        figures[folder / "objects.png"] = _against_objects(objects, clock)
    for path, figure in figures.items():
        write_figure(path, figure)
    return list(figures)


def _against_length(records: Sequence[dict], clock: Clock) -> "Figure":
    figure, speed, memory = _panels("length of the video", records)
    speeds, peaks = [], []
    for record in records:
        rows = [row for row in record["rows"] if row[clock.seconds] > 0]  # there was an object
        ended = record["ended"] is not None
        name, frames = _name(record, records), [row["frame"] for row in rows]
        fps = [row[clock.frames] / row[clock.seconds] for row in rows]
        speeds.append(Curve(name, frames, fps, ended))
        peaks.append(Curve(name, frames, [row["peak_bytes"] / MB for row in rows], ended))
    _draw(speed, speeds, "FPS")
    _draw(memory, peaks, "MB")
    for axes in (speed, memory):
        axes.set_xlabel("length of the video, frames")
    speed.set_ylabel(clock.speed_label)
    _finish(figure, memory, records)
    return figure


def _against_objects(records: Sequence[dict], clock: Clock) -> "Figure":
    figure, speed, memory = _panels("number of objects", records)
    times: dict[str, Curve] = {}
    peaks: dict[str, Curve] = {}
    for record in records:
        name, row = _name(record, records), record["rows"][-1]
        for curves, value in ((times, row[clock.milliseconds]), (peaks, row["peak_bytes"] / MB)):
            curve = curves.setdefault(name, Curve(name, [], []))
            curve.x.append(row["objects"])
            curve.y.append(value)
    _draw(speed, list(times.values()), "ms", marker="o")
    _draw(memory, list(peaks.values()), "MB", marker="o")
    for axes in (speed, memory):
        axes.set_xlabel("number of objects")
    speed.set_ylabel(clock.time_label)
    _finish(figure, memory, records)
    return figure


def _panels(against: str, records: Sequence[dict]) -> tuple["Figure", "Axes", "Axes"]:
    figure = new_figure(10, 5)
    models = {record["run"]["model"] for record in records}
    of = f" of {models.pop()}" if len(models) == 1 else ""
    title = f"Speed and memory{of} against the {against}"
    # the empty line makes room for the conditions, smaller and in grey
    figure.suptitle(f"{title}\n", fontweight="bold")
    figure.text(0.5, 0.925, _conditions(records), ha="center", fontsize="small", color="0.35")
    return figure, *figure.subplots(1, 2)


def _draw(axes: "Axes", curves: Sequence[Curve], unit: str, marker: str = "") -> None:
    """Curves from zero up, each with its last value beside it; a cross where one ended early."""
    values = [value for curve in curves for value in curve.y]
    for i, curve in enumerate(curves):
        color = line_color(i)
        axes.plot(curve.x, curve.y, color=color, linewidth=2, marker=marker, label=curve.name)
        if curve.ended:
            axes.plot(curve.x[-1:], curve.y[-1:], "x", color=color, markersize=10, mew=2.5)
    if values and max(values) > LOG_FROM * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(0, 1.08 * max(values, default=1))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    _write_ends(axes, curves, unit)


def _write_ends(axes: "Axes", curves: Sequence[Curve], unit: str) -> None:
    """The last value of each curve to the right of the panel, none over another."""
    to_panel = axes.transData + axes.transAxes.inverted()
    ends = {i: (c.x[-1], c.y[-1]) for i, c in enumerate(curves) if c.x}
    heights = {i: to_panel.transform(end)[1] for i, end in ends.items()}
    upwards = sorted(heights, key=heights.get)
    lowest, highest = 0.0, 1.0
    for i in upwards:
        heights[i] = max(heights[i], lowest)
        lowest = heights[i] + _LEAST_DISTANCE
    for i in reversed(upwards):  # so that many are not pushed out at the top
        heights[i] = min(heights[i], highest)
        highest = heights[i] - _LEAST_DISTANCE
    for i, height in heights.items():
        value = ends[i][1]
        text = f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
        where = {"transform": axes.transAxes, "va": "center"}
        axes.text(1.01, height, text, color=line_color(i), fontweight="bold", **where)


def _finish(figure: "Figure", memory: "Axes", records: Sequence[dict]) -> None:
    """The axis of the memory, what of it is not the video's, and the names of the curves."""
    on_gpu = records[0]["machine"]["device"] not in ("cpu", "mps")
    memory.set_ylabel("most memory held by tensors, MB" if on_gpu else "most memory held, MB")
    if len({record["run"]["model"] for record in records}) == 1:
        loaded = min(record["loaded_bytes"] for record in records) / MB
        memory.axhline(loaded, color="0.5", linestyle=":", linewidth=1.2)
        what = "the network" if on_gpu else "libraries and network"
        style = {"color": "0.4", "fontsize": "small", "va": "top"}
        memory.annotate(
            what,
            (0.02, loaded),
            (0, -4),
            xycoords=memory.get_yaxis_transform(),
            textcoords="offset points",
            **style,
        )
    handles, names = memory.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", frameon=False, ncols=2)


def _name(record: dict, records: Sequence[dict]) -> str:
    """What distinguishes the curve of a record, in words."""
    run, model = record["run"], record["config"]["model"]
    gap = model["test_memory_gap"]
    stored = f"1 in {gap}" if gap < run["frames"] else "annotated ones"
    holds = HOLDS[run["policy"]].format(frames=model["memory_frames"], stored=stored)
    memory = f"memory {run['policy']}: {holds}"
    alone = len({other["run"]["model"] for other in records}) == 1
    return memory if alone else f"{run['model']}, {memory}"


def _conditions(records: Sequence[dict]) -> str:
    """What the curves were measured with, in one line."""
    sizes, networks = (
        " or ".join(sorted({"x".join(map(str, reversed(record[key]))) for record in records}))
        for key in ("frame_size", "network_size")
    )
    objects = {row["objects"] for record in records for row in record["rows"][-1:]}
    machine = records[0]["machine"]
    parts = [f"{sizes} frames ({networks} in the network)"]
    if len(objects) == 1:
        number = objects.pop()
        parts.append(f"{number} object{'s' if number > 1 else ''}")
    parts.append(" or ".join(sorted({record["precision"] for record in records})))
    if machine["device"] == "cpu":
        threads = machine["threads"]
        parts.append(f"{machine['processor']}, {threads} thread{'s' if threads > 1 else ''}")
    else:
        parts.append(machine["device"])
    return ", ".join(parts)
