"""What each policy keeps of a long video, and when."""

import pytest
import torch

from mavos.networks.lstt.memory import RENEWALS, Entry, Memory, build_policy, remember

TOKENS = 4


def entries(number: float, blocks: int = 2) -> tuple[Entry, ...]:
    """A frame's entries, recognisable by ``number``."""
    return tuple(
        Entry(torch.full((1, TOKENS, 2), number), torch.full((1, TOKENS, 8), number))
        for _ in range(blocks)
    )


def average(new: Entry, old: Entry) -> Entry:
    return Entry(*((n + o) / 2 for n, o in zip(new, old, strict=True)))


def run(policy: str, frames: int, gap: int = 1, **kwargs) -> Memory:
    memory = Memory(entries(0), (entries(0),), num_objects=1)
    chosen = build_policy(policy, frames=3)
    for number in range(1, frames + 1):
        memory = remember(
            memory, entries(number), policy=chosen, fuse=(average, average), gap=gap, **kwargs
        )
    return memory


def frames_held(memory: Memory) -> list[float]:
    return memory.long_term[1].key[0, ::TOKENS, 0].tolist()


@pytest.mark.parametrize(
    "policy, held",
    [
        ("reference", [0]),
        ("previous", [5]),
        ("reference_previous", [5, 0]),
        ("all", [5, 4, 3, 2, 1, 0]),
        ("last", [5, 4, 3]),
        ("first", [5, 4, 1, 0]),
        ("mca", [4.0625, 0]),  # ((((1 + 2) / 2 + 3) / 2 + 4) / 2 + 5) / 2
    ],
)
def test_what_policies_keep(policy: str, held: list[float]):
    assert frames_held(run(policy, 5)) == held


def test_long_term_memory_never_outgrows_two_frames():
    assert frames_held(run("mca", 500, gap=10))[1] == 0
    assert run("mca", 500, gap=10).long_term[0].values.shape[1] == 2 * TOKENS


def test_updates_come_every_gap_frames():
    held = [frames_held(run("all", frames, gap=3)) for frames in range(8)]
    assert held == [[0], [0], [0], [3, 0], [3, 0], [3, 0], [6, 3, 0], [6, 3, 0]]


def test_a_reference_frame_updates_at_once_and_restarts_the_count():
    policy = build_policy("all", 0)
    memory = Memory(entries(0), (entries(0),), num_objects=1)
    for number in range(1, 7):
        memory = remember(
            memory,
            entries(number),
            policy=policy,
            fuse=(None, None),
            gap=3,
            is_reference=number == 2,
            num_objects=3 if number >= 2 else 1,
        )
    assert frames_held(memory) == [5, 2, 0]
    assert memory.num_objects == 3


@pytest.mark.parametrize(
    "policy, held, after",
    [("mca", [0, 3], [2, 3]), ("reference_previous", [0, 3], [4, 3]), ("reference", [3], [3])],
)
def test_a_late_annotated_frame_becomes_the_reference(policy: str, held: list, after: list):
    """The former reference goes on as the dynamic frame, whatever was fused before."""
    memory = run(policy, 2)
    for number in (3, 4):
        memory = remember(
            memory,
            entries(number),
            policy=RENEWALS[policy] if number == 3 else build_policy(policy, 0),
            fuse=(average, average),
            gap=1,
            is_reference=number == 3,
        )
        assert frames_held(memory) == (held if number == 3 else after)


@pytest.mark.parametrize("skip, read", [(1, 5), (2, 4), (3, 3)])
def test_short_term_memory_is_skip_frames_old(skip: int, read: int):
    memory = run("mca", 5, short_term_skip=skip)
    assert memory.short_term[0][0].key[0, 0, 0] == read
    assert len(memory.short_term) == skip


def test_a_memory_is_a_value():
    memory = run("mca", 3)
    before = frames_held(memory)
    remember(memory, entries(9), policy=build_policy("mca", 0), fuse=(average, average), gap=1)
    assert frames_held(memory) == before and memory.frame == 3
