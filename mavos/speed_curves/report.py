"""Tables of what was measured."""

from collections.abc import Sequence

MB = 2**20
SETTLED = 200  # frames; what a process holds should not change from there on

_GROWTH = {True: "growing", False: "constant", None: "too short to say"}

LENGTH_HEADER = (
    "length of the video",
    "frames",
    "FPS, first tenth",
    "last",
    "CPU ms, first tenth",
    "last",
    "peak MB",
    "held MB",
    "memory of the video MB",
)
OBJECTS_HEADER = (
    "number of objects",
    "number",
    "FPS",
    "ms per frame",
    "CPU ms",
    "peak MB",
    "memory of the video MB",
)


def label(record: dict) -> str:
    """Name of a curve."""
    return f"{record['run']['model']}, memory {record['run']['policy']}"


def length_table(records: Sequence[dict]) -> str:
    """A line for each curve against the length of the video: its beginning and its end.

    Memory is that of the process, or of tensors on a GPU; held: the middle of its range from frame
    200 on, ± half the range.
    """
    return _aligned([LENGTH_HEADER, *(_length_line(r) for r in records if r["rows"])])


def objects_table(records: Sequence[dict]) -> str:
    """A line for each curve and number of objects."""
    lines = []
    for record in (r for r in records if len(r["rows"]) > 1):
        last = record["rows"][-1]
        ms = last["ms_per_frame"]
        times = f"{1e3 / ms:.2f}", f"{ms:.1f}", f"{last['cpu_ms_per_frame']:.1f}"
        memory = f"{last['peak_bytes'] / MB:.0f}", f"{last['state_bytes'] / MB:.3g}"
        lines.append((label(record), str(last["objects"]), *times, *memory))
    return _aligned([OBJECTS_HEADER, *lines])


def first_and_last_tenth(rows: Sequence[dict]) -> list[tuple[float, float]]:
    """(FPS of the model, CPU milliseconds per frame) of both; without the very first frames."""
    frames = rows[-1]["frame"]
    begin = next(row for row in rows[1:] or rows if row["frame"] >= frames / 10)
    end = next((row for row in reversed(rows[:-1]) if row["frame"] <= 0.9 * frames), rows[0])
    return [_between(rows[0], begin), _between(end, rows[-1])]


def held_range(rows: Sequence[dict]) -> tuple[float, float]:
    """Middle of the range of the memory held once it has settled, and half the range as a share."""
    settled = [row["held_bytes"] for row in rows if row["frame"] >= SETTLED]
    settled = settled or [rows[-1]["held_bytes"]]
    middle = (max(settled) + min(settled)) / 2
    return middle, max(settled) / middle - 1


def grows(record: dict) -> bool | None:
    """Whether the memory of the video still grew in the second half of it.

    None if the video is too short to say: a memory that stays the same fills first, and one that
    grows does so once in a gap.
    """
    rows, model = record["rows"], record["config"]["model"]
    gap = model["test_memory_gap"]
    updates = model["memory_frames"] if model["memory"] in ("last", "first") else 2  # till full
    end = rows[-1]["frame"]
    half = next(row for row in rows if row["frame"] >= end / 2)
    if half["frame"] <= updates * gap or end - half["frame"] < gap:
        return None
    return rows[-1]["state_bytes"] > half["state_bytes"]


def _length_line(record: dict) -> tuple[str, ...]:
    rows = record["rows"]
    (first_fps, first_ms), (last_fps, last_ms) = first_and_last_tenth(rows)
    middle, spread = held_range(rows)
    state = f"{rows[-1]['state_bytes'] / MB:.3g}, {_GROWTH[grows(record)]}"
    return (
        label(record),
        str(rows[-1]["frame"]),
        f"{first_fps:.2f}",
        f"{last_fps:.2f}",
        f"{first_ms:.1f}",
        f"{last_ms:.1f}",
        f"{rows[-1]['peak_bytes'] / MB:.0f}",
        f"{middle / MB:.0f} ± {100 * spread:.1f}%",
        state,
    )


def _between(before: dict, now: dict) -> tuple[float, float]:
    """FPS and CPU milliseconds per frame from one row to the next; up to ``now`` if it is one."""
    if before is now:
        before = {"frame": 0, "predicted": 0, "seconds": 0.0, "cpu_seconds": 0.0}
    seconds = now["seconds"] - before["seconds"]
    cpu_seconds = now["cpu_seconds"] - before["cpu_seconds"]
    fps = (now["predicted"] - before["predicted"]) / seconds if seconds > 0 else 0.0
    return fps, 1e3 * cpu_seconds / (now["frame"] - before["frame"])


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
