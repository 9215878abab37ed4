"""Synthetic videos: what is in them, the dataset on disk, and how it is listed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from eval_tool import labels as read_palette_png

from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.listings.eval_datasets import list_videos
from mavos.dataloaders.media.images import read_image
from mavos.dataloaders.media.video_reader import VideoReader
from mavos.dataloaders.synthetic import dataset as synthetic
from mavos.dataloaders.synthetic.dataset import (
    EXTRA_VAL,
    SPEC_FILE,
    synthetic_videos,
    write_dataset,
)
from mavos.dataloaders.synthetic.videos import STORIES, render_video
from mavos.quickstart import make_synthetic
from mavos.utils.errors import UserError

SMALL = (64, 96)  # (H, W)


def areas(labels: np.ndarray) -> np.ndarray:
    """(N, T) pixels of each object 1..N in each frame."""
    return np.array([(labels == k).sum((1, 2)) for k in range(1, labels.max() + 1)])


def longest_absence(area: np.ndarray) -> int:
    """Frames in a row without the object, between two that show it. area: (T,)."""
    return int(np.diff(np.flatnonzero(area)).max()) - 1


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """The smallest dataset that has every kind of video."""
    root = tmp_path_factory.mktemp("data") / "synthetic"
    return write_dataset(root, 3, 2, 4, length=8, size=(32, 48), processes=1)


def test_a_seed_is_a_video():
    first, again, other = (render_video(seed, 8, SMALL) for seed in ((4, 1), (4, 1), (4, 2)))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.frames, other.frames)


@pytest.mark.parametrize("story", STORIES)
def test_one_to_three_objects_are_numbered_from_one(story):
    for seed in range(6):
        video = render_video(seed, 24, SMALL, story=story)
        assert video.frames.shape == (24, *SMALL, 3) and video.labels.shape == (24, *SMALL)
        assert video.frames.dtype == video.labels.dtype == np.uint8
        ids = np.unique(video.labels).tolist()
        assert ids == list(range(len(ids))) and 2 <= len(ids) <= 4


@pytest.mark.parametrize("count", (1, 2, 3))
def test_the_number_of_objects_can_be_asked_for(count):
    assert render_video(0, 8, SMALL, objects=count).labels.max() == count


def test_only_in_a_late_story_an_object_comes_later_and_then_well_in_view():
    for seed in range(8):
        area = areas(render_video(seed, 24, SMALL, story="late").labels)
        starts = (area > 0).argmax(1)
        assert (starts[:-1] == 0).all() and 24 // 5 <= starts[-1] < 12
        assert area[-1, starts[-1]] > 0.3 * area[-1].max()
        assert (areas(render_video(seed, 24, SMALL).labels)[:, 0] > 0).all()


def test_objects_move_and_can_be_seen():
    kept, sizes = [], []
    for seed in range(12):
        labels = render_video(seed, 24, SMALL).labels
        for k in range(1, labels.max() + 1):
            first, others = labels[0] == k, labels[1:] == k
            kept.append((first & others).sum() / (first | others).sum())
            sizes.append(others.mean())
    assert 0.02 < np.mean(kept) < 0.3  # what copying the first mask is worth
    assert 0.01 < np.mean(sizes) < 0.1


def test_pictures_and_labels_agree():
    """An object of one hue differs from what is around it, exactly where its label says."""
    video = render_video(1, 8, SMALL, objects=1)
    picture, inside = video.frames[0].astype(float), video.labels[0] == 1
    saturation = picture.max(2) - picture.min(2)
    assert np.median(saturation[inside]) > 1.5 * np.median(saturation[~inside])


def test_an_object_returns_after_a_long_absence_with_another_look():
    specs = [s for s in synthetic_videos(0, 0, 1, 24) if s.story == "return"]
    assert specs
    for spec in specs:
        video = render_video(spec.seed, spec.length, SMALL, story=spec.story)
        area = areas(video.labels)[0]
        assert longest_absence(area) >= 40
        seen = np.flatnonzero(area > 0.5 * area.max())
        before = seen[np.diff(seen).argmax()]
        looks = [video.frames[t][video.labels[t] == 1].mean(0) for t in (0, before, seen[-1])]
        first_to_last, before_to_last = (np.abs(look - looks[2]).sum() for look in looks[:2])
        assert first_to_last > 2 * before_to_last


def test_training_shows_returns_within_a_clip():
    absences = [
        longest_absence(area)
        for seed in range(8)
        for area in areas(render_video(seed, 24, SMALL, story="return_soon").labels)
    ]
    assert sum(2 <= absence <= 14 for absence in absences) >= 4


def test_in_the_long_video_objects_come_and_go():
    name, story, length = EXTRA_VAL[0]
    assert (name, story) == ("long", "long") and length >= 300
    area = areas(render_video((0, 2, 0), length, (32, 32), story=story).labels)
    returns = (np.diff((area > 0).astype(int), axis=1) > 0).sum(1)
    assert len(area) >= 2 and (returns >= 2).all()


def test_a_quarter_of_validation_has_a_late_object():
    videos = [s for s in synthetic_videos(0, 120, 16, 24) if s.name.startswith("val_")]
    assert len(videos) == 16 and sum(s.story == "late" for s in videos) == 4
    assert {s.length for s in videos} == {36}


def test_the_dataset_has_the_layout_of_davis(dataset):
    for split, count in (("train", 2), ("val", 4 + len(EXTRA_VAL))):
        videos = list_videos("davis2017", split, dataset)
        assert len(videos) == count
        for video in videos:
            assert video.error is None and list(video.masks) == ["00000"]
            assert video.length >= 8
    frame, mask = (dataset / d / "480p/train_0000/00003" for d in ("JPEGImages", "Annotations"))
    video = render_video((3, 0, 0), 8, (32, 48), story=synthetic.TRAIN_STORIES[0])
    assert np.array_equal(read_palette_png(mask.with_suffix(".png")), video.labels[3])
    difference = read_image(frame.with_suffix(".jpg")).astype(int) - video.frames[3]
    assert np.abs(difference).mean() < 6


def test_late_objects_are_given_where_they_first_appear(dataset):
    for video in list_videos("synthetic", None, dataset.parent):
        folder = dataset / "Annotations" / "480p" / video.name
        masks = np.array([read_palette_png(p) for p in sorted(folder.iterdir())])
        starts = (areas(masks) > 0).argmax(1)
        expected = {f"{t:05d}": set(np.flatnonzero(starts == t) + 1) for t in starts}
        assert {name: set(ids) for name, ids in video.given.items()} == expected
        assert (len(expected) == 2) == (video.name == "val_0003")
    late = next(v for v in list_videos("synthetic", "val", dataset) if v.name == "val_0003")
    met = [
        set(np.unique(f.mask).tolist())
        for f in VideoReader(late, InputRule(16, 1))
        if f.mask is not None
    ]
    assert len(met) == 2 and met[1] - met[0]


def test_the_number_of_processes_changes_nothing(dataset, tmp_path):
    again = write_dataset(tmp_path / "two", 3, 2, 4, length=8, size=(32, 48), processes=2)
    assert files(again) == files(dataset)


def test_the_same_dataset_is_not_made_twice(tmp_path, monkeypatch, capsys):
    options = ["--train_videos", "1", "--val_videos", "0", "--length", "8", "--size", "32", "32"]
    root = tmp_path / "videos"
    monkeypatch.setattr(synthetic, "cores", lambda: 1)
    assert make_synthetic.main(["--output", str(root), *options]) == 0
    assert capsys.readouterr().out == f"{root}\n"
    first = files(root)
    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "render_video", None)
        assert make_synthetic.main(["--output", str(root), *options]) == 0
    make_synthetic.main(["--output", str(root), "--seed", "1", *options])
    other = files(root)
    assert other.keys() == first.keys() and other != first
    assert json.loads(other[SPEC_FILE])["parameters"]["seed"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]


def test_an_unfinished_dataset_does_not_count(tmp_path, monkeypatch):
    root = tmp_path / "videos"
    write = synthetic.write_video

    def killed(folder, spec, size):
        write(folder, spec, size)
        assert folder.name.startswith(".") and not root.exists()
        shutil.copytree(folder, tmp_path / ".videos.999999999.tmp")  # what a kill would leave
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "write_video", killed)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(root, 0, 1, 0, 8, (32, 32), processes=1)
    assert [path.name for path in tmp_path.iterdir()] == [".videos.999999999.tmp"]
    write_dataset(root, 0, 1, 0, 8, (32, 32), processes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]


def test_other_files_are_never_replaced(tmp_path):
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(UserError, match="choose another folder"):
        write_dataset(tmp_path, 0, 1, 0, 8, (32, 32))
    (tmp_path / SPEC_FILE).write_text('{"parameters": {"speed": 3}}')
    with pytest.raises(UserError, match="choose another folder"):
        write_dataset(tmp_path, 0, 1, 0, 8, (32, 32))
    assert (tmp_path / "holiday.mp4").exists()


def test_mistakes_are_told(tmp_path):
    with pytest.raises(UserError, match="did you mean return"):
        render_video(0, 8, story="retrun")
    with pytest.raises(UserError, match="8 frames"):
        write_dataset(tmp_path / "a", length=3)
