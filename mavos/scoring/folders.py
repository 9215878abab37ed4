"""Scores of many videos; what is missing is reported before anything is scored."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mavos.scoring.plans import USUAL, Options
from mavos.scoring.predictions import FolderOfMasks, Predictions, open_predictions
from mavos.scoring.processes import in_processes, worthwhile
from mavos.scoring.protocols import GENERIC, Protocol, find_protocol
from mavos.scoring.scores import GROUPS, Scores
from mavos.scoring.truth import Truth, find_truth
from mavos.scoring.videos import check_complete, score_files
from mavos.utils.errors import UserError

log = logging.getLogger(__name__)


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
    processes = worthwhile(sizes) if processes is None else processes
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


def score(
    predictions: str | Path,
    truth: str | Path,
    protocol: str = GENERIC.name,
    *,
    split: str = "val",
    videos: Sequence[str] = (),
    meta: Path | None = None,
    unseen: Path | None = None,
    options: Options = USUAL,
    processes: int | None = 1,
    bar: bool = False,
) -> Scores:
    """Score predicted masks by the protocol of a benchmark, as the command ``mavos score`` does.

        score("masks.zip", "datasets/DAVIS", "davis2017").total()["J&F-Mean"]

    predictions: a folder with a folder of masks for each video, or a zip of that. truth: the same
    of the ground truth, or the dataset's root. protocol: a name of ``PROTOCOLS``. videos: which;
    none for those of the split's list, else all. meta, unseen: see ``find_truth``. processes, bar:
    see ``score_all``; more than 1 need a script that is guarded by ``__name__ == "__main__"``.
    Raises UserError for whatever the official scorer would stop at, and for what is missing.
    """
    rules = find_protocol(protocol)
    found = find_truth(
        Path(truth),
        split,
        rules.lists,
        rules.meta_names,
        rules.unseen_name,
        meta,
        unseen,
        videos,
    )
    return score_all(rules, found, open_predictions(Path(predictions)), processes, options, bar)


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
