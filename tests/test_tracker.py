"""The streaming interface: the same labels as the frame loop, corrections, removal, bad input."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import mavos
from mavos import configs
from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.types import Frame
from mavos.networks import build_model
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import CopyPrevious
from mavos.networks.wrappers import ObjectGroups
from mavos.run.storages import storages
from mavos.tracking.frame_loop import segment_video
from mavos.tracking.result import presence
from mavos.tracking.tracker import VideoTracker
from mavos.utils.checkpoint import save_weights
from mavos.utils.errors import UserError

CPU = torch.device("cpu")
SIZE = (49, 65)
INPUT = InputRule(16, 1)


@pytest.fixture(scope="module")
def network():
    """mavos_nano with random weights that tell objects apart: three to a group, fusing often."""
    torch.manual_seed(3)
    cfg = configs.load("mavos_nano", "quickstart", ["model.test_memory_gap=2"]).model
    model = build_model(cfg)
    with torch.no_grad():
        model.decoder.conv_out.weight.mul_(30)
    return ObjectGroups(for_inference(model))


@pytest.fixture
def tracker(network) -> VideoTracker:
    return VideoTracker(network, INPUT, CPU)


def copying() -> VideoTracker:
    return VideoTracker(CopyPrevious(), InputRule(16, 0), CPU)


def frames(count: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, *SIZE, 3), np.uint8))


def blobs(*ids: int) -> np.ndarray:
    """A mask with a square of each id, (H, W) uint8."""
    mask = np.zeros(SIZE, np.uint8)
    for object_id in ids:
        top, left = (object_id * 7) % 36, (object_id * 13) % 52
        mask[top : top + 12, left : left + 12] = object_id
    return mask


def loop(network, images: list[np.ndarray], given: dict[int, np.ndarray]) -> list[np.ndarray]:
    """Labels by ``segment_video``; its identities are the ids here."""
    read = [
        Frame(
            str(k),
            INPUT.prepare(image, INPUT.sizes(SIZE)[0]),
            SIZE,
            torch.from_numpy(given[k]) if k in given else None,
        )
        for k, image in enumerate(images)
    ]
    return [labels.numpy() for _, labels in segment_video(network, read, CPU)]


def follow(
    tracker: VideoTracker, images: list[np.ndarray], given: dict[int, np.ndarray]
) -> list[np.ndarray]:
    return [
        (tracker.add(image, given[k]) if k in given else tracker.step(image)).labels
        for k, image in enumerate(images)
    ]


# --- what it says


def test_same_labels_as_the_frame_loop(network, tracker):
    """Late first mask, objects that enter, two groups, a fused memory."""
    images = frames(9)
    given = {1: blobs(1, 2), 4: blobs(3, 4, 5), 6: np.where(blobs(6) == 6, 6, 255).astype(np.uint8)}
    expected = loop(network, images, given)
    labels = follow(tracker, images, given)
    assert all(np.array_equal(a, b) for a, b in zip(labels, expected, strict=True))
    assert {*np.unique(labels[-1])} >= {0, 1, 3, 4}  # the comparison is of something
    assert tracker.ids == (1, 2, 3, 4, 5, 6) and tracker.frames == 9


def test_nothing_to_track_yet(tracker):
    result = tracker.step(frames(1)[0])
    assert not result.labels.any() and result.labels.dtype == np.uint8
    assert result.presence == {} and result.ids == () and tracker.ids == ()


def test_stream_memorizes_before_it_asks_for_a_frame(network, tracker, monkeypatch):
    """A camera's picture waits for no update of the memory."""
    images, given, events = frames(6), blobs(1, 2), []
    expected = follow(tracker, images, {0: given})[1:]
    plain = network.memorize
    monkeypatch.setattr(network, "memorize", lambda *a, **k: events.append("memory") or plain(*a))

    def source():
        for image in images[1:]:
            events.append("picture")
            yield image

    tracker.reset()
    tracker.add(images[0], given)
    labels = [result.labels for result in tracker.stream(source())]
    assert all(np.array_equal(a, b) for a, b in zip(labels, expected, strict=True))
    assert events == ["picture", "memory"] * 5


def test_what_was_memorized_ahead_is_let_go(network, tracker, monkeypatch):
    images, alive = frames(3), []
    plain = network.segment
    monkeypatch.setattr(
        network, "segment", lambda *a: alive.append(before() is not None) or plain(*a)
    )
    tracker.add(images[0], blobs(1))
    for image in images[1:]:
        before = weakref.ref(tracker.snapshot())
        tracker.memorize()
        tracker.memorize()  # once is enough
        tracker.step(image)
    assert alive == [False, False]


