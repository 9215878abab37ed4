"""The frame loop, with the smallest method there is: late, new and ignored masks."""

import torch

from dataloaders.types import Frame
from networks.segmenter import CopyPrevious, hard_labels, one_hot
from networks.tracking import segment_video
from utils.stopwatch import Stopwatch

SIZE = (4, 6)
CPU = torch.device("cpu")


def frame(name: str, mask: list[int] | None = None) -> Frame:
    """A frame whose given mask has these labels in its columns."""
    labels = None if mask is None else torch.tensor(mask, dtype=torch.uint8).expand(SIZE)
    return Frame(name, torch.zeros(3, *SIZE), SIZE, labels)


def track(*frames: Frame) -> tuple[list[str], list[list[int]], Stopwatch]:
    """Names, first rows of the labels, and the stopwatch."""
    stopwatch = Stopwatch(CPU)
    results = list(segment_video(CopyPrevious(), frames, CPU, stopwatch))
    assert all(labels.shape == SIZE and labels.dtype == torch.uint8 for _, labels in results)
    return [name for name, _ in results], [labels[0].tolist() for _, labels in results], stopwatch


def test_every_frame_is_labelled_in_order():
    names, rows, stopwatch = track(frame("a", [0, 1, 1, 2, 2, 0]), frame("b"), frame("c"))
    assert names == ["a", "b", "c"]
    assert rows == [[0, 1, 1, 2, 2, 0]] * 3
    assert stopwatch.laps == 2 and stopwatch.seconds() > 0  # the first frame is not predicted


def test_a_late_first_mask():
    _, rows, _ = track(frame("a"), frame("b", [0, 1, 1, 1, 1, 0]), frame("c"))
    assert rows == [[0] * 6, [0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0]]


def test_new_objects_are_laid_over_the_prediction():
    _, rows, _ = track(frame("a", [1, 1, 1, 0, 0, 0]), frame("b", [0, 0, 2, 2, 0, 0]), frame("c"))
    assert rows[1:] == [[1, 1, 2, 2, 0, 0]] * 2


def test_ignored_pixels_are_no_result():
    """Shown as background in the first frame and as predicted later, never as 255."""
    _, rows, _ = track(frame("a", [0, 1, 1, 1, 255, 0]), frame("b", [2, 255, 0, 0, 0, 0]))
    assert rows == [[0, 1, 1, 1, 0, 0], [2, 1, 1, 1, 0, 0]]


def test_ignored_pixels_belong_to_nothing():
    mask = one_hot(torch.tensor([[[0, 1, 255, 7]]]), 2)
    assert mask[0, :, 0].T.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_hard_labels_equal_argmax():
    logits = torch.randn(2, 7, 9, 11)
    assert torch.equal(hard_labels(logits), logits.argmax(1))
    assert hard_labels(torch.zeros(1, 3, 1, 1)).item() == 0  # the lower label wins
