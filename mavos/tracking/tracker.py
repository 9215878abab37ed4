"""Track objects through a video frame by frame: the streaming interface of every method.

    tracker = VideoTracker.from_pretrained("r50_mavos", "r50_mavos.pth")
    result = tracker.add(first_frame, first_mask)
    for result in tracker.stream(later_frames):
        show(result.labels)

Frames are needed one at a time; with a memory of constant size a video may be endless.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mavos.dataloaders.inputs import InputRule
from mavos.networks import onednn
from mavos.networks.segmenter import VideoSegmenter
from mavos.networks.transfers import transfers_for
from mavos.networks.wrappers import ObjectGroups
from mavos.run.pretrained import load_model
from mavos.tracking.given_masks import Given, as_array, read_given
from mavos.tracking.result import Belief, Result, presence
from mavos.tracking.settling import (
    Annotation,
    Settled,
    lay_over,
    predict,
    remember,
    shown,
    unpredicted,
)
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE


class _Newest(NamedTuple):
    """The last frame, which enters the memory when the next one comes: until then it can change.

    Nothing of its logits, so that a snapshot stays small.
    """

    image: np.ndarray  # (H, W, 3) uint8, to know it by
    settled: Settled | None = None  # None while there is no object
    presence: Tensor | None = None  # (N,) of the identities that were predicted
    given: frozenset[int] = frozenset()  # identities whose mask is the user's


@dataclass(frozen=True)
class Snapshot:
    """All that is known of a video; a value, so that keeping one is going back there."""

    ids: tuple[int | None, ...] = ()  # of identity 1, 2, …; None: removed
    memory: Any = None
    known: int = 0  # identities that the memory has; later ones are in the newest frame only
    newest: _Newest | None = None
    frames: int = 0
    size: tuple[int, int] | None = None  # (H, W) of the frames

    def identities(self) -> dict[int, int]:
        """Object id -> identity, of what is tracked."""
        return {i: n for n, i in enumerate(self.ids, start=1) if i is not None}


def _computes(method: Callable) -> Callable:
    """For the methods that run the network; the caller's settings of PyTorch stay as they are."""

    @wraps(method)
    def wrapped(self: "VideoTracker", *args, **kwargs):
        routed = onednn.routed if self._device.type == "cpu" else nullcontext()
        with torch.inference_mode(), routed:
            return method(self, *args, **kwargs)

    return wrapped


