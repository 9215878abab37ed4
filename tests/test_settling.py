"""One frame between the network and the memory: what is laid over it, shown and remembered."""

import pytest
import torch

from mavos.networks.segmenter import Segmented
from mavos.tracking.settling import (
    NOTHING,
    Annotation,
    Settled,
    annotation_of,
    lay_over,
    predict,
    remember,
    shown,
    unpredicted,
)
from mavos.utils.palette import IGNORE

CPU = torch.device("cpu")
PREDICTED = torch.tensor([[0, 1, 1, 2]], dtype=torch.int16)


class Given:
    """Says what it is told to; keeps what it is given to remember."""

    def segment(self, feats, memory, size):
        return Segmented(feats, feats)

    def start(self, feats, mask):
        return "start", mask

    def memorize(self, out, mask, memory, new_objects=False):
        return memory, mask, new_objects


@pytest.fixture
def settled() -> Settled:
    return Settled("feats", Segmented(None, "feats"), PREDICTED, PREDICTED)


def labels(*values: int) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.int16)


def test_a_prediction_is_the_largest_logit():
    logits = torch.nn.functional.one_hot(PREDICTED[None].long()).movedim(-1, 1).float()
    found = predict(Given(), logits, None, (1, 4))
    assert torch.equal(found.labels, PREDICTED) and shown(found) is found.predicted


def test_a_given_mask_lies_over_what_is_known_and_changes_no_value(settled):
    after = lay_over(settled, Annotation(labels(0, 0, 3, 0)))
    assert torch.equal(after.labels, labels(0, 1, 3, 2))
    assert torch.equal(settled.labels, PREDICTED) and after.predicted is settled.predicted


def test_a_whole_mask_of_an_object_is_all_there_is_of_it(settled):
    after = lay_over(settled, Annotation(labels(1, 0, 0, 0), named=(1, 2)))
    assert torch.equal(after.labels, labels(1, 0, 0, 0))


def test_ignored_pixels_are_shown_as_predicted_and_remembered_as_nothing(settled):
    mask = torch.tensor([[0, IGNORE, 3, IGNORE]], dtype=torch.uint8)
    after = lay_over(settled, annotation_of(mask))
    assert torch.equal(after.labels, labels(0, NOTHING, 3, NOTHING))
    assert torch.equal(shown(after), labels(0, 1, 3, 2))
    memory, remembered, new_objects = remember(Given(), after, "memory", 3, new_objects=True)
    assert memory == "memory" and new_objects
    assert remembered[0, :, 0].T.tolist() == [[1, 0, 0, 0], [0] * 4, [0, 0, 0, 1], [0] * 4]


def test_before_the_first_mask_all_is_background_and_the_first_starts_the_memory():
    nothing = unpredicted((1, 4), CPU)
    assert not shown(nothing).any() and nothing.out is None
    first = lay_over(nothing, annotation_of(torch.tensor([[1, 0, IGNORE, 0]], dtype=torch.uint8)))
    assert torch.equal(shown(first), labels(1, 0, 0, 0))
    how, mask = remember(Given(), first, None, 1, new_objects=True)
    assert how == "start" and mask[0, :, 0].T.tolist() == [[0, 1], [1, 0], [0, 0], [1, 0]]
