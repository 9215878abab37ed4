"""Batches of training clips that depend on the seed and the step alone.

The same step gives the same clips whatever the number of processes and workers, so a run that is
resumed, or continued on other hardware, needs to know nothing but its step.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.clips.clip_making import make_clip
from mavos.dataloaders.clips.clip_workers import deliver
from mavos.dataloaders.listings.train_datasets import TrainSource
from mavos.dataloaders.types import Clips
from mavos.utils.errors import UserError


class ClipDataset(Dataset):
    """The clip of every (step, slot); slots are 0..batch_size - 1.

    Each epoch goes once through all videos of all sources, repeats included, in a new order.
    """

    def __init__(
        self, train: TrainConfig, sources: Sequence[TrainSource], side: int, max_objects: int
    ) -> None:
        """side: of the clips, in pixels. max_objects: identities of the network."""
        self._train = train
        self._sources = tuple(sources)
        self._side = side
        self._max_objects = max_objects
        # ends[k]: entries of an epoch in the sources up to and with k
        self._ends = np.cumsum([len(s.videos) * s.repeats for s in self._sources])
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, key: tuple[int, int]) -> Clips:
        """Clips of batch size 1. Raises UserError for a file that cannot be used."""
        step, slot = key
        rng = np.random.default_rng([self._train.seed, step, slot])
        source, index = self._video(step * self._train.batch_size + slot)
        clip = make_clip(source, index, self._train, self._side, self._max_objects, rng)
        images = np.empty((len(clip.images), 3, self._side, self._side), np.uint8)
        for planes, image in zip(images, clip.images, strict=True):
            cv2.split(image, list(planes))  # ten times as fast as a transposed copy
        slots = np.concatenate([[0], 1 + rng.permutation(self._max_objects)])
        return Clips(
            torch.from_numpy(images)[None],
            torch.from_numpy(np.stack(clip.labels))[None],
            torch.tensor([clip.num_objects]),
            torch.from_numpy(slots)[None],
            (clip.files,),
        )

    def _video(self, position: int) -> tuple[TrainSource, int]:
        """Source and number of the video at a position in the endless row of epochs."""
        epoch, place = divmod(position, int(self._ends[-1]))
        if epoch != self._epoch:
            rng = np.random.default_rng([self._train.seed, epoch])
            self._epoch, self._order = epoch, rng.permutation(int(self._ends[-1]))
        entry = int(self._order[place])
        k = int(np.searchsorted(self._ends, entry, side="right"))
        source = self._sources[k]
        before = int(self._ends[k]) - len(source.videos) * source.repeats
        return source, (entry - before) % len(source.videos)


def load_clips(
    train: TrainConfig,
    sources: Sequence[TrainSource],
    side: int,
    max_objects: int,
    *,
    first_step: int,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
) -> Iterator[list[Clips]]:
    """Yields this process' share of each batch, from ``first_step`` to the last of ``train.steps``.

    It comes in micro-batches of at most ``train.clips_per_device`` clips. side: of the clips, in
    pixels. max_objects: identities of the network. Close the iterator to end its worker processes.
    Raises UserError for data that cannot be used, and at once for a batch that cannot be shared.
    """
    shares = micro_batches(train.batch_size, train.clips_per_device, rank, world_size)
    if train.seed < 0:
        raise UserError(f"train.seed must be 0 or more, got {train.seed}")
    dataset = ClipDataset(train, sources, side, max_objects)
    steps = range(first_step, train.steps)
    return deliver(dataset, steps, shares, train.workers, pin_memory)


def micro_batches(
    batch_size: int, clips_per_device: int, rank: int, world_size: int
) -> list[range]:
    """Slots of a batch that process ``rank`` computes at a time, as equal in number as possible."""
    share, rest = divmod(batch_size, world_size)
    if rest:
        near = sorted({max(1, share) * world_size, (share + 1) * world_size})
        raise UserError(
            f"batch_size {batch_size} cannot be shared evenly by {world_size} processes; choose "
            f"{' or '.join(map(str, near))}, or another number of processes"
        )
    count = -(-share // clips_per_device)
    bounds = [rank * share + share * k // count for k in range(count + 1)]
    return [range(low, high) for low, high in pairwise(bounds)]