def test_what_was_memorized_ahead_can_still_be_corrected(tracker):
    images, given = frames(6), {0: blobs(1, 2), 3: blobs(2, 5)}

    def run(ahead: bool) -> list[np.ndarray]:
        tracker.reset()
        said = []
        for number, image in enumerate(images):
            said.append(tracker.step(image).labels)
            if ahead:
                tracker.memorize()
            if number in given:  # once more the same frame
                said.append(tracker.add(image, given[number]).labels)
            if number == 1:
                start = tracker.snapshot()
            if number == 4:
                tracker.remove(1)
        tracker.restore(start)
        if ahead:
            tracker.memorize()
        return [*said, tracker.step(images[2]).labels]

    said, expected = run(ahead=True), run(ahead=False)
    assert all(np.array_equal(a, b) for a, b in zip(said, expected, strict=True))
    assert {*np.unique(expected[-2])} >= {0, 2}


def test_stream_takes_a_frame_at_a_time():
    tracker, taken = copying(), []

    def source():
        for image in frames(5):
            taken.append(len(taken))
            yield image

    tracker.add(frames(1)[0], blobs(1))
    stream = tracker.stream(source())
    assert taken == []
    next(stream)
    assert taken == [0]
    assert sum(1 for _ in stream) == 4


def test_ids_of_the_user_come_back():
    tracker = copying()
    result = tracker.add(frames(1)[0], blobs(1, 2).astype(np.int64) * 300)
    assert result.labels.dtype == np.uint16 and {*np.unique(result.labels)} == {0, 300, 600}
    result = tracker.step(frames(1)[0])
    assert result.ids == (300, 600) and {*np.unique(result.labels)} == {0, 300, 600}
    result = copying().add(frames(1)[0], blobs(1).astype(np.uint16) * 255)
    assert result.labels.dtype == np.uint16  # 255 in uint8 would be "ignore"


def test_probability_and_presence(tracker):
    images = frames(3)
    first = tracker.add(images[0], blobs(1, 2))
    assert np.array_equal(first.probability(1), blobs(1, 2) == 1)
    assert first.presence == {1: 1.0, 2: 1.0}
    second = tracker.step(images[1])
    maps = [second.probability(i) for i in (1, 2)]
    assert all(m.shape == SIZE and m.dtype == np.float32 and m.min() >= 0 for m in maps)
    assert (sum(maps) <= 1 + 1e-5).all()
    assert (maps[0][second.labels == 1] >= maps[1][second.labels == 1]).all()
    assert set(second.presence) == {1, 2} and all(0 <= p <= 1 for p in second.presence.values())
    with pytest.raises(UserError, match="newest"):
        first.probability(1)
    with pytest.raises(UserError, match="object 9"):
        second.probability(9)


def test_probability_beside_a_correction(tracker):
    images = frames(2)
    tracker.add(images[0], blobs(1, 2))
    before = tracker.step(images[1]).probability(1)
    result = tracker.add(images[1], blobs(2), ids=[2])
    covered = blobs(2) == 2
    assert np.array_equal(result.probability(2), covered)
    assert np.array_equal(result.probability(1), np.where(covered, 0, before))


def test_presence_wants_more_than_a_pixel():
    logits = torch.full((1, 4, 64, 64), -9.0)
    logits[:, 0] = 9
    logits[0, 1, 8:40, 8:40] = 30  # an object
    logits[0, 2, 48, 48] = 30  # a pixel
    here, pixel, nowhere = presence(logits).tolist()
    assert here > 0.99 and pixel < 0.3 and nowhere < 0.01


# --- corrections


def test_a_correction_replaces_what_was_said(network):
    """The frame is memorised once, as if the corrected mask had been given with it."""
    images, mended = frames(6), np.where(blobs(1) == 1, 1, 0).astype(np.uint8)
    results = []
    for look_first in (True, False):
        tracker = VideoTracker(network, INPUT, CPU)
        follow(tracker, images[:3], {0: blobs(1, 2)})
        if look_first:
            tracker.step(images[3])
        corrected = tracker.add(images[3], mended, ids=[1])
        assert np.array_equal(corrected.labels == 1, mended == 1)  # nothing is left of the old one
        assert tracker.frames == 4
        results.append([corrected.labels, *(r.labels for r in tracker.stream(images[4:]))])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_masks_of_one_frame_may_come_one_by_one():
    tracker, (first, second) = copying(), frames(2)
    tracker.add(first, blobs(1) == 1, ids=[1])
    tracker.add(first, blobs(2) == 2, ids=[2])
    assert np.array_equal(tracker.step(second).labels, blobs(1, 2)) and tracker.frames == 2


