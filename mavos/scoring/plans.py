"""Which frames and objects of one video count; a function for each benchmark's rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mavos.dataloaders.listings.listing import lookup, object_id
from mavos.scoring.frames import Count, after_first_sight, from_first_sight, listed
from mavos.scoring.truth import Truth, read_values
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE, values_in

LVOS_STEP = 5  # between the frames that LVOS scores, in numbers of its file names


class Options(NamedTuple):
    """What a user may ask of a protocol."""

    all_frames: bool = False  # score the first and the last frame too (MOSE)
    like_toolkit: bool = False  # decay in 8 bits; 0 for frames that are missing in a range of LVOS


USUAL = Options()


@dataclass(frozen=True)
class Plan:
    """What is scored of one video."""

    name: str
    truths: Mapping[str, Path]  # frames to read -> mask of the truth, in time order
    new_count: Callable[[], Count]  # which objects count on each of them; one for each reading
    objects: frozenset[int] | None = None  # ids scored whatever the masks show; None: seen ones
    given: frozenset[str] = frozenset()  # frames of ``truths`` that need no prediction
    groups: Mapping[int, str] = field(default_factory=dict)  # object id -> seen or unseen
    zeros: Mapping[int, int] = field(default_factory=dict)  # object id -> values that stay 0


def objects_of_first_mask(truth: Truth, name: str, options: Options, last: bool = False) -> Plan:
    """DAVIS 2017, Long-Time Video: all masks but the first and, without ``last``, the last.

    Objects are 1 up to the largest id of the first mask, also those missing in between.
    """
    masks = truth.masks(name)
    scored = _inner(truth, name, 1, None if last else -1)
    first = next(iter(masks.values()))
    ids = [i for i in values_in(read_values(first)) if i not in (0, IGNORE)]
    if not ids:
        raise UserError(
            f"{first}: no object in the first mask, only 0 or 255; objects are the values 1 to "
            "254. Write 1 for 255, or score masks of one object with --protocol davis2016"
        )
    objects = range(1, ids[-1] + 1)
    return _fixed(name, scored, dict.fromkeys(objects, frozenset(scored)))


def one_object(truth: Truth, name: str, options: Options) -> Plan:
    """DAVIS 2016: all masks but the first and the last; object 1."""
    scored = _inner(truth, name, 1, -1)
    return _fixed(name, scored, {1: frozenset(scored)})


def ranges(truth: Truth, name: str, options: Options) -> Plan:
    """LVOS: every fifth frame of each object's own range but its first and its last.

    A range ends with the number of its last frame, or one later; ``frame_nums`` counts its frames.
    """
    source = f"{truth.meta_file}: videos/{name}"
    objects, zeros = {}, {}
    for key, entry in lookup(truth.meta, (name, "objects"), str(truth.meta_file), dict).items():
        where, i = f"{source}/objects/{key}", object_id(key, f"{source}/objects")
        start, end, count = (_number(entry, part, where) for part in ("start", "end", "frame_nums"))
        frames = [f"{number:08d}" for number in range(start, end, LVOS_STEP)]
        if len(frames) > count:
            raise UserError(
                f"{where}: frame_nums is {count}, but the range has {len(frames)} frames; it must "
                "count all of them, whether the object is visible or not. Correct the meta file"
            )
        missing_frames = count - 1 - len(frames)
        if missing_frames > 0 and not options.like_toolkit:
            raise UserError(
                f"{where}: frame_nums is {count}, but the range has only {len(frames) + 1} frames; "
                "the official scorer counts the others as 0. Correct the meta file, or do the same "
                "with --like_toolkit"
            )
        if count < 3:
            raise UserError(f"{where}: nothing to score in a range of {count} frames, 3 are needed")
        zeros |= {i: missing_frames} if missing_frames > 0 else {}
        objects[i] = frozenset(frames[1 : count - 1])
    masks = truth.masks(name)
    wanted = sorted(frozenset().union(*objects.values()))
    absent = [frame for frame in wanted if frame not in masks]
    if absent:
        raise UserError(
            f"{truth.folder / name / absent[0]}.png: no such mask, but {source} has this frame in "
            f"a range; {len(absent)} are missing. Complete the ground truth"
        )
    group = truth.group(name)
    groups = dict.fromkeys(objects, group) if group else {}
    return _fixed(name, {frame: masks[frame] for frame in wanted}, objects, groups, zeros)


def after_given(truth: Truth, name: str, options: Options) -> Plan:
    """YouTube-VOS: each object on every annotated frame after the first of its own list.

    Derived from what is public; one that is given with the last frame has no score.
    """
    masks, source = truth.masks(name), f"{truth.meta_file}: videos/{name}"
    names, objects, groups = list(masks), {}, {}
    for key, entry in lookup(truth.meta, (name, "objects"), str(truth.meta_file), dict).items():
        where, i = f"{source}/objects/{key}", object_id(key, f"{source}/objects")
        given = lookup(entry, ("frames", 0), where, str)
        if given not in masks:
            raise UserError(
                f"{truth.folder / name / given}.png: no such mask, but object {key} is given there "
                f"({where}). Complete the ground truth"
            )
        if later := names[names.index(given) + 1 :]:
            objects[i] = frozenset(later)
            if group := truth.group(lookup(entry, ("category",), where, str)):
                groups[i] = group
    wanted = frozenset().union(*objects.values())
    return _fixed(name, {n: path for n, path in masks.items() if n in wanted}, objects, groups)


def seen_anywhere(truth: Truth, name: str, options: Options) -> Plan:
    """MOSE: all masks but the first and the last; objects from where truth or prediction shows
    them."""
    scored = truth.masks(name) if options.all_frames else _inner(truth, name, 1, -1)
    return Plan(name, scored, from_first_sight)


def after_first_mask(truth: Truth, name: str, options: Options) -> Plan:
    """Any folders: each object on every mask after the first that shows it."""
    masks = truth.masks(name)
    return Plan(name, masks, after_first_sight, given=frozenset(list(masks)[:1]))


def _fixed(
    name: str,
    truths: Mapping[str, Path],
    objects: Mapping[int, frozenset[str]],
    groups: Mapping[int, str] | None = None,
    zeros: Mapping[int, int] | None = None,
) -> Plan:
    """A plan with a list of frames for each object."""
    count = partial(listed, objects)
    return Plan(name, truths, count, frozenset(objects), groups=groups or {}, zeros=zeros or {})


def _inner(truth: Truth, name: str, start: int, stop: int | None) -> dict[str, Path]:
    """The masks from ``start`` to ``stop``, by frame; UserError if none is left."""
    masks = truth.masks(name)
    inner = dict(list(masks.items())[start:stop])
    if not inner:
        ends = "the first is" if stop is None else "the first and the last are"
        raise UserError(
            f"{truth.folder / name}: nothing to score, {len(masks)} masks and {ends} left out; "
            f"expected {2 if stop is None else 3} or more"
        )
    return inner


def _number(entry: object, part: str, where: str) -> int:
    value = lookup(entry, ("frame_range", part), where, object)
    if not str(value).isdecimal():
        raise UserError(f"{where}/frame_range: {part} is {value!r}, no number. Correct the file")
    return int(value)
