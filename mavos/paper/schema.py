"""What a table of the paper is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One column; scores are percentages, as printed."""

    title: str
    decimals: int = 1


METRICS = {
    "J&F": Metric("J&F"),
    "J": Metric("J"),
    "F": Metric("F"),
    "V": Metric("V (lower is better)"),
    "FPS": Metric("FPS"),
    "memory": Metric("memory, GiB", decimals=2),
}


@dataclass(frozen=True)
class Row:
    """One row: what the paper prints, and what has to be run for ours.

    A row without a model is of a method that this framework has no network for.
    """

    label: str  # as printed; tells the rows of a table apart
    model: str = ""  # a name in configs.models.MODELS
    checkpoint: str = ""  # released weights, a file in pretrain_models
    overrides: tuple[str, ...] = ()  # section.field=value
    paper: Mapping[str, float] = field(default_factory=dict)  # printed, by metric; absent: unknown
    source: str = ""  # where the printed numbers were read
    experiment: str = ""  # --exp_name of weights that have to be trained, instead of released ones
    split: str = ""  # empty: the table's
    flag: str = ""  # footnote


@dataclass(frozen=True)
class Claim:
    """A ratio of two rows that the paper states in words."""

    metric: str
    row: str  # labels
    against: str
    kind: Literal["times", "percent less"]
    paper: float
    source: str

    def of(self, value: float, other: float) -> float:
        """Ours, from the metric of ``row`` and of ``against``."""
        return value / other if self.kind == "times" else 100 * (1 - value / other)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table or figure of the paper."""

    name: str  # on the command line
    title: str
    rows: tuple[Row, ...]
    metrics: tuple[str, ...]  # columns, the one that is drawn first
    kind: Literal["evaluation", "benchmark"] = "evaluation"  # the tool that measures a row
    dataset: str = ""  # a name in dataloaders.EVAL_DATASETS
    split: str = ""
    videos: int = 0  # in the full split; fewer is no result of the benchmark
    note: str = ""
    numbering_assumed: bool = False  # which table of the paper this is, is our reading
    claims: tuple[Claim, ...] = ()