class VideoTracker:
    """Tracks the objects of one video.

    model: any method, on ``device``, in its inference form. input_rule: how frames become
    its input.
    """

    def __init__(self, model: VideoSegmenter, input_rule: InputRule, device: torch.device):
        if len(input_rule.scales) > 1:
            raise UserError("the tracker sees a frame at one size; leave eval.multiscale out")
        self._model = model if isinstance(model, ObjectGroups) else ObjectGroups(model)
        self._input_rule, self._device = input_rule, device
        self._state = Snapshot()
        self._ahead: tuple[Snapshot, Snapshot] | None = None  # a state, and what memorizing made it
        self._logits: Tensor | None = None  # of the newest frame, for probabilities
        self._result: Result | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str,
        checkpoint: str | Path,
        device: str | None = None,
        amp: bool = True,
        overrides: Sequence[str] = (),
    ) -> "VideoTracker":
        """With the network and the weights that ``mavos.load_model`` finds by the same arguments;
        no device is the fastest there is."""
        return cls(*load_model(model, checkpoint, device or "auto", amp, overrides))

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects that are tracked."""
        return tuple(self._state.identities())

    @property
    def frames(self) -> int:
        """Frames seen since the start."""
        return self._state.frames

    @_computes
    def add(
        self,
        frame: np.ndarray | Tensor,
        mask: np.ndarray | Tensor,
        ids: Sequence[int] | None = None,
    ) -> Result:
        """A frame with masks of new objects, or corrected ones; the others are tracked as usual.

        frame: as for ``step``, the next one, or once more the last one: then what was said of it is
        corrected, before it enters the memory. mask, ids: see ``given_masks.read_given``; a known
        object in ``ids`` without a pixel in the mask is not in this frame.
        """
        image = self._checked(frame)
        given = read_given(mask, ids, image.shape[:2])
        if unknown := set(given.ids) - set(self.ids) - set(np.unique(given.labels).tolist()):
            raise UserError(
                f"object {min(unknown)} is new, but the mask has no pixel of it; the pixels of an "
                "integer mask are ids, that of a single object may be booleans"
            )
        if not given.ids:
            raise UserError("mask: there is no object in it; use step() for a frame without masks")
        newest = self._state.newest
        if newest is None or not np.array_equal(newest.image, image):
            self._advance(image)
        self._lay_over(given)
        return self._result_now()

    @_computes
    def step(self, frame: np.ndarray | Tensor) -> Result:
        """The objects in the next frame, (H, W, 3) uint8 RGB; a tensor may also be (3, H, W).

        Before the first mask all is background. Raises UserError for a frame of another form, or of
        another size than the ones before.
        """
        self._advance(self._checked(frame))
        return self._result_now()

    def stream(self, frames: Iterable[np.ndarray | Tensor]) -> Iterator[Result]:
        """``step`` for each frame, as they come; see ``memorize``."""
        for frame in frames:
            yield self.step(frame)
            self.memorize()

    @_computes
    def memorize(self) -> None:
        """Take the last frame into the memory now, not when the next one comes.

        For the time until there is a next one: one that a camera takes afterwards does not wait for
        an update of the memory. What is said stays the same, and the last frame can still be
        corrected.
        """
        if self._ahead is None or self._ahead[0] is not self._state:
            self._ahead = None  # let go of it first
            self._ahead = self._state, self._memorized(self._state)

    @_computes
    def remove(self, object_id: int) -> None:
        """Track an object no more. Raises UserError if it is not tracked.

        The results of the others do not change: the network still separates it from them, until
        all objects that share its group are gone. The id may be given to another object.
        """
        identity = self._state.identities().get(object_id)
        if identity is None:
            raise UserError(f"object {object_id} is not tracked; there are {self.ids}")
        if identity > self._state.known:
            self._take_back(identity)
            return
        ids = list(self._state.ids)
        ids[identity - 1] = None
        self._state = replace(self._state, ids=tuple(ids))

    def reset(self) -> None:
        """Forget the video; the next frame may be of another one."""
        self.restore(Snapshot())

    def snapshot(self) -> Snapshot:
        """All that is known of the video, for ``restore``; it does not change any more.

        As large as the memory, the features of a frame, and its picture.
        """
        return self._state

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to where the video was then; probabilities of that frame are 0 and 1."""
        self._let_go()
        self._state, self._ahead, self._logits = snapshot, None, None

    def _advance(self, image: np.ndarray) -> None:
        """Memorize the last frame, predict this one."""
        self.memorize()
        self._state, self._ahead = self._ahead[1], None
        self._drop_dead_groups()
        state, newest, self._logits = self._state, _Newest(image), None
        if state.memory is not None:
            settled = predict(self._model, self._encode(image), state.memory, image.shape[:2])
            self._logits = settled.out.logits
            settled = settled._replace(out=settled.out._replace(logits=None))
            newest = _Newest(image, settled, presence(self._logits))
        self._state = replace(state, newest=newest, frames=state.frames + 1, size=image.shape[:2])

    def _memorized(self, state: Snapshot) -> Snapshot:
        """``state`` with its last frame in the memory."""
        newest = state.newest
        if newest is None or newest.settled is None or not state.ids:
            return state
        memory = remember(
            self._model, newest.settled, state.memory, len(state.ids), bool(newest.given)
        )
        return replace(state, memory=memory, known=len(state.ids), newest=None)

    def _lay_over(self, given: Given) -> None:
        """Make the user's masks a part of the last frame."""
        state = self._state
        known = state.identities()
        ids = state.ids + tuple(i for i in given.ids if i not in known)
        state = replace(state, ids=ids)
        identities, newest = state.identities(), state.newest
        users = tuple(identities[i] for i in given.ids)
        table = np.zeros(max(given.ids) + 1, np.int16)
        table[list(given.ids)] = users
        ignored = given.ignored
        annotation = Annotation(
            torch.from_numpy(table[given.labels]).to(self._device),
            None if ignored is None else torch.from_numpy(ignored).to(self._device),
            users,
        )
        settled = newest.settled
        if settled is None:
            settled = unpredicted(newest.image.shape[:2], self._device)
            settled = settled._replace(feats=self._encode(newest.image))
        newest = newest._replace(
            settled=lay_over(settled, annotation), given=newest.given.union(users)
        )
        self._state = replace(state, newest=newest)

    def _take_back(self, identity: int) -> None:
        """Forget an object that is in the newest frame only; identities after it move up."""
        state = self._state
        newest, ids = state.newest, list(state.ids)
        del ids[identity - 1]
        settled = newest.settled
        labels = torch.where(settled.labels == identity, settled.predicted, settled.labels)
        settled = settled._replace(labels=labels - (labels > identity).to(labels.dtype))
        given = frozenset(n - (n > identity) for n in newest.given if n != identity)
        newest = newest._replace(settled=settled, given=given)
        self._state = replace(state, ids=tuple(ids), newest=newest)

    def _drop_dead_groups(self) -> None:
        """Forget groups whose objects are all removed; those after them move up."""
        state, size = self._state, self._model.group_size
        groups = [state.ids[start : start + size] for start in range(0, len(state.ids), size)]
        memory = state.memory
        for group in reversed(range(len(groups))):
            if not any(groups[group]):
                memory = self._model.without(memory, group)
        ids = tuple(i for group in groups if any(group) for i in group)
        self._state = replace(state, ids=ids, known=len(ids), memory=memory or None)

    def _encode(self, image: np.ndarray) -> Any:
        """Features of a picture (H, W, 3)."""
        (size,) = self._input_rule.sizes(image.shape[:2])
        prepared = self._input_rule.prepare(image, size)[None]
        return self._model.encode(transfers_for(self._device).upload(prepared))

    def _result_now(self) -> Result:
        """The result of the last frame."""
        self._let_go()
        newest, identities = self._state.newest, self._state.identities()
        settled = newest.settled
        if settled is None:
            self._result = Result(np.zeros(newest.image.shape[:2], np.uint8), {}, None)
            return self._result
        labels = shown(settled).cpu().numpy()
        found = {} if settled.out is None else dict(enumerate(newest.presence.tolist(), start=1))
        found |= {n: float((labels == n).any()) for n in newest.given}
        table = np.array([0, *(i or 0 for i in self._state.ids)])
        table = table.astype(np.uint8 if table.max() < IGNORE else np.uint16)
        self._result = Result(
            table[labels],
            {i: found[n] for i, n in identities.items()},
            Belief(self._logits, settled.labels, newest.given, identities),
        )
        return self._result

    def _let_go(self) -> None:
        if self._result is not None:
            self._result.forget()
        self._result = None

    def _checked(self, frame: np.ndarray | Tensor) -> np.ndarray:
        """The frame as an array (H, W, 3) of its own."""
        array = np.array(as_array(frame))
        if isinstance(frame, Tensor) and array.ndim == 3 and array.shape[-1] != 3:
            array = np.ascontiguousarray(np.moveaxis(array, 0, -1))
        if array.ndim != 3 or array.shape[-1] != 3 or array.dtype != np.uint8 or not array.size:
            raise UserError(
                f"frame: got {array.dtype} of shape {tuple(np.shape(frame))}; expected RGB, uint8, "
                "(height, width, 3), or a tensor (3, height, width)"
            )
        size = self._state.size
        if size is not None and size != array.shape[:2]:
            raise UserError(
                f"frame: it is {array.shape[1]}x{array.shape[0]}, the ones before {size[1]}x"
                f"{size[0]} (width x height). All frames of a video have one size; reset() begins "
                "another video"
            )
        return array
