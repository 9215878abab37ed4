"""Many videos at once: everything that is missing is told first, then processes share the work."""

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
from tqdm import tqdm

from tools.scoring.plans import USUAL, Options
from tools.scoring.predictions import FolderOfMasks, Predictions
from tools.scoring.protocols import GENERIC, Protocol
from tools.scoring.scores import GROUPS, Scores
from tools.scoring.truth import Truth
from tools.scoring.videos import check_complete, score_files
from utils.errors import UserError

log = logging.getLogger(__name__)

_FRAMES_OF_A_PROCESS = 500  # take about as long as to start it

Item, Result = TypeVar("Item"), TypeVar("Result")


def score_all(
    protocol: Protocol,
    truth: Truth,
    predictions: Predictions,
    processes: int | None = None,
    options: Options = USUAL,
    bar: bool = False,
) -> Scores:
    """Score the videos of ``truth`` by a protocol.

    processes: videos scored at a time, from 2 on in processes of their own; None for what is worth
    starting. bar: show progress. Raises UserError for whatever would make the official scorer stop
    or mislead, see ``videos``.
    """
    plans = [protocol.plan(truth, video, options) for video in truth.videos]
    for plan in plans:
        check_complete(plan, predictions)
    score_one = partial(score_files, protocol, predictions)
    sizes = [len(plan.truths) for plan in plans]
    if processes is None:
        processes = min(_usable_cores(), 1 + sum(sizes) // _FRAMES_OF_A_PROCESS)
    results = in_processes(score_one, plans, sizes, processes, bar)
    scored = keep_scored(truth.videos, results)
    groups = {
        (plan.name, object_id): group
        for plan in plans
        for object_id, group in plan.groups.items()
        if object_id in scored.get(plan.name, {})
    }
    empty = [group for group in GROUPS if groups and group not in groups.values()]
    if empty:
        raise UserError(
            f"no {empty[0]} object among the {len(scored)} videos, so there is no mean over seen "
            "and unseen. Score all videos of the split, or take the list of what is unseen away"
        )
    return Scores(scored, protocol.measures, groups, options.like_toolkit)


def score_folders(
    pred_dir: Path, gt_dir: Path, videos: Sequence[str], processes: int = 1
) -> Scores:
    """Score ``pred_dir/<video>/<frame>`` against ``gt_dir/<video>/<frame>``, protocol "generic".

    The truth says which frames count: predictions without one are ignored, and its first frame
    needs none. Raises UserError for a missing frame, one of another size, and when there is no
    object to score.
    """
    truth, predictions = Truth(gt_dir, tuple(videos)), FolderOfMasks(pred_dir)
    return score_all(GENERIC, truth, predictions, processes)


def _usable_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_processes(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    sizes: Sequence[int],
    processes: int,
    bar: bool = False,
) -> list[Result]:
    """``work`` on each item, in their order; large ones are begun first. sizes: frames of each."""
    progress = tqdm(
        total=sum(sizes),
        unit="frame",
        file=sys.stderr,
        disable=not bar,
        dynamic_ncols=True,
        mininterval=0.1 if sys.stderr.isatty() else 10.0,  # a log file wants few lines
    )
    results: dict[int, Result] = {}
    with progress:
        if min(processes, len(items)) <= 1:
            for index, item in enumerate(items):
                results[index] = work(item)
                progress.update(sizes[index])
        else:
            # never forked from here: the child of a process that uses CUDA or threads may hang
            methods = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context(
                "forkserver" if "forkserver" in methods else "spawn"
            )
            order = sorted(range(len(items)), key=lambda index: -sizes[index])
            pool = ProcessPoolExecutor(min(processes, len(items)), context, _as_worker)
            try:
                futures = {pool.submit(work, items[index]): index for index in order}
                for future in as_completed(futures):
                    results[futures[future]] = future.result()
                    progress.update(sizes[futures[future]])
            finally:
                pool.shutdown(cancel_futures=True)
    return [results[index] for index in range(len(items))]


def _as_worker() -> None:
    """One thread each, or OpenCV's would fight for the same cores; Ctrl-C is the parent's."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def keep_scored(videos: Sequence[str], results: Sequence[dict]) -> dict[str, dict]:
    """Video -> its scores, of those with an object; UserError if there is none at all."""
    scored = {video: objects for video, objects in zip(videos, results, strict=True) if objects}
    if not scored:
        raise UserError(
            f"no object to score in {len(videos)} videos: the truth must show one before its last "
            "frame. Check the folder and the list of videos"
        )
    if len(scored) < len(videos):
        left_out = [video for video in videos if video not in scored]
        log.warning("no object to score in %s", ", ".join(left_out))
    return scored
