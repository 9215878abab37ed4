"""What a network knows about a video, as a value, and the policies of its long-term part.

Shapes: B batch, L tokens of one frame, C width of the E-LSTT.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor


class Entry(NamedTuple):
    """What one block remembers of one or more frames, as tokens.

    In AOT both are (B, n L, C): one value, which has the ID embedding in it.
    """

    key: Tensor  # (B, n L, C / 2)
    # (B, n L, 4 C): value, then ID value; side by side, so that one product reads both
    values: Tensor

    @property
    def value(self) -> Tensor:
        """(B, n L, 2 C): what the cell looks like."""
        return self.values[..., : self.values.shape[-1] // 2]

    @property
    def id_value(self) -> Tensor:
        """(B, n L, 2 C): which identity covers the cell."""
        return self.values[..., self.values.shape[-1] // 2 :]

    def to(self, dtype: torch.dtype) -> "Entry":
        return Entry(self.key.to(dtype), self.values.to(dtype))

    def tokens(self, start: int | None, stop: int | None) -> "Entry":
        return Entry(self.key[:, start:stop], self.values[:, start:stop])


def join(*entries: Entry) -> Entry:
    """Entries one after another along the tokens."""
    return Entry(*(torch.cat(parts, dim=1) for parts in zip(*entries, strict=True)))


@dataclass(frozen=True)
class Memory:
    """Everything a network knows of one video or object group; nothing of it lives in a module."""

    # one per block; newest tokens first, the reference frame last. An inference form may keep
    # something else in the place of an entry, which then passes through its own policy alone
    long_term: tuple[Entry, ...]
    short_term: tuple[
        tuple[Entry, ...], ...
    ]  # last written frames, oldest first; one Entry per block
    num_objects: int  # identities in use
    frame: int = 0  # frames memorised after the first
    updated_at: int = 0  # value of `frame` at the last long-term update


Fuse = Callable[[Entry, Entry], Entry]  # (new frame, old dynamic frame) -> new dynamic frame
Policy = Callable[[Entry, Entry, Fuse | None], Entry]  # (long-term memory, new frame, fuse)


def keep_reference(old: Entry, new: Entry, fuse: Fuse | None) -> Entry:
    """Only the first annotated frame."""
    return old


def keep_previous(old: Entry, new: Entry, fuse: Fuse | None) -> Entry:
    """Only the newest stored frame."""
    return new


def keep_reference_and_previous(old: Entry, new: Entry, fuse: Fuse | None) -> Entry:
    """The reference frame and the newest stored one, unfused."""
    return join(new, old.tokens(-new.key.shape[1], None))


def keep_all(old: Entry, new: Entry, fuse: Fuse | None) -> Entry:
    """Every stored frame: the growing memory of AOT and DeAOT."""
    return join(new, old)


def keep_last(old: Entry, new: Entry, fuse: Fuse | None, frames: int) -> Entry:
    """The last ``frames`` stored frames; the reference leaves when its turn comes."""
    return join(new, old).tokens(0, frames * new.key.shape[1])


def keep_first(old: Entry, new: Entry, fuse: Fuse | None, frames: int) -> Entry:
    """The first ``frames`` - 1 stored frames, the reference among them, and the newest two.

    The rule by which the LVOS benchmark limits AOT to six frames: once more than so many are held,
    the newest but one goes before the next comes (github.com/LingyiHongfd/LVOS, issue 3). That
    makes frames + 1.
    """
    length = new.key.shape[1]
    if old.key.shape[1] > frames * length:
        old = join(old.tokens(0, length), old.tokens(2 * length, None))
    return join(new, old)


def fuse_dynamic(old: Entry, new: Entry, fuse: Fuse | None) -> Entry:
    """Paper section 3.2: the reference frame, and one dynamic frame that MCA rewrites.

    parity: the first update is appended as it is; only later ones go through MCA.
    """
    length = new.key.shape[1]
    if old.key.shape[1] == length:
        return join(new, old)
    return join(fuse(new, old.tokens(0, length)), old.tokens(length, None))


def renew_reference(old: Entry, new: Entry, fuse: Fuse | None) -> Entry:
    """A frame annotated in mid-video becomes the reference, and the former one the dynamic frame.

    Fused like any other, an object that is new there is soon lost: MCA has only learned to fuse
    objects that both frames show. Not the release's rule.
    """
    return join(old.tokens(-new.key.shape[1], None), new)


def keep_newest_reference(old: Entry, new: Entry, fuse: Fuse | None) -> Entry:
    """Only the last annotated frame."""
    return new


POLICIES: dict[str, Policy] = {
    "reference": keep_reference,
    "previous": keep_previous,
    "reference_previous": keep_reference_and_previous,
    "all": keep_all,
    "last": keep_last,
    "first": keep_first,
    "mca": fuse_dynamic,
}


# what a frame annotated in mid-video does, if it is to be the new reference; the policies that are
# not here store it anyway
RENEWALS: dict[str, Policy] = {
    "reference": keep_newest_reference,
    "reference_previous": renew_reference,
    "mca": renew_reference,
}


def build_policy(name: str, frames: int) -> Policy:
    """The policy ``name``; ``frames`` is how many "last" and "first" keep."""
    policy = POLICIES[name]
    return partial(policy, frames=frames) if policy in (keep_last, keep_first) else policy


def remember(
    memory: Memory,
    seen: tuple[Entry, ...],
    *,
    policy: Policy,
    fuse: tuple[Fuse | None, ...],
    gap: int,
    short_term_skip: int = 1,
    num_objects: int | None = None,
    is_reference: bool = False,
) -> Memory:
    """Memory after one more frame.

    seen: the frame's entry of each block. fuse: each block's fusion. gap: frames between long-term
    updates. short_term_skip: the short-term memory read is the frame that long ago. is_reference:
    the frame was annotated, which forces a long-term update and starts the short-term memory anew.
    """
    frame = memory.frame + 1
    kept = () if is_reference else memory.short_term
    memory = replace(
        memory,
        short_term=(kept + (seen,))[-short_term_skip:],
        num_objects=memory.num_objects if num_objects is None else num_objects,
        frame=frame,
    )
    if not is_reference and frame - memory.updated_at < gap:
        return memory
    long_term = tuple(
        policy(old, new, fuse_block)
        for old, new, fuse_block in zip(memory.long_term, seen, fuse, strict=True)
    )
    return replace(memory, long_term=long_term, updated_at=frame)
