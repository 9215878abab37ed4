"""Work on many videos, shared among processes."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from typing import TypeVar

import cv2

from mavos.run.progress import progress_bar
from mavos.utils.cores import cores
from mavos.utils.errors import UserError
from mavos.utils.pixel_limit import most_pixels, set_most_pixels

_FRAMES_OF_A_PROCESS = 1000  # fewer take less time than starting it

Item, Result = TypeVar("Item"), TypeVar("Result")


def worthwhile(sizes: Sequence[int]) -> int:
    """How many processes are worth starting for videos of these many frames."""
    return min(cores(), 1 + sum(sizes) // _FRAMES_OF_A_PROCESS)


def in_processes(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    sizes: Sequence[int],
    processes: int,
    bar: bool = False,
) -> list[Result]:
    """``work`` on each item, results in their order; in this process if ``processes`` is 1.

    sizes: frames of each; large ones are begun first. bar: show progress. Raises what ``work``
    raises, and UserError if a process dies.
    """
    progress = progress_bar(sum(sizes), disable=not bar)
    processes = min(processes, len(items))
    results: dict[int, Result] = {}
    with progress:
        done = (
            _one_by_one(work, items) if processes <= 1 else _shared(work, items, sizes, processes)
        )
        for index, result in done:
            results[index] = result
            progress.update(sizes[index])
    return [results[index] for index in range(len(items))]


def _one_by_one(
    work: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[int, Result]]:
    return ((index, work(item)) for index, item in enumerate(items))


def _shared(
    work: Callable[[Item], Result], items: Sequence[Item], sizes: Sequence[int], processes: int
) -> Iterator[tuple[int, Result]]:
    """Index and result of each item as it is done."""
    # never forked from here: the child of a process that uses CUDA or threads may hang
    clean = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context(clean), _as_worker, (most_pixels(),)
    )
    order = sorted(range(len(items)), key=lambda index: -sizes[index])
    try:
        futures = {pool.submit(work, items[index]): index for index in order}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenExecutor as error:
        raise UserError(
            "a process that scored was killed, maybe for want of memory; use --processes 1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _as_worker(pixels: int) -> None:
    """One thread each, or OpenCV's would fight for the same cores; Ctrl-C is the parent's."""
    set_most_pixels(pixels)
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