def test_an_object_that_is_said_not_to_be_there():
    tracker, images = copying(), frames(3)
    tracker.add(images[0], blobs(1, 2))
    result = tracker.add(images[1], blobs(1), ids=[1, 2])
    assert result.presence == {1: 1.0, 2: 0.0} and not (result.labels == 2).any()
    assert not (tracker.step(images[2]).labels == 2).any()


def test_only_the_named_objects_are_taken_from_a_mask():
    tracker, images = copying(), frames(2)
    tracker.add(images[0], blobs(1, 2))
    moved = np.roll(blobs(1, 2), 5, axis=1)
    labels = tracker.add(images[1], moved, ids=[2]).labels
    assert np.array_equal(labels == 2, moved == 2)
    assert np.array_equal(labels == 1, (blobs(1, 2) == 1) & (moved != 2))


# --- removal


def test_removal_does_not_change_the_others(network):
    images, given = frames(8), {0: blobs(1, 2), 2: blobs(3, 4)}
    whole = follow(VideoTracker(network, INPUT, CPU), images, given)
    tracker = VideoTracker(network, INPUT, CPU)
    before = follow(tracker, images[:5], given)
    assert (whole[5] == 1).any()
    tracker.remove(1)
    after = [result.labels for result in tracker.stream(images[5:])]
    expected = whole[:5] + [np.where(labels == 1, 0, labels) for labels in whole[5:]]
    assert all(np.array_equal(a, b) for a, b in zip(before + after, expected, strict=True))
    assert tracker.ids == (2, 3, 4) and 1 not in tracker.step(images[0]).presence


def test_a_group_without_objects_costs_nothing(network):
    tracker, images = VideoTracker(network, INPUT, CPU), frames(8)
    follow(tracker, images[:2], {0: blobs(1, 2, 3, 4, 5, 6, 7)})  # groups of three
    assert len(tracker.snapshot().memory) == 3
    for object_id in (4, 6, 5):
        tracker.remove(object_id)
    labels = tracker.step(images[2]).labels
    assert len(tracker.snapshot().memory) == 2
    assert {*np.unique(labels)} <= {0, 1, 2, 3, 7} and tracker.ids == (1, 2, 3, 7)
    result = tracker.add(images[3], blobs(5))  # an id may be given again, to a new object
    assert np.array_equal(result.labels == 5, blobs(5) == 5)
    assert 5 in tracker.step(images[4]).presence and len(tracker.snapshot().memory) == 2


def test_the_group_that_stays_is_tracked_as_if_alone(network):
    """Of two groups, the first removed at once: what is left equals a video of the second."""
    images, both = frames(5), blobs(1, 2, 3, 4)
    alone = VideoTracker(network, INPUT, CPU)
    alone.add(images[0], both, ids=[4])
    tracker = VideoTracker(network, INPUT, CPU)
    tracker.add(images[0], both)
    for object_id in (1, 2, 3):
        tracker.remove(object_id)
    for image in images[1:]:
        assert np.array_equal(tracker.step(image).labels, alone.step(image).labels)


def test_removing_everything_starts_anew():
    tracker, images = copying(), frames(3)
    tracker.add(images[0], blobs(1))
    tracker.step(images[1])
    tracker.remove(1)
    assert not tracker.step(images[1]).labels.any() and tracker.ids == ()
    assert tracker.snapshot().memory is None
    assert np.array_equal(tracker.add(images[2], blobs(2)).labels, blobs(2))


def test_an_object_drawn_by_mistake_leaves_no_trace(network):
    images, results = frames(5), []
    for mistaken in (False, True):
        tracker = VideoTracker(network, INPUT, CPU)
        follow(tracker, images[:2], {0: blobs(1)})
        if mistaken:
            tracker.add(images[2], blobs(3))
            tracker.add(images[2], blobs(5))
            tracker.remove(3)
            again = tracker.add(images[2], blobs(5), ids=[5])
        else:
            again = tracker.add(images[2], blobs(5))
        assert tracker.ids == (1, 5) and tracker.frames == 3
        results.append([again.labels, *(r.labels for r in tracker.stream(images[3:]))])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_a_frame_is_amended_after_its_last_object_was_removed():
    tracker, images = copying(), frames(3)
    tracker.add(images[0], blobs(1))
    tracker.step(images[1])
    tracker.remove(1)
    result = tracker.add(images[1], blobs(2))
    assert tracker.frames == 2 and {*np.unique(result.labels)} == {0, 2}
    assert np.array_equal(tracker.step(images[2]).labels, blobs(2))


