"""Table 1 of the MAVOS paper: the datasets, counted in the data that is there."""
# ruff: noqa: E501  a row is a line
# fmt: off

from mavos.paper.schema import Column, Row, Table
from mavos.paper.tables.mavos_networks import SOURCE

TABLE1 = Table(
    name="table1",
    title="Table 1: the datasets",
    source=f"Table 1 of {SOURCE}",
    kind="datasets",
    columns=tuple(Column(metric) for metric in ("videos", "mean frames", "objects", "annotations")),
    note="An annotation is one object in one frame's mask. Counted are the splits that lie under --data_root.",
    rows=(
        Row("DAVIS 2017", (90, 69, 205, 13_543), note="Training and validation set."),
        Row("LTV", (3, 2470, 3, 60)),
        Row("LVOS", (220, 574, 282, 156_432),
            note="Training, validation and test set; the masks of the test set are not public but for those that are given, so ours counts fewer "
            "annotations. 421 minutes, as section 4.2 has it, are 1.91 a video, at 5 frames a second; the 1.59 minutes beside it are 6."),
    ),
)
