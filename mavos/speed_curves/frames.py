"""The video of a run, as long as it asks for: made up on the fly, or a real one."""

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import torch

from mavos.configs.schema import DataConfig
from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.listings.eval_videos import single_video
from mavos.dataloaders.media.video_reader import pinned
from mavos.dataloaders.types import Frame, numbered_frame_name
from mavos.evaluation.worker import reader_for
from mavos.pictures.drawing import object_color
from mavos.speed_curves.discs import discs
from mavos.speed_curves.runs import Run

_REACH = 12  # pixels that its picture moves either way
_GRAIN = 8  # pixels, of its texture


def frames_of(
    run: Run, input_rule: InputRule, device: torch.device, data: DataConfig
) -> Iterator[Frame]:
    """The frames of a run for a network on ``device``.

    A real video that is shorter is played again from its start, without its masks.
    """
    if run.input:
        return _repeated(run, input_rule, device, data)
    pin = device.type == "cuda"
    return synthetic_frames(run.size, input_rule, run.objects, run.frames, pin)


def _repeated(
    run: Run, input_rule: InputRule, device: torch.device, data: DataConfig
) -> Iterator[Frame]:
    reader = reader_for(single_video(run.input, run.mask), input_rule, device, data)
    left, first_time = run.frames, True
    while left:
        with closing(iter(reader)) as frames:
            for frame in islice(frames, left):
                yield frame if first_time else replace(frame, mask=None)
                left -= 1
        first_time = False


def synthetic_frames(
    size: tuple[int, int],
    input_rule: InputRule,
    objects: int,
    count: int,
    pin: bool = False,
) -> Iterator[Frame]:
    """So many frames of a picture that sways, always the same; no two in a row are equal.

    size: (H, W) of the frames. The first has a mask, with discs.
    """
    labels = discs(size, objects)
    height, width = input_rule.sizes(size)[0]
    shrunk = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    picture = _picture(shrunk, input_rule)
    for index in range(count):
        top = _REACH + round(_REACH * math.sin(0.11 * index))
        left = _REACH + round(_REACH * math.sin(0.17 * index))
        image = picture[:, top : top + height, left : left + width].contiguous()
        mask = torch.from_numpy(labels) if index == 0 else None
        yield Frame(numbered_frame_name(index), pinned(image) if pin else image, size, mask)


def _picture(labels: np.ndarray, input_rule: InputRule) -> torch.Tensor:
    """Input of a network (C, H + 2 reach, W + 2 reach): the labels (H, W) in colour on texture."""
    labels = np.pad(labels, _REACH)
    grains = (labels.shape[0] // _GRAIN, labels.shape[1] // _GRAIN, 3)
    texture = np.random.default_rng(0).integers(0, 256, grains, np.uint8)
    picture = cv2.resize(texture, labels.shape[::-1])
    for object_id in range(1, labels.max() + 1):
        picture[labels == object_id] = object_color(object_id)
    return input_rule.prepare(picture, labels.shape)
