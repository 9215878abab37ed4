"""What trivial methods would reach; and scores of masks that are in memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mavos.dataloaders.media.mask_files import read_mask
from mavos.scoring.folders import keep_scored
from mavos.scoring.frames import ObjectScore, after_first_sight, labels_of, score_frames
from mavos.scoring.processes import in_processes
from mavos.scoring.scores import Scores
from mavos.scoring.truth import Truth
from mavos.utils.errors import unknown_name
from mavos.utils.palette import IGNORE, values_in


def score_video(
    predictions: Iterable[np.ndarray], truths: Iterable[np.ndarray]
) -> dict[int, ObjectScore]:
    """Score of each object id in the truth, on the frames after its first; ids ascend.

    predictions, truths: (H, W) uint8 object ids, frame by frame; they may be generators. Void
    pixels (255) of the truth count as background; so does every id the truth does not know. An
    object that comes with the last frame is left out. Raises ValueError if a frame's sizes differ
    or one of the two is longer.
    """
    pairs = zip(predictions, truths, strict=True)
    frames = (
        (str(index), labels_of(predicted), labels_of(truth))
        for index, (predicted, truth) in enumerate(pairs)
    )
    return score_frames(frames, after_first_sight())


def copy_first_mask(truths: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The prediction of a tracker that never moves: the first mask of every object, forever.

    Where two such masks overlap, the object that came later is in front.
    """
    seen: set[int] = set()
    still = None
    for truth in truths:
        still = np.zeros_like(truth) if still is None else still.copy()
        for object_id in values_in(truth):
            if object_id not in (0, IGNORE) and object_id not in seen:
                seen.add(object_id)
                still[truth == object_id] = object_id
        yield still


def nothing(truths: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The prediction of a tracker that never finds anything. It scores where nothing is to find."""
    return (np.zeros_like(truth) for truth in truths)


BASELINES: Mapping[str, Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]] = {
    "copy_first_mask": copy_first_mask,
    "nothing": nothing,
}


def score_baseline(name: str, gt_dir: Path, videos: Sequence[str], processes: int = 1) -> Scores:
    """What the trivial method ``name`` (see ``BASELINES``) reaches on videos of ``gt_dir``."""
    if name not in BASELINES:
        raise unknown_name("baseline", name, BASELINES)
    truth = Truth(gt_dir, tuple(videos))
    sizes = [len(truth.masks(video)) for video in videos]
    results = in_processes(partial(_score, name, truth), videos, sizes, processes)
    return Scores(keep_scored(videos, results))


def _score(name: str, truth: Truth, video: str) -> dict[int, ObjectScore]:
    # read once, given out twice, a frame at a time
    seen, truths = itertools.tee(map(read_mask, truth.masks(video).values()))
    return score_video(BASELINES[name](seen), truths)
