"""The frame loop, with the smallest method there is: late, new and ignored masks; what comes when,
also from a device that is slow to hand labels over."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mavos.dataloaders.types import Frame
from mavos.networks import transfers
from mavos.networks.segmenter import CopyPrevious, hard_labels, one_hot
from mavos.networks.transfers import Arriving, CudaTransfers, Transfers
from mavos.tracking import frame_loop as tracking
from mavos.tracking.frame_loop import segment_video
from mavos.tracking.stopwatch import Stopwatch

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


def test_hard_labels_off_the_cpu_are_one_operation():
    class Operations(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.names = []

        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            self.names.append(operation.name())
            return operation(*args, **(kwargs or {}))

    with Operations() as operations:
        hard_labels(torch.empty(1, 11, 4, 4, device="meta"))
    assert [n for n in operations.names if "empty" not in n] == ["aten::argmax"]


# --- what comes when


class Watched(CopyPrevious):
    """Notes what it is asked to do; fails in the frame ``fails_at`` (1 is the first predicted)."""

    def __init__(self, notes: list[str], fails_at: int = 0):
        super().__init__()
        self.notes, self.fails_at, self.frames = notes, fails_at, 0

    def start(self, feats, mask):
        self.notes.append("start")
        return super().start(feats, mask)

    def segment(self, feats, memory, size):
        self.frames += 1
        if self.frames == self.fails_at:
            raise RuntimeError("out of memory")
        self.notes.append(f"segment {self.frames}")
        return super().segment(feats, memory, size)

    def memorize(self, out, mask, memory, new_objects=False):
        self.notes.append(f"memorize {self.frames}")
        return super().memorize(out, mask, memory, new_objects)


class Event:
    """Passes when it is waited for, or has been asked about ``polls`` times."""

    def __init__(self, polls: int):
        self.polls = polls

    def query(self) -> bool:
        self.polls -= 1
        return self.polls < 0

    def synchronize(self) -> None:
        self.polls = 0


class SlowTransfers(Transfers):
    """Hands labels over late, in buffers that must not be kept."""

    most_waiting, polls = 3, 1000

    def download(self, labels):
        return Arriving(labels.to(torch.uint8), Event(self.polls))


def video(length: int) -> Iterator[Frame]:
    yield frame("0", [0, 1, 1, 2, 2, 0])
    for index in range(1, length):
        yield frame(str(index))


def consume(notes: list[str], model, frames) -> None:
    for name, labels in segment_video(model, frames, CPU):
        assert labels[0].tolist() == [0, 1, 1, 2, 2, 0]
        notes.append(f"got {name}")


def test_a_mask_does_not_wait_for_the_memory_of_its_frame():
    notes: list[str] = []
    consume(notes, Watched(notes), video(3))
    assert notes == [
        *("got 0", "start"),
        *("segment 1", "got 1", "memorize 1"),
        *("segment 2", "got 2", "memorize 2"),
    ]


def test_a_slow_device_is_not_waited_for_before_more_frames_are_on_their_way(monkeypatch):
    monkeypatch.setattr(tracking, "transfers_for", SlowTransfers)
    notes: list[str] = []
    consume(notes, Watched(notes), video(8))
    assert [n for n in notes if n.startswith("got")] == [f"got {i}" for i in range(8)]
    assert notes.index("got 0") > notes.index("segment 3")
    assert notes.index("memorize 3") < notes.index("got 1") < notes.index("segment 5")


def test_labels_that_are_there_come_at_once(monkeypatch):
    monkeypatch.setattr(tracking, "transfers_for", SlowTransfers)
    monkeypatch.setattr(SlowTransfers, "polls", 1)
    notes: list[str] = []
    consume(notes, Watched(notes), video(5))
    assert notes.index("segment 1") < notes.index("got 0") < notes.index("segment 2")


@pytest.mark.parametrize("kind", [Transfers, SlowTransfers])
@pytest.mark.parametrize("fault", ["network", "reader"])
def test_what_was_done_before_a_fault_comes_first(monkeypatch, kind, fault):
    monkeypatch.setattr(tracking, "transfers_for", kind)

    def broken() -> Iterator[Frame]:
        yield from video(4)
        raise RuntimeError("frame 4 is damaged")

    notes: list[str] = []
    model = Watched(notes, fails_at=4 if fault == "network" else 0)
    with pytest.raises(RuntimeError, match="out of memory" if fault == "network" else "damaged"):
        consume(notes, model, video(9) if fault == "network" else broken())
    assert [n for n in notes if n.startswith("got")] == [f"got {i}" for i in range(4)]


@pytest.mark.parametrize("kind", [Transfers, SlowTransfers])
def test_who_leaves_early_stops_everything_at_once(monkeypatch, kind):
    monkeypatch.setattr(tracking, "transfers_for", kind)
    notes: list[str] = []

    def frames() -> Iterator[Frame]:
        try:
            yield from video(100)
        finally:
            notes.append("reader closed")

    results = segment_video(Watched(notes), frames(), CPU)
    assert [next(results)[0], next(results)[0]] == ["0", "1"]
    segmented = sum(n.startswith("segment") for n in notes)
    results.close()
    assert notes[-1] == "reader closed"
    assert sum(n.startswith("segment") for n in notes) == segmented <= 5
    assert list(results) == []


def test_labels_are_the_callers_to_keep(monkeypatch):
    buffer = torch.zeros(SIZE, dtype=torch.uint8)

    class OneBuffer(SlowTransfers):
        most_waiting = 0

        def download(self, labels):
            return Arriving(buffer.copy_(labels), Event(0))

    monkeypatch.setattr(tracking, "transfers_for", OneBuffer)
    frames = frame("a", [1, 0, 0, 0, 0, 0]), frame("b", [2, 2, 0, 0, 0, 0])
    (_, first), (_, second) = segment_video(CopyPrevious(), frames, CPU)
    assert first[0].tolist() == [1, 0, 0, 0, 0, 0] and second[0].tolist() == [2, 2, 0, 0, 0, 0]


class Streams:
    """Pretends to be what of ``torch.cuda`` and of page-locked memory is used; notes the order."""

    def __init__(self, monkeypatch):
        self.notes, self.current = [], "main"
        empty = torch.empty
        fakes = {"Stream": lambda _: self.stream("uploads"), "Event": lambda: self}
        fakes |= {"stream": self.on, "current_stream": lambda _: self.stream(self.current)}
        for name, fake in fakes.items():
            monkeypatch.setattr(transfers.torch.cuda, name, fake)
        monkeypatch.setattr(torch.Tensor, "record_stream", lambda _, s: self.note(f"used on {s}"))
        monkeypatch.setattr(
            transfers.torch, "empty", lambda *a, pin_memory, **k: empty(*a, **k), raising=True
        )

    def note(self, text: str) -> None:
        self.notes.append(f"{self.current}: {text}")

    def stream(streams, name: str):
        class Stream(str):
            def wait_stream(self, other) -> None:
                streams.note(f"{self} waits for {other}")

        return Stream(name)

    @contextmanager
    def on(self, stream):
        before, self.current = self.current, stream
        self.note("begin")
        yield
        self.current = before

    def record(self, stream) -> None:  # of an event
        self.note(f"event on {stream}")

    def synchronize(self) -> None:
        self.note("caller waits")

    def query(self) -> bool:
        return False


def test_copies_to_and_from_a_gpu_go_beside_its_work(monkeypatch):
    streams = Streams(monkeypatch)
    copying = CudaTransfers(CPU)
    assert torch.equal(copying.upload(torch.ones(2)), torch.ones(2))
    assert streams.notes == ["uploads: begin", "main: main waits for uploads", "main: used on main"]
    streams.notes.clear()
    arriving = copying.download(torch.tensor([[3, 1]]))
    assert streams.notes == ["main: event on main"] and not arriving.is_here()
    labels = arriving.wait()
    assert labels.tolist() == [[3, 1]] and labels.dtype == torch.uint8
    assert streams.notes[-1] == "main: caller waits"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_labels():
    frames = list(video(30))
    device = torch.device("cuda", 0)
    assert isinstance(tracking.transfers_for(device), CudaTransfers)
    ours = list(segment_video(CopyPrevious(), frames, device, stopwatch := Stopwatch(device)))
    expected = list(segment_video(CopyPrevious(), frames, CPU))
    assert stopwatch.laps == 29 and stopwatch.seconds() > 0
    assert [name for name, _ in ours] == [name for name, _ in expected]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(ours, expected, strict=True))
