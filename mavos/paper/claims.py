"""What a paper says in words about two cells, beside what its own cells and ours give."""

from collections.abc import Iterator, Sequence

from mavos.paper.lines import Line
from mavos.paper.schema import METRICS, Claim, Column, Table

_UNITS = {"times": "times", "percent more": "% more", "percent less": "% less", "points": "more"}


def from_print(table: Table, claim: Claim) -> float:
    """What the printed cells give."""
    return claim.of(table.printed(*claim.one), table.printed(*claim.other))


def from_ours(table: Table, claim: Claim, lines: Sequence[Line]) -> tuple[float | None, str]:
    """What our cells give, or None and why there is nothing."""
    by_label = {line.row.label: line for line in lines}
    columns = {column.key: column for column in table.columns}
    values, devices = [], []
    for label, key in (claim.one, claim.other):
        part = by_label[label].parts.get(columns[key].on)
        value = part and part.measured and part.measured.values.get(columns[key].figure)
        if not isinstance(value, float | int):
            return None, "not measured"
        values.append(value)
        devices.append(part.measured.device)
    if _needs_one_machine(columns[claim.one[1]]) and devices[0] != devices[1]:
        return None, f"no ratio of two machines, {devices[0]} and {devices[1]}"
    if claim.kind != "points" and not values[1]:
        return None, f"{claim.other[0]} has 0"
    return claim.of(*values), ""


def sentences(table: Table, lines: Sequence[Line]) -> Iterator[str]:
    """A line for each claim: ours / stated, from the printed cells, where it is stated."""
    for claim in table.claims:
        ours, why_not = from_ours(table, claim, lines)
        shown = f"· ({why_not})" if ours is None else f"{ours:.1f}"
        flag = f" **{claim.flag}.**" if claim.flag else ""
        yield (
            f"{_name(table, claim)}: {shown} / {claim.stated:g} {_UNITS[claim.kind]} "
            f"({claim.source}; the printed cells give {from_print(table, claim):.1f}).{flag}"
        )


def _name(table: Table, claim: Claim) -> str:
    (one, key), (other, other_key) = claim.one, claim.other
    column = next(column for column in table.columns if column.key == key)
    metric = METRICS[column.metric].title
    if key == other_key:
        return f"{metric} of {one} against {other} on {column.on}"
    against = next(column for column in table.columns if column.key == other_key)
    return f"{metric} of {one} on {column.on} against {against.on}"


def _needs_one_machine(column: Column) -> bool:
    return column.metric in ("FPS", "memory")
