"""Fig. 1 left of the MAVOS paper, and what it cannot show: one video that gets longer."""
# ruff: noqa: E501  a row is a line
# fmt: off

from mavos.paper.schema import Claim, Column, Network, Row, Table
from mavos.paper.tables.mavos_networks import AOT_L, DEAOT_L, MAVOS, R50_MAVOS, SOURCE

_OOM = "out of memory"
_SETS = ("DAVIS", "LVOS", "LTV")

FIG1 = Table(
    name="fig1",
    title="Fig. 1 left: speed and memory against the mean length of the videos",
    source=f"Fig. 1 of {SOURCE}, FPS of Tables 2 to 4",
    columns=tuple(Column(metric, on) for metric in ("FPS", "memory", "J&F") for on in _SETS),
    words=("backbone",),
    note="The figure prints memory and J&F; where its points lie is in Tables 2 to 4. Memory is the most that was held for any "
    "video of a test set, in GiB as the released code prints it, ours as well.",
    rows=(
        Row("AOT-L", (20.3, 2.1, None, 4.3, 59.7, _OOM, 83.8, 60.3, None), ("MobileNet-V2",), AOT_L),
        Row("DeAOT-L", (29.3, 5.0, 4.1, 2.0, 24.6, 38.6, 84.5, 61.1, 87.9), ("MobileNet-V2",), DEAOT_L),
        Row("MAVOS", (39.2, 38.2, 38.9, 0.9, 3.3, 4.9, 84.4, 60.9, 87.4), ("MobileNet-V2",), MAVOS),
        Row("R50-MAVOS", (37.6, 37.1, 38.2, 1.1, 3.6, 5.1, 85.6, 63.3, 87.5), ("ResNet-50",), R50_MAVOS),
    ),
    claims=(
        Claim(("MAVOS", "FPS LVOS"), ("DeAOT-L", "FPS LVOS"), "times", 7.6, f"abstract of {SOURCE}"),
        Claim(("MAVOS", "memory LVOS"), ("DeAOT-L", "memory LVOS"), "percent less", 87, f"abstract of {SOURCE}"),
        Claim(("MAVOS", "memory LTV"), ("DeAOT-L", "memory LTV"), "percent less", 87, f"section 1 of {SOURCE}"),
        Claim(("DeAOT-L", "FPS DAVIS"), ("DeAOT-L", "FPS LVOS"), "times", 6, f"section 1 of {SOURCE}, \"around 30 to 5\""),
    ),
)

LENGTHS = (100, 1000, 10_000)

LENGTH = Table(
    name="length",
    title="Speed and memory of one video as it gets longer",
    source="",
    kind="length",
    columns=tuple(Column(metric, at=at) for metric in ("FPS", "memory") for at in LENGTHS),
    words=("backbone",),
    note="Not in the paper. One synthetic video of 480p with one object: frames per second since its start, and the most memory held "
    "so far. They do not depend on the weights, so random ones are measured. Table 1's mean lengths are 69, 574 and 2470 frames.",
    rows=(
        Row("AOT-L", (None,) * 6, ("MobileNet-V2",), Network("aotl")),
        Row("DeAOT-L", (None,) * 6, ("MobileNet-V2",), Network("deaotl")),
        Row("MAVOS", (None,) * 6, ("MobileNet-V2",), Network("mavos")),
        Row("R50-MAVOS", (None,) * 6, ("ResNet-50",), Network("r50_mavos")),
    ),
)