# --- the state


def test_going_back_to_a_snapshot(tracker):
    images = frames(7)
    follow(tracker, images[:3], {0: blobs(1, 2)})
    snapshot = tracker.snapshot()
    once = [r.labels for r in tracker.stream(images[3:])]
    tracker.remove(1)
    tracker.restore(snapshot)
    assert tracker.ids == (1, 2) and tracker.frames == 3
    again = [r.labels for r in tracker.stream(images[3:])]
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


def test_a_snapshot_is_small(network):
    """Sixteen of them are kept by the page: no map of logits, for any number of groups."""

    def tensors(value):
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, tuple | list):
            for part in value:
                yield from tensors(part)
        elif is_dataclass(value):
            yield from tensors([getattr(value, f.name) for f in fields(value)])

    tracker = VideoTracker(network, INPUT, CPU)
    follow(tracker, frames(4), {0: blobs(1, 2, 3, 4, 5)})
    found = list(tensors(tracker.snapshot()))
    assert found and not [t.shape for t in found if t.shape[-2:] == SIZE and t.is_floating_point()]


def test_reset_forgets_the_video(tracker):
    images = frames(4)
    expected = follow(tracker, images, {0: blobs(1)})
    tracker.reset()
    assert tracker.ids == () and tracker.frames == 0
    assert not tracker.step(images[0][:33]).labels.any()  # another size
    tracker.reset()
    again = follow(tracker, images, {0: blobs(1)})
    assert all(np.array_equal(a, b) for a, b in zip(expected, again, strict=True))


def test_the_memory_does_not_grow(tracker):
    def size() -> int:
        memory = tracker.snapshot().memory
        return sum(storages([[g.long_term, g.short_term[0]] for g in memory]).values())

    images = frames(40)
    follow(tracker, images[:8], {0: blobs(1, 2)})
    early = size()
    for _ in tracker.stream(images[8:]):
        pass
    assert size() == early > 0


def test_a_frame_buffer_may_be_used_again(network):
    """Cameras hand over the same array each time."""
    images = frames(4)
    expected = follow(VideoTracker(network, INPUT, CPU), images, {0: blobs(1)})
    tracker, buffer = VideoTracker(network, INPUT, CPU), np.empty_like(images[0])
    for k, image in enumerate(images):
        buffer[:] = image
        result = tracker.add(buffer, blobs(1)) if k == 0 else tracker.step(buffer)
        assert np.array_equal(result.labels, expected[k])
    assert tracker.frames == 4


def test_trackers_in_threads_leave_the_settings_as_they_were(network):
    images = frames(6)
    expected = follow(VideoTracker(network, INPUT, CPU), images, {0: blobs(1, 2)})
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(follow, VideoTracker(network, INPUT, CPU), images, {0: blobs(1, 2)})
            for _ in range(3)
        ]
    for job in jobs:
        assert all(np.array_equal(a, b) for a, b in zip(job.result(), expected, strict=True))
    assert torch.get_float32_matmul_precision() == "highest"


# --- forms of frames and masks


@pytest.mark.parametrize(
    ("mask", "ids", "expected"),
    [
        (blobs(1) == 1, None, {1}),
        (blobs(1) == 1, [7], {7}),
        ((blobs(1) == 1).astype(np.uint8) * 255, None, {1}),
        ((blobs(1) == 1).astype(np.uint8) * 255, [9], {9}),
        (np.stack([blobs(1) == 1, blobs(2) == 2]), [4, 2], {4, 2}),
        (np.stack([blobs(1) == 1, blobs(2) == 2]).astype(np.float32), [4, 2], {4, 2}),
        (blobs(1, 2).astype(np.uint16), [2], {2}),
        (torch.from_numpy(blobs(1, 2)), None, {1, 2}),
        (np.where(blobs(1) == 1, 255, 0).astype(np.int32), None, {255}),  # void in uint8 only
    ],
)
def test_forms_of_masks(mask, ids, expected):
    result = copying().add(frames(1)[0], mask, ids)
    assert {*result.ids} == expected == {*np.unique(result.labels)} - {0}


