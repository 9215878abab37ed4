"""Which frames make a clip, and which objects stay in its labels."""

import numpy as np
import pytest
from PIL import Image
from train_data import save_frame, save_video

from mavos.dataloaders.clips.clip_sampling import reflect, sample_frames
from mavos.dataloaders.listings.train_datasets import list_train
from mavos.dataloaders.types import LabelledVideo
from mavos.utils.errors import UserError


def make(root, length=6, **options) -> LabelledVideo:
    save_video(root, "v", length, **options)
    return list_train(str(root), root).videos[0]


def positions(sample) -> list[int]:
    return [int(path.stem) for path in sample.frames]


def test_reflect_walks_back_and_forth():
    assert [reflect(i, 4) for i in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert [reflect(i, 1) for i in range(3)] == [0, 0, 0]


def test_gaps_directions_and_references_are_all_drawn(tmp_path):
    video = make(tmp_path, length=30)
    gaps, starts, backwards = set(), set(), 0
    for seed in range(150):
        found = positions(sample_frames(video, 3, 2, True, np.random.default_rng(seed)))
        steps = np.diff(found)
        if 4 <= found[0] < 26:  # away from the ends
            assert (np.sign(steps) == np.sign(steps[0])).all()
            gaps |= set(np.abs(steps).tolist())
            backwards += int(steps[0] < 0)
        starts.add(found[0])
    assert gaps == {1, 2}
    assert 40 < backwards < 90
    assert len(starts) > 25


def test_no_reversal_unless_asked(tmp_path):
    video = make(tmp_path, length=30)
    for seed in range(20):
        found = positions(sample_frames(video, 3, 2, False, np.random.default_rng(seed)))
        if found[0] < 25:
            assert found == sorted(found)


def test_short_video_reflects(tmp_path):
    found = positions(
        sample_frames(make(tmp_path, length=2), 5, 1, False, np.random.default_rng(0))
    )
    assert found in ([0, 1, 0, 1, 0], [1, 0, 1, 0, 1])


def test_reference_shows_an_object(tmp_path):
    empty = np.zeros((60, 90), np.uint8)
    full = empty.copy()
    full[10:40, 10:40] = 3
    for t in range(10):
        save_frame(tmp_path, "v", f"{t:05d}", full if t == 7 else empty)
    video = list_train(str(tmp_path), tmp_path).videos[0]
    starts = [
        positions(sample_frames(video, 2, 1, True, np.random.default_rng(seed)))[0]
        for seed in range(20)
    ]
    assert starts.count(7) >= 16  # 1 - 0.9^20 is 0.88


def test_late_objects_are_background_and_255_stays(tmp_path):
    first = np.zeros((60, 90), np.uint8)
    first[10:40, 10:40] = 5
    later = first.copy()
    later[10:30, 50:70] = 9
    later[50:] = 255
    save_frame(tmp_path, "v", "00000", first)
    save_frame(tmp_path, "v", "00001", later)
    video = list_train(str(tmp_path), tmp_path).videos[0]
    starts = []
    for seed in range(60):
        sample = sample_frames(video, 2, 1, False, np.random.default_rng(seed))
        ids = [set(np.unique(labels).tolist()) for labels in sample.labels]
        starts.append(positions(sample)[0])
        if starts[-1] == 0:
            assert ids == [{0, 5}, {0, 5, 255}]
        else:
            assert ids == [{0, 5, 9, 255}, {0, 5}]
    assert starts.count(1) > starts.count(0)  # a choice without late objects is preferred


def test_sizes_that_differ(tmp_path):
    video = make(tmp_path, length=2)
    Image.fromarray(np.zeros((30, 45, 3), np.uint8)).save(video.frames[1])
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match=r"00001.png: mask is 90x60, its picture .*00001.png 45x30"):
        sample_frames(video, 2, 1, False, rng).read_images()
    Image.fromarray(np.zeros((30, 45), np.uint8)).save(video.masks[1])
    with pytest.raises(UserError, match=r"but 0000\d.png is .*All frames of a video must have one"):
        sample_frames(video, 2, 1, False, rng).read_images()
