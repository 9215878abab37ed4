"""Iterate over a video: frames decoded and resized ahead of the network, masks as identities."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count, islice

import numpy as np
import torch
from torch import Tensor

from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.media.file_kinds import open_footage
from mavos.dataloaders.media.images import bits_used, read_image
from mavos.dataloaders.media.mask_files import read_mask
from mavos.dataloaders.types import Frame, IdMap, Video, numbered_frame_name
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE


@dataclass(frozen=True)
class _Loaded:
    """A frame as the background threads leave it: object ids are not yet identities."""

    name: str
    images: list[Tensor]  # (3, H, W) each, one per scale
    size: tuple[int, int]  # (H0, W0)
    labels: np.ndarray | None  # (H0, W0) uint8 object ids


class VideoReader:
    """Yields the ``Frame``s of a video in order.

    At most ``ahead`` frames wait in memory. Errors come up at the frame they belong to, after all
    earlier frames. Leaving the loop early stops the threads. Each loop starts at the first frame.
    ``pin`` puts pictures into page-locked memory, from which a GPU copies them while it computes.
    """

    def __init__(
        self,
        video: Video,
        input_rule: InputRule,
        ahead: int = 8,
        threads: int = 2,
        pin: bool = False,
    ) -> None:
        self.video = video
        self.ids = IdMap()  # object ids of the identities given so far
        self._input_rule = input_rule
        self._ahead = max(1, ahead)
        self._threads = max(1, threads)
        self._pin = pin

    def __iter__(self) -> Iterator[Frame]:
        """Raises UserError for a video that cannot be segmented, see the checks below."""
        if self.video.error is not None:
            raise UserError(self.video.error)
        self._check_masks()
        first: _Loaded | None = None
        with ExitStack() as stack:
            futures = self._submit(stack)
            waiting = deque(islice(futures, self._ahead))
            while waiting:
                loaded = waiting.popleft().result()
                if loaded is None:  # a video file ends when it ends, not when announced
                    return
                waiting.extend(islice(futures, 1))
                first = first or loaded
                _check_same_size(self.video, first, loaded)
                yield self._frame(loaded)

    def _check_masks(self) -> None:
        """Raises UserError if a mask has no frame, or if no mask holds an object."""
        names = self.video.frame_names()
        known = set(names)
        for name, path in self.video.masks.items():
            if name not in known:
                raise UserError(
                    f"{path}: video '{self.video.name}' has no frame '{name}' (its frames are "
                    f"{names[0]} to {names[-1]}). Rename the mask like its frame, or remove it"
                )
        if not self.video.masks:
            raise UserError(
                f"video '{self.video.name}': no mask is given; expected at least one mask file "
                "that is named like its frame and shows the objects to follow"
            )
        if not any(_has_objects(self._labels(n)) for n in names if n in self.video.masks):
            raise UserError(
                f"video '{self.video.name}': no given mask holds an object, such as "
                f"{next(iter(self.video.masks.values()))}; expected pixels with ids above 0"
            )

    def _labels(self, frame_name: str) -> np.ndarray:
        """Object ids (H0, W0) uint8 given at a frame; UserError if an expected one is absent."""
        path = self.video.masks[frame_name]
        labels = read_mask(path)
        if self.video.single_object:
            labels = np.where(labels == IGNORE, IGNORE, labels > 0).astype(np.uint8)
        if self.video.given is None:
            return labels
        wanted = self.video.given[frame_name]
        missing = wanted.difference(np.unique(labels).tolist())
        if missing:
            source = self.video.given_source
            raise UserError(
                f"{path}: holds no pixel of object {min(missing)}, which {source or 'the dataset'} "
                f"says is given at frame '{frame_name}'. Correct one of the two"
            )
        return np.where(np.isin(labels, [*wanted, IGNORE]), labels, 0).astype(np.uint8)

    def _submit(self, stack: ExitStack) -> Iterator[Future]:
        """Starts loading a frame each time the next item is asked for; threads end with ``stack``.

        Futures hold ``_Loaded``, or None after the end of a video file.
        """
        pool = _threads_until_exit(stack, self._threads)
        if self.video.file is None:
            bits = bits_used(self.video.frames)
            for path in self.video.frames:
                yield pool.submit(self._load, path.stem, partial(read_image, path, bits))
            return
        video_file = open_footage(self.video.file)
        stack.callback(video_file.close)
        # frames of a file can only be decoded in turn: one thread does that, the pool the rest
        decoder = _threads_until_exit(stack, 1)
        for index in count():
            decoded = decoder.submit(video_file.read)
            yield pool.submit(self._load, numbered_frame_name(index), decoded.result)

    def _load(self, name: str, get_image: Callable[[], np.ndarray | None]) -> _Loaded | None:
        """The picture as input, and the given mask if the frame has one; runs in a thread."""
        image = get_image()
        if image is None:
            return None
        size = image.shape[:2]
        labels = self._labels(name) if name in self.video.masks else None
        if labels is not None and labels.shape != size:
            raise UserError(
                f"{self.video.masks[name]}: mask is {_width_x_height(labels.shape)}, its frame "
                f"{_width_x_height(size)} (width x height). Make the mask at the size of the frame"
            )
        rule = self._input_rule
        images = [rule.prepare(image, input_size) for input_size in rule.sizes(size)]
        if self._pin:
            images = [pinned(image) for image in images]
        return _Loaded(name, images, size, labels)

    def _frame(self, loaded: _Loaded) -> Frame:
        mask = None
        if loaded.labels is not None and _has_objects(loaded.labels):
            mask = torch.from_numpy(self.ids.to_identities(loaded.labels))
        image = loaded.images[0] if len(loaded.images) == 1 else loaded.images
        return Frame(loaded.name, image, loaded.size, mask)


def pinned(tensor: Tensor) -> Tensor:
    """The same in page-locked memory; needs CUDA."""
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    # PyTorch would copy with threads of its own, as many again for each thread that reads
    copy.numpy()[:] = tensor.numpy()
    return copy


def _threads_until_exit(stack: ExitStack, threads: int) -> ThreadPoolExecutor:
    """Threads that stop when ``stack`` unwinds; work not yet begun is dropped."""
    pool = ThreadPoolExecutor(threads)
    stack.callback(pool.shutdown, cancel_futures=True)
    return pool


def _check_same_size(video: Video, first: _Loaded, frame: _Loaded) -> None:
    if frame.size != first.size:
        raise UserError(
            f"video '{video.name}': frame '{frame.name}' is {_width_x_height(frame.size)}, but "
            f"frame '{first.name}' is {_width_x_height(first.size)} (width x height). All frames "
            "of a video must have one size: resize it, or make two videos"
        )


def _has_objects(labels: np.ndarray) -> bool:
    return bool(((labels != 0) & (labels != IGNORE)).any())


def _width_x_height(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"
