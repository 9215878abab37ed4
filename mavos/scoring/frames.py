"""J and F of the objects of a video, frame by frame, on the frames that count."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mavos.scoring.metrics import boundary_accuracy, region_similarity
from mavos.utils.palette import IGNORE, values_in


@dataclass(frozen=True)
class ObjectScore:
    """J and F of one object on each scored frame, in time order; 0 to 1."""

    j: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)  # names

    def add(self, frame: str, j: float, f: float) -> None:
        self.j.append(j)
        self.f.append(f)
        self.frames.append(frame)

    @property
    def j_mean(self) -> float:
        return sum(self.j) / len(self.j)

    @property
    def f_mean(self) -> float:
        return sum(self.f) / len(self.f)


class Labels(NamedTuple):
    """Object ids of one frame, and which there are."""

    ids_map: np.ndarray  # (H, W) uint8
    values: list[int]  # that occur in it, 0 and 255 too

    @property
    def ids(self) -> list[int]:
        """Objects: neither background nor void."""
        return [value for value in self.values if value not in (0, IGNORE)]


def labels_of(ids_map: np.ndarray) -> Labels:
    return Labels(ids_map, values_in(ids_map))


# (frame name, ids in the truth, ids in the prediction) -> objects that get a value on this frame.
# Asked once for each frame, in time order; it may remember.
Count = Callable[[str, Collection[int], Collection[int]], Collection[int]]


def listed(objects: Mapping[int, Collection[str]]) -> Count:
    """Each object on the frames that are listed for it."""
    return lambda frame, *_: [i for i, frames in objects.items() if frame in frames]


def after_first_sight() -> Count:
    """Each object on all frames after the first that shows it in the truth: there it is given."""
    known: set[int] = set()

    def count(frame: str, true: Collection[int], predicted: Collection[int]) -> list[int]:
        counted = sorted(known)
        known.update(true)
        return counted

    return count


def from_first_sight() -> Count:
    """Each object from the first frame on that shows it in the truth or in the prediction."""
    known: set[int] = set()

    def count(frame: str, true: Collection[int], predicted: Collection[int]) -> list[int]:
        known.update(true, predicted)
        return sorted(known)

    return count


def score_frames(
    frames: Iterable[tuple[str, Labels, Labels]], count: Count
) -> dict[int, ObjectScore]:
    """Scores by object id, ascending.

    frames: name, prediction and truth, of one size, in time order; may be a generator. Void (255)
    is background in both. Raises ValueError if sizes differ.
    """
    scores: dict[int, ObjectScore] = {}
    for name, predicted, truth in frames:
        sizes = predicted.ids_map.shape, truth.ids_map.shape
        if sizes[0] != sizes[1]:
            raise ValueError(f"frame {name}: the prediction is {sizes[0]}, the truth {sizes[1]}")
        for i in count(name, truth.ids, predicted.ids):
            scores.setdefault(i, ObjectScore()).add(name, *_compare(predicted, truth, i))
    return dict(sorted(scores.items()))


def _compare(predicted: Labels, truth: Labels, object_id: int) -> tuple[float, float]:
    """J and F of one object on one frame."""
    shown = [labels for labels in (predicted, truth) if object_id in labels.values]
    if not shown:
        return 1.0, 1.0
    if len(shown) == 1:
        # nothing in common, so J is 0; and F, but for a mask that fills the picture: like the
        # empty one it has no boundary
        return 0.0, float(shown[0].values == [object_id])
    masks = predicted.ids_map == object_id, truth.ids_map == object_id
    return region_similarity(*masks), boundary_accuracy(*masks)
