"""One video from files to scores, and what is reported about its masks."""

from collections.abc import Callable, Iterator

import numpy as np

from mavos.dataloaders.media.images import read_file
from mavos.dataloaders.media.mask_files import black_and_white_as_ids, decode_mask
from mavos.scoring.frames import Labels, ObjectScore, labels_of, score_frames
from mavos.scoring.plans import Plan
from mavos.scoring.predictions import Predictions
from mavos.scoring.protocols import Protocol, Values
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE

_MEANING: dict[Values, Callable[[np.ndarray], np.ndarray]] = {
    "ids": lambda values: values,
    "ids or 0/255": black_and_white_as_ids,
    "merged": lambda values: (values > 0).astype(np.uint8),
}


def check_complete(plan: Plan, predictions: Predictions) -> None:
    """Raises UserError if a prediction is missing."""
    wanted = [frame for frame in plan.truths if frame not in plan.given]
    there = predictions.masks(plan.name) if wanted else {}
    missing = [frame for frame in wanted if frame not in there]
    if missing:
        raise UserError(
            f"{predictions.expected(plan.name, missing[0])}: no such prediction; {len(missing)} of "
            f"{len(wanted)} frames are missing. Segment this video again, to its end"
        )


def score_files(protocol: Protocol, predictions: Predictions, plan: Plan) -> dict[int, ObjectScore]:
    """Scores by object id, ascending; none if there is no object to score.

    Raises UserError naming the mask that is of another size, cannot be read, or holds what the
    protocol does not allow.
    """
    seen: set[int] = set()
    scores = score_frames(_read_frames(protocol, predictions, plan, seen), plan.new_count())
    for object_id, number in plan.zeros.items():
        for _ in range(number):
            scores[object_id].add("", 0.0, 0.0)
    kept = seen if plan.objects is None else plan.objects
    return {object_id: score for object_id, score in scores.items() if object_id in kept}


def _read_frames(
    protocol: Protocol, predictions: Predictions, plan: Plan, seen: set[int]
) -> Iterator[tuple[str, Labels, Labels]]:
    """Name, prediction and truth of each frame; ids of the truth are added to ``seen``."""
    masks = predictions.masks(plan.name)
    void_truth, void_predictions = _OnlyVoid(), _OnlyVoid()
    for frame, path in plan.truths.items():
        truth = labels_of(_MEANING[protocol.truth_values](decode_mask(read_file(path), path)))
        void_truth.note(truth, str(path))
        seen.update(truth.ids)
        predicted = truth
        if frame not in plan.given:
            name = masks[frame]
            values = decode_mask(predictions.read(name), name, protocol.accepts_colours)
            predicted = labels_of(_MEANING[protocol.predicted_values](values))
            _check_size(predicted.ids_map, name, truth.ids_map, str(path))
            void_predictions.note(predicted, name)
            if protocol.refuses_extra_ids:
                _check_ids(predicted, truth, name, plan, protocol)
        yield frame, predicted, truth
    void_truth.check(protocol)
    void_predictions.check(protocol)


class _OnlyVoid:
    """Notices masks of 0 and 255 alone, where ids are expected: every score would be of nothing."""

    def __init__(self) -> None:
        self._first_void, self._ids = "", False

    def note(self, labels: Labels, name: str) -> None:
        self._ids = self._ids or bool(labels.ids)
        if not self._first_void and IGNORE in labels.values:
            self._first_void = name

    def check(self, protocol: Protocol) -> None:
        if self._first_void and not self._ids:
            raise UserError(_black_and_white(self._first_void, protocol))


def _black_and_white(name: str, protocol: Protocol) -> str:
    return (
        f"{name}: only the values 0 and 255; {protocol.title} takes values as object ids. Write 1 "
        "for 255, or score masks of one object with --protocol davis2016 or generic"
    )


def _check_size(predicted: np.ndarray, name: str, truth: np.ndarray, truth_name: str) -> None:
    if predicted.shape != truth.shape:
        height, width = predicted.shape
        raise UserError(
            f"{name}: {width}x{height} pixels, but {truth_name} has {truth.shape[1]}x"
            f"{truth.shape[0]}; save predictions in the size of the truth"
        )


def _check_ids(predicted: Labels, truth: Labels, name: str, plan: Plan, protocol: Protocol) -> None:
    """Raises UserError for a value that is no object of the plan, whose ids are 1 to N."""
    extra = [value for value in predicted.values if value and value not in plan.objects]
    if not extra:
        return
    if extra == [IGNORE]:
        if not predicted.ids:
            raise UserError(_black_and_white(name, protocol))
        raise UserError(f"{name}: value 255 beside object ids; write 0 where nothing is predicted")
    known = f"{protocol.title} scores the objects of the first mask, 1 to {max(plan.objects)}"
    if extra[0] in truth.ids:
        raise UserError(
            f"{name}: object {extra[0]} appears in mid-video, but {known}. Write 0 for it, or use "
            "--protocol generic"
        )
    raise UserError(f"{name}: object id {extra[0]}, but {known}. Write 0 for other objects")
