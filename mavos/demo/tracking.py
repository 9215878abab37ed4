"""The masks of every frame of a source, whatever happens to single frames."""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from mavos.dataloaders.media.frames import SourceFrame
from mavos.demo.given import read_given
from mavos.tracking.tracker import VideoTracker
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE, values_in

log = logging.getLogger(__name__)

_FAULTS_LOGGED = 10  # of single frames; the summary has all


@dataclass(frozen=True)
class Tracked:
    """What is known of one frame."""

    frame: SourceFrame
    image: np.ndarray  # (H, W, 3) uint8 RGB; of a frame before, where this one is damaged
    labels: np.ndarray  # (H, W) uint8, the user's ids
    presence: dict[int, float]  # id -> how sure it is that it is in the picture; of tracked frames
    given: tuple[int, ...]  # ids of the mask that the user gave here
    fault: str | None
    seconds: float  # that the network took, the memory of the frame before included


def first_good(frames: Iterator[SourceFrame], source: str) -> tuple[list[SourceFrame], np.ndarray]:
    """The frames up to the first that can be decoded, and its image; UserError if none can."""
    seen = []
    for frame in frames:
        seen.append(frame)
        if frame.image is not None:
            return seen, frame.image
    first = f"; the first: {seen[0].fault}" if seen else ""
    raise UserError(f"{source}: no frame of it can be decoded{first}")


def track(
    tracker: VideoTracker,
    frames: Iterable[SourceFrame],
    masks: dict[int, Path],
    first_image: np.ndarray,
) -> Iterator[Tracked]:
    """Yields what becomes of each frame; ``masks`` by source index, of the size of the frames.

    A frame that is damaged, or not of the size of ``first_image``, is warned about and gets the
    labels and the image of the one before. The mask of such a frame, or of one that a camera
    dropped, is given to the next one.
    """
    waiting, image = dict(sorted(masks.items())), first_image
    labels = np.zeros(image.shape[:2], np.uint8)
    faults, memorizing = 0, 0.0
    for frame in frames:
        due = list(takewhile(frame.index.__ge__, waiting))  # they are in order
        given = _laid_over([read_given(waiting[index], image.shape[:2]) for index in due])
        ids = () if given is None else _ids(given)
        fault = frame.fault or _fault_of_size(frame.image, image)
        if fault is not None:
            faults += 1
            _log_fault(frame, fault, faults)
            shown = labels if given is None else np.where(np.isin(given, ids), given, labels)
            yield Tracked(frame, image, shown, {}, (), fault, 0.0)
            continue
        for index in due:
            if index < frame.index:
                log.warning("%s: used at frame %d", waiting[index], frame.index)
            del waiting[index]
        image, started = frame.image, time.perf_counter()
        result = tracker.step(image)  # first, or a picture like the last would be no new frame
        if given is not None:
            result = tracker.add(image, given)
        labels = result.labels
        seconds = memorizing + time.perf_counter() - started
        yield Tracked(frame, image, labels, result.presence, ids, None, seconds)
        started = time.perf_counter()
        tracker.memorize()  # while no picture is asked for
        memorizing = time.perf_counter() - started
    for path in waiting.values():
        log.warning("%s: not used, the frames ended before", path)


def _laid_over(masks: list[np.ndarray]) -> np.ndarray | None:
    """One mask of several, later ones on top; None of none."""
    if not masks:
        return None
    merged = masks[0]
    for mask in masks[1:]:
        merged = np.where(mask > 0, mask, merged)
    return merged


def _ids(labels: np.ndarray) -> tuple[int, ...]:
    return tuple(i for i in values_in(labels) if i not in (0, IGNORE))


def _fault_of_size(image: np.ndarray | None, other: np.ndarray) -> str | None:
    if image is None or image.shape == other.shape:
        return None
    (height, width), (usual_height, usual_width) = image.shape[:2], other.shape[:2]
    return f"it is {width}x{height}, the others are {usual_width}x{usual_height}"


def _log_fault(frame: SourceFrame, fault: str, count: int) -> None:
    if count <= _FAULTS_LOGGED:
        log.warning("frame %s gets the masks of the one before: %s", frame.name, fault)
    if count == _FAULTS_LOGGED:
        log.warning("more damaged frames are not logged; summary.json has them all")
