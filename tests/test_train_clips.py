"""Batches of clips: the same for any number of processes, errors as they are, no process left."""

import logging
import multiprocessing
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from eval_tool import ROOT, start, wait
from PIL import Image
from train_data import save_frame, save_video

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.clips import clip_workers
from mavos.dataloaders.clips.train_clips import ClipDataset, load_clips, micro_batches
from mavos.dataloaders.listings.train_datasets import TrainSource, list_train
from mavos.dataloaders.types import Clips
from mavos.utils.errors import UserError

TRAIN = TrainConfig(
    batch_size=4,
    clips_per_device=2,
    clip_length=3,
    short_edge=60,
    min_object_pixels=20,
    steps=3,
    workers=0,
)
SIDE, OBJECTS = 49, 5


@pytest.fixture
def sources(tmp_path) -> list[TrainSource]:
    for k in range(3):
        save_video(tmp_path / "videos", f"v{k}", ids=(1, 2, 7)[: k + 1])
    for k in range(2):
        labels = np.zeros((60, 80), np.uint8)
        labels[10:40, 10 + 10 * k : 50] = 4
        save_frame(tmp_path / "pictures", f"p{k}", "0", labels)
    return [list_train("videos*2", tmp_path), list_train("pictures", tmp_path)]


def load(train: TrainConfig, sources: list[TrainSource], **options) -> list[list[Clips]]:
    return list(load_clips(train, sources, SIDE, OBJECTS, **{"first_step": 0} | options))


def same(batches: list[Clips], others: list[Clips]) -> bool:
    """Whether both hold the same clips, however they are split."""

    def joined(name: str, parts: list[Clips]) -> torch.Tensor:
        return torch.cat([getattr(part, name) for part in parts])

    names = ("images", "labels", "num_objects", "permutations")
    return all(torch.equal(joined(n, batches), joined(n, others)) for n in names) and [
        s for part in batches for s in part.sources
    ] == [s for part in others for s in part.sources]


def test_shapes_types_and_identities(sources):
    for step in load(TRAIN, sources):
        assert [len(part.images) for part in step] == [2, 2]
        for part in step:
            assert part.images.shape == (2, 3, 3, SIDE, SIDE) and part.images.dtype == torch.uint8
            assert part.labels.shape == (2, 3, SIDE, SIDE) and part.labels.dtype == torch.uint8
            assert part.num_objects.dtype == part.permutations.dtype == torch.int64
            assert part.permutations[:, 0].tolist() == [0, 0]
            assert (part.permutations.sort().values == torch.arange(1 + OBJECTS)).all()
            for labels, count, files in zip(
                part.labels, part.num_objects, part.sources, strict=True
            ):
                assert 1 <= count <= OBJECTS
                assert labels[0].unique().tolist() == list(range(int(count) + 1))
                assert labels.max() == count and all(Path(file).is_file() for file in files)


def test_workers_processes_and_resuming_change_nothing(sources):
    alone = load(TRAIN, sources)
    with_workers = load(replace(TRAIN, workers=2), sources)
    resumed = load(replace(TRAIN, clips_per_device=3), sources, first_step=2)
    ranks = [load(TRAIN, sources, rank=rank, world_size=2) for rank in range(2)]
    assert len(alone) == len(with_workers) == len(ranks[0]) == 3 and len(resumed) == 1
    assert all(same(a, b) for a, b in zip(alone, with_workers, strict=True))
    assert all(same(a, b + c) for a, b, c in zip(alone, *ranks, strict=True))
    assert same(alone[2], resumed[0])
    assert not same(alone[0], alone[1])
    assert not same(alone[0], load(replace(TRAIN, seed=1), sources)[0])


def test_loading_leaves_the_random_state_alone(sources):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    child = signal.getsignal(signal.SIGCHLD)
    load(replace(TRAIN, workers=1, steps=1), sources)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert signal.getsignal(signal.SIGCHLD) == child


