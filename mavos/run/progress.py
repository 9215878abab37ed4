"""Progress bars, all of one form: on standard error, and few lines where that is a log file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Tick = Callable[[int, int | None], None]  # done so far, of how many; None: nobody knows

_SECONDS_BETWEEN_LINES = 10.0  # in a log file


def progress_bar(total: int | None = None, unit: str = "frame", **more) -> tqdm:
    """A bar up to ``total``; ``more`` are options of tqdm, such as ``desc`` and ``disable``."""
    between = 0.1 if sys.stderr.isatty() else _SECONDS_BETWEEN_LINES
    return tqdm(
        total=total, unit=unit, file=sys.stderr, dynamic_ncols=True, mininterval=between, **more
    )


@contextmanager
def ticking(name: str, unit: str = "frame", **more) -> Iterator[Tick]:
    """A bar for work that reports how far it is; it appears with the first report."""
    with progress_bar(None, unit, desc=name, delay=1e-6, **more) as bar:

        def tick(done: int, total: int | None) -> None:
            if bar.total is None and bar.n == 0:
                bar.initial = done  # what an earlier call left says nothing about the speed
            bar.total = total
            bar.update(done - bar.n)

        yield tick
