"""What a table of a paper is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Printed = float | str | None  # a number, a word such as "out of memory", or a dash


@dataclass(frozen=True)
class Metric:
    """What a column of numbers shows; scores are percentages, as printed."""

    title: str
    decimals: int = 1


METRICS = {
    "J&F": Metric("J&F"),
    "J": Metric("J"),
    "F": Metric("F"),
    "FPS": Metric("FPS"),
    "memory": Metric("memory, GB"),
    "videos": Metric("videos", decimals=0),
    "mean frames": Metric("mean frames per video", decimals=0),
    "objects": Metric("objects", decimals=0),
    "annotations": Metric("annotations", decimals=0),
}


@dataclass(frozen=True)
class Column:
    """One column of numbers. Two of a table may have the same metric, on different test sets."""

    metric: str  # a key of METRICS
    on: str = ""  # a key of TEST_SETS; "": the row says itself what it is measured on
    at: int = 0  # after how many frames of one video; 0: over all of a test set

    @property
    def figure(self) -> str:
        """Its name among the figures that are measured together."""
        return f"{self.metric} at {self.at}" if self.at else self.metric

    @property
    def key(self) -> str:
        return f"{self.figure} {self.on}".rstrip()


@dataclass(frozen=True)
class Network:
    """What is run for a row: a model, what its memory keeps, and which weights it has."""

    model: str  # a name in configs.models.MODELS
    overrides: tuple[str, ...] = ()  # section.field=value
    weights: Mapping[str, str] | None = None  # released files in pretrain_models, by test set
    experiment: str = ""  # --exp_name of weights that have to be trained, where no file is released

    def is_released_for(self, test_set: str) -> bool:
        return self.weights is not None and test_set in self.weights


@dataclass(frozen=True)
class Row:
    """One row as printed, and what is run for ours.

    A row without a network is of a method that this framework does not have: printed numbers only.
    """

    label: str  # as printed; where two rows share one, with what tells them apart
    printed: tuple[Printed, ...]  # by the table's columns
    facts: tuple[str, ...] = ()  # by the table's columns of words
    network: Network | None = None
    flag: str = ""  # what is wrong with the printed numbers
    note: str = ""  # what the paper leaves open, and our reading
    source: str = ""  # empty: the table's


@dataclass(frozen=True)
class Claim:
    """A comparison that the paper states in words, of two cells: (label, column key) each."""

    one: tuple[str, str]
    other: tuple[str, str]
    kind: Literal["times", "percent more", "percent less", "points"]
    stated: float
    source: str
    flag: str = ""  # where the printed cells do not give what is stated

    def of(self, one: float, other: float) -> float:
        """The comparison of two values."""
        if self.kind == "points":
            return one - other
        if self.kind == "percent less":
            return 100 * (1 - one / other)
        return one / other if self.kind == "times" else 100 * (one / other - 1)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table or figure."""

    name: str  # on the command line
    title: str
    source: str  # where the printed numbers were read; empty: nothing is printed
    columns: tuple[Column, ...]  # the first is drawn
    rows: tuple[Row, ...]
    words: tuple[str, ...] = ()  # titles of the columns of words, before the numbers
    kind: Literal["evaluation", "length", "datasets"] = "evaluation"  # how rows are measured
    note: str = ""
    claims: tuple[Claim, ...] = ()

    def printed(self, label: str, key: str) -> Printed:
        """One cell of the paper's."""
        row = next(row for row in self.rows if row.label == label)
        return row.printed[[column.key for column in self.columns].index(key)]
