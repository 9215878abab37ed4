"""The datasets that lie under a data root, as the tables need them."""

from pathlib import Path

from mavos.dataloaders.listings.eval_datasets import Split, find_split
from mavos.evaluation.scores import without_truth
from mavos.utils.errors import UserError

_LISTED_FAULTS = 3


class Data:
    """The datasets of a data root; each is listed once."""

    def __init__(self, root: Path):
        self.root = root
        self._known: dict[tuple[str, str], tuple[int, str]] = {}

    def look(self, dataset: str, split: str) -> tuple[int, str]:
        """Number of videos, and why they cannot be evaluated and scored; "" if they can."""
        key = dataset, split
        if key not in self._known:
            try:
                found = find_split(dataset, split, self.root)
                self._known[key] = len(found.videos), _fault(found)
            except UserError as error:
                self._known[key] = 0, str(error)
        return self._known[key]


def _fault(data: Split) -> str:
    faults = [f"{video.name}: {video.error}" for video in data.videos if video.error]
    if faults:
        more = len(faults) - _LISTED_FAULTS
        return "\n".join(faults[:_LISTED_FAULTS] + ([f"and {more} more"] if more > 0 else []))
    unscored = without_truth(data)
    if unscored is not None:
        return f"no ground truth of {unscored} beside the masks given, so nothing can be scored"
    return ""
