"""J and F of whole videos and of folders of results, and what trivial methods would reach.

For the validation while training and for demos. An object is scored on every frame after the
first one that shows it in the truth, for there its mask is given. The protocols of the benchmarks
leave out other frames, so their numbers differ a little.
"""

import itertools
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dataloaders.mask_files import list_masks, read_mask
from utils.errors import UserError, unknown_name
from utils.metrics import boundary_accuracy, region_similarity
from utils.palette import IGNORE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ObjectScore:
    """J and F of one object on each scored frame, in time order; 0 to 1."""

    j: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)

    @property
    def j_mean(self) -> float:
        return sum(self.j) / len(self.j)

    @property
    def f_mean(self) -> float:
        return sum(self.f) / len(self.f)

    @property
    def j_and_f(self) -> float:
        return (self.j_mean + self.f_mean) / 2


@dataclass(frozen=True)
class Scores:
    """Scores of several videos. Means are over objects: each has the same weight, as in DAVIS."""

    videos: Mapping[str, Mapping[int, ObjectScore]]  # video name -> object id -> score; none empty

    @property
    def j(self) -> float:
        return self._summary(self._objects())["J"]

    @property
    def f(self) -> float:
        return self._summary(self._objects())["F"]

    @property
    def j_and_f(self) -> float:
        return self._summary(self._objects())["J&F"]

    def to_json(self) -> dict[str, Any]:
        """Means over all objects, of each video, and of each object with its number of frames."""
        table = {}
        for video, objects in self.videos.items():
            rows = {
                str(object_id): self._summary([score]) | {"frames": len(score.j)}
                for object_id, score in objects.items()
            }
            table[video] = self._summary(objects.values()) | {"objects": rows}
        scores = self._objects()
        return self._summary(scores) | {"num_objects": len(scores), "videos": table}

    def _objects(self) -> list[ObjectScore]:
        return [score for objects in self.videos.values() for score in objects.values()]

    @staticmethod
    def _summary(scores: Iterable[ObjectScore]) -> dict[str, float]:
        scores = list(scores)
        j = sum(score.j_mean for score in scores) / len(scores)
        f = sum(score.f_mean for score in scores) / len(scores)
        return {"J&F": (j + f) / 2, "J": j, "F": f}


def score_video(
    predictions: Iterable[np.ndarray], truths: Iterable[np.ndarray]
) -> dict[int, ObjectScore]:
    """Score of each object id in the truth, on the frames after its first; ids ascend.

    predictions, truths: (H, W) uint8 object ids, frame by frame; they may be generators. Void
    pixels (255) of the truth count as background; so does every id the truth does not know. An
    object that comes with the last frame is left out. Raises ValueError if a frame's sizes differ
    or one of the two is longer.
    """
    return _score_pairs(zip(predictions, truths, strict=True))


def _score_pairs(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[int, ObjectScore]:
    scores: dict[int, ObjectScore] = {}
    for predicted, truth in pairs:
        for object_id, score in scores.items():
            masks = predicted == object_id, truth == object_id
            score.j.append(region_similarity(*masks))
            score.f.append(boundary_accuracy(*masks))
        for object_id in _ids(truth):
            scores.setdefault(object_id, ObjectScore())
    return {object_id: scores[object_id] for object_id in sorted(scores) if scores[object_id].j}


def copy_first_mask(truths: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The prediction of a tracker that never moves: the first mask of every object, forever.

    Where two such masks overlap, the object that came later is in front.
    """
    seen: set[int] = set()
    still = None
    for truth in truths:
        still = np.zeros_like(truth) if still is None else still.copy()
        for object_id in _ids(truth):
            if object_id not in seen:
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


def score_folders(
    pred_dir: Path, gt_dir: Path, videos: Sequence[str], processes: int = 1
) -> Scores:
    """Score the masks ``pred_dir/<video>/<frame>`` against ``gt_dir/<video>/<frame>``.

    The truth says which frames count: predictions without one are ignored, and its first frame
    needs none. processes: videos scored at a time; from 2 on, in processes of their own. Raises
    UserError for a missing frame, one of another size, and when there is no object to score.
    """
    return _score_all(partial(_score_folder, pred_dir, gt_dir), videos, processes)


def score_baseline(name: str, gt_dir: Path, videos: Sequence[str], processes: int = 1) -> Scores:
    """What the trivial method ``name`` (see ``BASELINES``) reaches on the same videos."""
    if name not in BASELINES:
        raise unknown_name("baseline", name, BASELINES)
    return _score_all(partial(_score_baseline, name, gt_dir), videos, processes)


def _score_all(
    score_one: Callable[[str], dict[int, ObjectScore]], videos: Sequence[str], processes: int
) -> Scores:
    processes = min(processes, len(videos))
    if processes <= 1:
        results = [score_one(video) for video in videos]
    else:
        # Not forked: the child of a process that uses CUDA or threads may hang.
        context = multiprocessing.get_context("spawn")
        # one thread each, or OpenCV's would fight for the same cores
        with ProcessPoolExecutor(processes, context, cv2.setNumThreads, (1,)) as pool:
            results = list(pool.map(score_one, videos))
    scored = {video: objects for video, objects in zip(videos, results, strict=True) if objects}
    if not scored:
        raise UserError(
            f"no object to score in {len(videos)} videos: the truth must show one before its last "
            "frame. Check the folder and the list of videos"
        )
    if len(scored) < len(videos):
        left_out = [video for video in videos if video not in scored]
        log.warning("no object to score in %s", ", ".join(left_out))
    return Scores(scored)


def _score_folder(pred_dir: Path, gt_dir: Path, video: str) -> dict[int, ObjectScore]:
    truths = _list_truths(gt_dir / video)
    predictions = list_masks(pred_dir / video)
    first, *scored = truths
    missing = [frame for frame in scored if frame not in predictions]
    if missing:
        raise UserError(
            f"{pred_dir / video / missing[0]}.png: no such prediction; {len(missing)} of "
            f"{len(scored)} frames are missing. Segment this video again, to its end"
        )
    # Nothing is scored on the first frame, so there the truth stands for a prediction.
    paths = [(truths[first], truths[first])]
    paths += [(predictions[frame], truths[frame]) for frame in scored]
    return _score_pairs(_read_pair(*pair) for pair in paths)


def _score_baseline(name: str, gt_dir: Path, video: str) -> dict[int, ObjectScore]:
    # read once, given out twice, a frame at a time
    seen, truths = itertools.tee(map(read_mask, _list_truths(gt_dir / video).values()))
    return score_video(BASELINES[name](seen), truths)


def _list_truths(folder: Path) -> dict[str, Path]:
    """Frame name -> mask file; UserError if there is none."""
    truths = list_masks(folder)
    if not truths:
        raise UserError(f"{folder}: no masks in this folder; it should hold the truth, as PNGs")
    return truths


def _read_pair(prediction: Path, truth: Path) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth (H, W) uint8; UserError if their sizes differ."""
    predicted, true = read_mask(prediction), read_mask(truth)
    if predicted.shape != true.shape:
        height, width = predicted.shape
        raise UserError(
            f"{prediction}: {width}x{height} pixels, but {truth} has {true.shape[1]}x"
            f"{true.shape[0]}; save predictions in the size of the truth"
        )
    return predicted, true


def _ids(labels: np.ndarray) -> list[int]:
    """Object ids in (H, W) uint8 labels, ascending; neither background nor void."""
    # a histogram takes a twentieth of the time of np.unique
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
    return [int(i) for i in np.flatnonzero(counts) if i not in (0, IGNORE)]
