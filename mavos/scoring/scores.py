"""Scores of many videos: what benchmarks report of each object, and the means of that."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mavos.scoring.frames import ObjectScore
from mavos.scoring.metrics import statistics, variability

GROUPS = ("seen", "unseen")


def measure(score: ObjectScore, eight_bit: bool = False) -> dict[str, float]:
    """Everything that a benchmark reports of one object, under the official names; 0 to 1.

    eight_bit: decay with the official scorer's fault, see ``statistics``.
    """
    j, f = statistics(score.j, eight_bit), statistics(score.f, eight_bit)
    measures = {"J&F-Mean": (j.mean + f.mean) / 2}
    for letter, values in (("J", j), ("F", f)):
        measures[f"{letter}-Mean"] = values.mean
        measures[f"{letter}-Recall"] = values.recall
        measures[f"{letter}-Decay"] = values.decay
    return measures | {"V-Mean": variability(score.j, score.f)}


@dataclass(frozen=True)
class Scores:
    """Scores of several videos. Means are over objects: each has the same weight, as in DAVIS.

    With groups, a mean is that of the group of seen and that of unseen objects.
    """

    videos: Mapping[str, Mapping[int, ObjectScore]]  # video name -> object id -> score; none empty
    measures: tuple[str, ...] = ("J&F-Mean", "J-Mean", "F-Mean")  # reported ones
    groups: Mapping[tuple[str, int], str] = field(default_factory=dict)  # (video, id) -> of GROUPS
    eight_bit: bool = False

    def of_object(self, video: str, object_id: int) -> dict[str, float]:
        measured = measure(self.videos[video][object_id], self.eight_bit)
        return {name: measured[name] for name in self.measures}

    def of_video(self, video: str) -> dict[str, float]:
        return self._mean(self.of_object(video, object_id) for object_id in self.videos[video])

    def total(self) -> dict[str, float]:
        """Over all objects; with groups, "J-seen-Mean" and "J-unseen-Mean" follow "J-Mean"."""
        objects = {
            (video, object_id): self.of_object(video, object_id)
            for video, scores in self.videos.items()
            for object_id in scores
        }
        if not self.groups:
            return self._mean(objects.values())
        seen, unseen = (
            self._mean(row for key, row in objects.items() if self.groups[key] == group)
            for group in GROUPS
        )
        total = {}
        for name in self.measures:
            total[name] = (seen[name] + unseen[name]) / 2
            if name != "J&F-Mean":
                letter, _, what = name.partition("-")
                total[f"{letter}-seen-{what}"] = seen[name]
                total[f"{letter}-unseen-{what}"] = unseen[name]
        return total

    def to_json(self) -> dict[str, Any]:
        """All means, of each video and object too, and the values of every frame."""
        videos = {}
        for video, scores in self.videos.items():
            objects = {}
            for object_id, score in scores.items():
                entry = _finite(self.of_object(video, object_id))
                if self.groups:
                    entry["group"] = self.groups[video, object_id]
                values = {"names": score.frames, "J": score.j, "F": score.f}
                objects[str(object_id)] = entry | {"frames": values}
            videos[video] = _finite(self.of_video(video)) | {"objects": objects}
        number = sum(len(scores) for scores in self.videos.values())
        return _finite(self.total()) | {"num_objects": number, "videos": videos}

    def _mean(self, rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
        rows = list(rows)
        return {name: sum(row[name] for row in rows) / len(rows) for name in self.measures}


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """The same with None for NaN, which JSON does not know."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}
