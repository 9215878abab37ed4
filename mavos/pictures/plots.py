"""Curves, as a PNG: of a training run, and what other plots share. Needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mavos.pictures.drawing import object_color
from mavos.utils.errors import UserError
from mavos.utils.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOR_IDS = (7, 6, 5, 3, 2, 1)  # the object colours dark enough for white paper, dark ones first


class NoMatplotlib(UserError):
    """Nothing can be drawn; the message says how to install it."""


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, that needs no screen. Raises NoMatplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoMatplotlib(
            "plots need matplotlib: pip install matplotlib, or pip install -e .[demo]"
        ) from error
    # no pyplot: it would keep every figure and ask for a screen
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def write_figure(path: Path, figure: "Figure") -> None:
    """Write a PNG, whole or not at all. Raises OutputError if it cannot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with atomic_path(path) as partial:
        FigureCanvasAgg(figure).print_png(partial)


def line_color(index: int) -> tuple[float, float, float]:
    """RGB, 0 to 1, of the curve with that index (from 0); the six colours repeat."""
    rgb = object_color(_COLOR_IDS[index % len(_COLOR_IDS)])
    return tuple(channel / 255 for channel in rgb)


def loss_curve(
    path: Path,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    y_label: str = "loss",
    log_scale: bool = False,
) -> None:
    """Draw each series as a light line of its values and a strong one of their moving mean.

    series: name -> (steps, values), of one length; values that are not finite leave a gap. A mean
    is over a thirtieth of them. log_scale: of the values. Raises NoMatplotlib, ValueError for
    lengths that differ, and OutputError if the file cannot be written.
    """
    figure = new_figure(8, 4.5)
    axes = figure.add_subplot()
    for i, (name, (steps, values)) in enumerate(series.items()):
        steps, values = np.asarray(steps, float), np.asarray(values, float)
        if steps.shape != values.shape or steps.ndim != 1:
            raise ValueError(f"{name}: {steps.shape} steps for {values.shape} values")
        window = max(1, len(values) // 30)
        color = line_color(i)
        if window > 1:
            axes.plot(steps, values, color=color, alpha=0.3, linewidth=0.8)
        axes.plot(steps, moving_mean(values, window), color=color, linewidth=1.8, label=name)
    if log_scale:
        from matplotlib.ticker import LogLocator, NullFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")  # 0.5, not 5x10^-1
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(title=title, xlabel="step", ylabel=y_label)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        axes.legend(frameon=False)
    write_figure(path, figure)


def moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of up to ``window`` values around each one, fewer at the ends; (n,) -> (n,).

    Values that are not finite are left out; NaN where none is left.
    """
    finite = np.isfinite(values)
    sums = _window_sums(np.where(finite, values, 0), window)
    counts = _window_sums(finite.astype(float), window)
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def _window_sums(values: np.ndarray, window: int) -> np.ndarray:
    totals = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(len(values))
    start = np.maximum(centre - (window - 1) // 2, 0)
    stop = np.minimum(centre + window // 2 + 1, len(values))
    return totals[stop] - totals[start]
