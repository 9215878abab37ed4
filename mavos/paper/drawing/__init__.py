"""The pictures of the tables."""

import logging
import textwrap
from collections.abc import Sequence
from pathlib import Path

from mavos.paper.drawing import bars, figure1, length
from mavos.paper.lines import Line
from mavos.paper.schema import Table
from mavos.pictures.plots import NoMatplotlib, write_figure

log = logging.getLogger(__name__)

_OWN = {"fig1": figure1.make, "length": length.make}  # pictures that are no bars


def draw(table: Table, lines: Sequence[Line], warnings: Sequence[str], stem: Path) -> list[Path]:
    """Write ``<stem>.png``, with the warnings on it, and return its path.

    Where matplotlib is missing it says so in the log and returns nothing, as for a table that has
    nothing to draw.
    """
    if table.kind == "datasets":
        return []
    try:
        figure = _OWN.get(table.name, bars.make)(table, lines)
    except NoMatplotlib as error:
        log.warning("no picture: %s", error)
        return []
    figure.suptitle(table.title, x=0.01, ha="left", fontsize=11)
    if warnings:
        text = "\n".join(
            textwrap.fill(one, 25 * round(figure.get_figwidth() / 2)) for one in warnings
        )
        figure.supxlabel(text, x=0.01, ha="left", fontsize=7.5, color="#8a2b06")
    path = Path(f"{stem}.png")
    write_figure(path, figure)
    return [path]