def test_an_epoch_goes_through_all_videos(sources):
    dataset = ClipDataset(replace(TRAIN, merge_prob=0), sources, SIDE, OBJECTS)
    orders = []
    for epoch in range(2):
        positions = range(8 * epoch, 8 * epoch + 8)  # 2 x 3 videos and 2 pictures
        clips = [dataset[position // 4, position % 4] for position in positions]
        orders.append([Path(clip.sources[0][0]).parent.name for clip in clips])
        assert Counter(orders[-1]) == {"v0": 2, "v1": 2, "v2": 2, "p0": 1, "p1": 1}
    assert orders[0] != orders[1]


def test_merging_takes_two_videos_of_one_source(sources):
    clips = load(replace(TRAIN, merge_prob=1.0, steps=6), sources)
    for files in (files for step in clips for part in step for files in part.sources):
        videos = {Path(file).parent for file in files}
        assert len(videos) == 2 and len({path.parent for path in videos}) == 1
    assert max(int(part.num_objects.max()) for step in clips for part in step) > 3


@pytest.mark.parametrize("max_objects", [1, 2])
def test_no_more_objects_than_the_network_has(sources, max_objects):
    train = replace(TRAIN, merge_prob=1.0)
    for step in load_clips(train, sources, SIDE, max_objects, first_step=0):
        for part in step:
            assert part.num_objects.max() <= max_objects and part.labels.max() <= max_objects


def test_how_a_batch_is_split():
    assert micro_batches(16, 4, 0, 1) == [range(k, k + 4) for k in (0, 4, 8, 12)]
    assert micro_batches(16, 4, 1, 2) == [range(8, 12), range(12, 16)]
    assert [len(part) for part in micro_batches(10, 4, 0, 1)] == [3, 3, 4]
    assert micro_batches(3, 8, 0, 1) == [range(3)]
    with pytest.raises(
        UserError,
        match="batch_size 16 cannot be shared evenly by 3 processes; choose 15 or 18",
    ):
        micro_batches(16, 4, 0, 3)
    with pytest.raises(UserError, match=r"batch_size 2 cannot .* choose 4,"):
        micro_batches(2, 4, 0, 4)


def test_no_object_anywhere_is_told(tmp_path):
    for k in range(3):
        save_video(tmp_path / "empty", f"v{k}", ids=())
    with pytest.raises(UserError, match=r"no object of more than 20 pixels in clips of 3 videos"):
        load(TRAIN, [list_train("empty", tmp_path)])


def test_an_empty_video_borrows_the_objects_of_another(tmp_path):
    save_video(tmp_path / "mixed", "empty", ids=())
    save_video(tmp_path / "mixed", "full", ids=(1,))
    clips = load(replace(TRAIN, merge_prob=0), [list_train("mixed", tmp_path)])
    assert all(bool((part.num_objects == 1).all()) for step in clips for part in step)


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_of_workers_keep_their_message(sources, workers):
    for source in sources:
        for video in source.videos:
            for mask in video.masks:
                Image.fromarray(np.ones((30, 40), np.uint8)).save(mask)
    with pytest.raises(UserError) as told:
        load(replace(TRAIN, workers=workers), sources)
    assert "mask is 40x30, its picture" in str(told.value)
    assert "Traceback" not in str(told.value) and len(str(told.value).splitlines()) == 1
    assert not multiprocessing.active_children()


def test_closing_ends_the_workers(sources):
    clips = load_clips(replace(TRAIN, workers=2, steps=1000), sources, SIDE, OBJECTS, first_step=0)
    next(clips)
    assert len(multiprocessing.active_children()) == 2
    clips.close()
    assert not multiprocessing.active_children()


def test_workers_end_without_pytorchs_private_method(sources, monkeypatch):
    loader = torch.utils.data.dataloader._MultiProcessingDataLoaderIter
    monkeypatch.delattr(loader, "_shutdown_workers")
    monkeypatch.delattr(loader, "__del__")  # calls it
    test_closing_ends_the_workers(sources)


@pytest.fixture
def soon_noticed(monkeypatch):
    """PyTorch looks for dead workers every 0.3 s instead of 5."""
    loader = torch.utils.data.dataloader._MultiProcessingDataLoaderIter
    monkeypatch.setattr(loader._try_get_data, "__defaults__", (0.3,))


def test_a_dead_worker_is_replaced(sources, caplog, soon_noticed):
    train = replace(TRAIN, workers=1, steps=8)
    expected = load(replace(train, workers=0), sources)
    got = []
    with caplog.at_level(logging.WARNING):
        clips = load_clips(train, sources, SIDE, OBJECTS, first_step=0)
        for batch in clips:
            got.append(batch)
            if len(got) == 1:
                os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
                time.sleep(0.1)  # and the main thread is not disturbed
    assert all(same(a, b) for a, b in zip(expected, got, strict=True))
    assert "data workers are started again" in caplog.text
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_while_its_batch_is_fetched_is_a_death():
    assert clip_workers._is_death(ConnectionResetError(104, "Connection reset by peer"))
    assert clip_workers._is_death(FileNotFoundError(2, "No such file or directory"))
    assert not clip_workers._is_death(FileNotFoundError("Caught FileNotFoundError in DataLoader"))


class _Deadly(torch.utils.data.Dataset):
    def __getitem__(self, key):
        os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_keep_dying_end_the_run(caplog, soon_noticed):
    with pytest.raises(UserError, match=r"step 4: data workers died 3 times.*lower train.workers"):
        next(clip_workers.deliver(_Deadly(), range(4, 9), [range(1)], 1, False))
    assert caplog.text.count("started again") == 2


def test_a_full_shared_memory_is_told(sources, monkeypatch):
    def refuse(tensor):
        raise RuntimeError("unable to allocate shared memory(shm)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)
    with pytest.raises(UserError, match=r"unable to allocate .*/dev/shm. Lower train.workers"):
        load(replace(TRAIN, workers=1), sources)


INTERRUPTED = """
import sys, time
from pathlib import Path
from mavos.configs.schema import TrainConfig
from mavos.dataloaders.clips.train_clips import load_clips
from mavos.dataloaders.listings.train_datasets import list_train

train = TrainConfig(batch_size=2, clip_length=3, short_edge=60, min_object_pixels=20, workers=2)
try:
    for step in load_clips(train, [list_train(sys.argv[1], Path("."))], 49, 5, first_step=0):
        print("step", flush=True)
        time.sleep(0.05)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_prints_nothing_from_workers(sources, tmp_path):
    folder = str(tmp_path / "videos")
    process = start("-c", INTERRUPTED, folder, cwd=tmp_path, PYTHONPATH=str(ROOT))
    process.stdout.readline()
    workers = [int(p) for p in _children(process.pid)]
    for pid in (process.pid, *workers):  # as a terminal does
        os.kill(pid, signal.SIGINT)
    ended = wait(process)
    assert (ended.status, ended.stderr) == (130, "")
    assert len(workers) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in workers)


def _children(pid: int) -> list[str]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("needs Linux' list of child processes")
    return listed.read_text().split()
