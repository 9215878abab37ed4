"""How each benchmark scores: a row of data each. docs/scoring.md says where ours speaks up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from mavos.scoring import plans
from mavos.scoring.plans import Options, Plan
from mavos.scoring.truth import Truth
from mavos.utils.errors import unknown_name

Values = Literal["ids", "ids or 0/255", "merged"]  # "merged": whatever is above 0 is object 1


@dataclass(frozen=True)
class Protocol:
    """The rules of one benchmark."""

    name: str
    title: str
    plan: Callable[[Truth, str, Options], Plan]  # of a video, by its name
    measures: tuple[str, ...]  # of each object, averaged over objects
    truth_values: Values = "ids"
    predicted_values: Values = "ids"
    accepts_colours: bool = False  # predictions in DAVIS colours; official scorers misread them
    every_frame: bool = False  # the truth has a mask for each, where there is a truth at all
    refuses_extra_ids: bool = False  # predicted, but not among the objects; else they are ignored
    lists: tuple[str, ...] = ()  # files under a dataset's root that may name the videos
    meta_names: tuple[str, ...] = ()  # usual names of the meta file; empty: there is none
    unseen_name: str = ""  # usual name of the list of what is unseen; empty: there are no groups
    note: str = ""  # what a reader of the numbers must know


_MEANS = ("J&F-Mean", "J-Mean", "F-Mean")
_STATISTICS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")

DAVIS2017 = Protocol(
    "davis2017",
    "DAVIS 2017",
    plans.objects_of_first_mask,
    _STATISTICS,
    every_frame=True,
    refuses_extra_ids=True,
    lists=("ImageSets/2017/{split}.txt",),
)
DAVIS2016 = replace(
    DAVIS2017,
    name="davis2016",
    title="DAVIS 2016",
    plan=plans.one_object,
    truth_values="merged",
    predicted_values="merged",
    lists=("ImageSets/2016/{split}.txt", "ImageSets/480p/{split}.txt"),
)
LVOS = Protocol(
    "lvos",
    "LVOS",
    plans.ranges,
    (*_MEANS, "V-Mean"),
    meta_names=("{split}_meta.json", "valid_meta.json", "meta.json"),
    unseen_name="unseen_videos.txt",
)
LONG_TIME_VIDEO = replace(
    DAVIS2017,
    name="ltv",
    title="Long-Time Video",
    plan=partial(plans.objects_of_first_mask, last=True),
    predicted_values="ids or 0/255",
    every_frame=False,
    lists=("{split}.txt", "ImageSets/{split}.txt"),
)
YOUTUBE_VOS = Protocol(
    "ytvos",
    "YouTube-VOS",
    plans.after_given,
    _MEANS,
    meta_names=("meta.json",),
    unseen_name="unseen_categories.json",
    note="derived: the rule of the official server for frames is not public",
)
MOSE = Protocol("mose", "MOSE", plans.seen_anywhere, _MEANS, every_frame=True)
GENERIC = Protocol(
    "generic",
    "folder against folder",
    plans.after_first_mask,
    _MEANS,
    truth_values="ids or 0/255",
    predicted_values="ids or 0/255",
    accepts_colours=True,
)
PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (DAVIS2016, DAVIS2017, LVOS, LONG_TIME_VIDEO, YOUTUBE_VOS, MOSE, GENERIC)
}


def find_protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