def test_forms_of_frames(network):
    (image,) = frames(1)
    planes = torch.from_numpy(image).permute(2, 0, 1)
    for frame in (image, torch.from_numpy(image), planes, image[:, ::-1][:, ::-1]):
        tracker = VideoTracker(network, INPUT, CPU)
        tracker.add(frame, blobs(1))
        assert np.array_equal(tracker.snapshot().newest.image, image)


@pytest.mark.parametrize(
    ("mask", "ids", "message"),
    [
        (blobs(1)[:-1], None, "65x48, its frame 65x49"),
        (blobs(1).astype(np.float32), None, "expected integers"),
        (np.stack([blobs(1)] * 3, -1)[None], None, "expected integers"),
        (np.stack([blobs(1), blobs(2)]), None, "stack of 2 masks, but ids names none"),
        (np.stack([blobs(1), blobs(2)]), [1, 2, 3], "ids names 3"),
        (blobs(1) == 1, [1, 2], "it holds one object, but ids names 2"),
        (blobs(1), [1, 1], "twice"),
        (blobs(1).astype(np.int32) * 70_000, None, "1 to 65535, got 70000"),
        (-blobs(1).astype(np.int32), None, "got -1"),
        (blobs(1), [0], "got 0"),
        (blobs(1), 2, "sequence of integers, got 2"),
        (blobs(1), [1.5], "sequence of integers"),
        (blobs(1), [7], "object 7 is new, but the mask has no pixel of it"),
        (blobs(), None, "no object in it"),
    ],
)
def test_masks_that_are_refused(mask, ids, message):
    tracker = copying()
    with pytest.raises(UserError, match=message):
        tracker.add(frames(1)[0], mask, ids)
    assert tracker.ids == () and tracker.frames == 0  # nothing was begun


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (frames(1)[0][..., 0], r"shape \(49, 65\)"),
        (frames(1)[0].astype(np.float32), "float32"),
        (np.zeros((0, 5, 3), np.uint8), "expected RGB"),
        (frames(1)[0][:33], "it is 65x33, the ones before 65x49"),
        (torch.zeros(1, 49, 65, dtype=torch.uint8), "expected RGB"),
    ],
)
def test_frames_that_are_refused(frame, message):
    tracker = copying()
    tracker.add(frames(1)[0], blobs(1))
    with pytest.raises(UserError, match=message):
        tracker.step(frame)
    assert np.array_equal(tracker.step(frames(1)[0]).labels, blobs(1))  # it goes on


def test_removing_what_is_not_there():
    with pytest.raises(UserError, match="object 3 is not tracked"):
        copying().remove(3)


# --- from a checkpoint


def test_from_pretrained(tmp_path: Path):
    checkpoint = tmp_path / "nano.pth"
    save_weights(build_model(configs.load("mavos_nano", "quickstart").model), checkpoint)
    tracker = VideoTracker.from_pretrained(
        "mavos_nano", str(checkpoint), "cpu", overrides=["model.test_memory_gap=5"]
    )
    tracker.add(frames(1)[0], blobs(1))
    assert tracker.step(frames(1)[0]).labels.shape == SIZE
    assert torch.get_float32_matmul_precision() == "highest"  # PyTorch's settings are the user's
    loaded = mavos.load_model("mavos_nano", checkpoint, "cpu", amp=False)
    assert mavos.VideoTracker is VideoTracker and loaded.device.type == "cpu"
    VideoTracker(*loaded).add(frames(1)[0], blobs(1))
    with pytest.raises(UserError, match="mavos_nano"):
        VideoTracker.from_pretrained("mavos_nan", checkpoint)
    with pytest.raises(UserError, match="no checkpoint"):
        VideoTracker.from_pretrained("mavos_nano", tmp_path / "none.pth", "cpu")
    with pytest.raises(UserError, match="dtype=fp32 has no effect"):
        VideoTracker.from_pretrained("mavos_nano", checkpoint, "cpu", overrides=["eval.dtype=fp32"])
    with pytest.raises(UserError, match="one size"):
        VideoTracker.from_pretrained(
            "mavos_nano", checkpoint, "cpu", overrides=["eval.multiscale=True"]
        )
    with pytest.raises(UserError, match="cuda:77"):
        VideoTracker.from_pretrained("mavos_nano", checkpoint, "cuda:77")
