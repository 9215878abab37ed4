"""One training clip from a video of a source, with at least one object in it."""

import numpy as np

from mavos.configs.schema import TrainConfig
from mavos.dataloaders.clips.augment import augment
from mavos.dataloaders.clips.clip_objects import Clip
from mavos.dataloaders.clips.clip_sampling import sample_frames
from mavos.dataloaders.clips.object_merging import merge
from mavos.dataloaders.clips.static_motion import static_clip
from mavos.dataloaders.listings.train_datasets import TrainSource
from mavos.dataloaders.types import LabelledVideo
from mavos.utils.errors import UserError

OTHER_VIDEOS = 10  # tried when a clip shows no object


def make_clip(
    source: TrainSource,
    index: int,
    train: TrainConfig,
    side: int,
    max_objects: int,
    rng: np.random.Generator,
) -> Clip:
    """A clip of ``side`` x ``side`` pixels of video ``index``, or of others if it shows no object.

    Another video's objects are pasted in for a share ``train.merge_prob`` of the clips, and if the
    first shows none. Raises UserError if no video tried has an object, or if a file is at fault.
    """
    is_merged = bool(rng.random() < train.merge_prob)
    clip = _plain_clip(source, index, train, side, max_objects, rng)
    tried = [index]
    while (is_merged or not clip.num_objects) and len(tried) <= OTHER_VIDEOS:
        tried.append(_other(len(source.videos), index, rng))
        other = _plain_clip(source, tried[-1], train, side, max_objects, rng)
        clip, is_merged = merge(clip, other, train.min_object_pixels, max_objects, rng), False
    if clip.num_objects:
        return clip
    names = list(dict.fromkeys(source.videos[i].name for i in tried))
    raise UserError(
        f"{source.videos[index].masks[0]}: no object of more than {train.min_object_pixels} pixels "
        f"in clips of {len(names)} videos of {source.name} ({', '.join(names)}); check the masks "
        "or lower train.min_object_pixels"
    )


def _plain_clip(
    source: TrainSource,
    index: int,
    train: TrainConfig,
    side: int,
    max_objects: int,
    rng: np.random.Generator,
) -> Clip:
    """A clip of one video, perhaps without any object."""
    video = source.videos[index]
    if len(video.frames) == 1:
        return _moved_picture(video, train, side, max_objects, rng)
    max_gap = max(1, round(source.max_gap * train.gap_scale))
    sample = sample_frames(video, train.clip_length, max_gap, train.reverse, rng)
    files = tuple(map(str, sample.frames))
    return augment(sample.read_images(), sample.labels, files, train, side, max_objects, rng)


def _moved_picture(
    video: LabelledVideo,
    train: TrainConfig,
    side: int,
    max_objects: int,
    rng: np.random.Generator,
) -> Clip:
    sample = sample_frames(video, 1, 1, False, rng)
    (image,), (labels,) = sample.read_images(), sample.labels
    return static_clip(image, labels, str(video.frames[0]), train, side, max_objects, rng)


def _other(count: int, index: int, rng: np.random.Generator) -> int:
    """A position of ``count`` that is not ``index``, unless there is only one."""
    return int(index + rng.integers(1, max(count, 2))) % count
