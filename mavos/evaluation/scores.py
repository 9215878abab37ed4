"""Scores at the end of an evaluation run, where the ground truth is there."""

import logging
from pathlib import Path

from mavos.dataloaders.listings.eval_datasets import Split
from mavos.dataloaders.media.mask_files import list_masks
from mavos.dataloaders.types import Video
from mavos.scoring import report
from mavos.scoring.folders import score_all
from mavos.scoring.predictions import FolderOfMasks
from mavos.scoring.protocols import Protocol, find_protocol
from mavos.scoring.truth import find_truth
from mavos.utils.errors import UserError

log = logging.getLogger(__name__)


def score_run(data: Split, folder: Path) -> None:
    """Score ``folder/Annotations``: a table in the log, ``folder/scores.json``.

    Where the truth is missing, or scoring fails, the log says why and the run continues: its masks
    are good all the same.
    """
    protocol = find_protocol(data.row.protocol)
    try:
        unscored = without_truth(data)
        if unscored is not None:
            log.info("not scored: no ground truth of %s beside the masks given", unscored)
            return
        gt = next(iter(data.videos[0].masks.values())).parent.parent
        truth = find_truth(
            gt,
            data.split,
            meta_names=protocol.meta_names,
            unseen_name=protocol.unseen_name,
            videos=[video.name for video in data.videos],
        )
        scores = score_all(protocol, truth, FolderOfMasks(folder), bar=True)
        log.info("scores\n%s", report.table(scores, protocol))
        report.write_scores_json(scores, protocol, folder / "scores.json")
    except (UserError, OSError) as error:
        log.warning("not scored: %s", error)


def without_truth(data: Split) -> str | None:
    """The first video that cannot be scored: all its masks are those that the model is given."""
    protocol = find_protocol(data.row.protocol)
    return next((video.name for video in data.videos if not _has_truth(video, protocol)), None)


def _has_truth(video: Video, protocol: Protocol) -> bool:
    """Whether there are masks besides those that the model was given."""
    if not video.masks:
        return False
    masks = list_masks(next(iter(video.masks.values())).parent)
    if protocol.every_frame:
        return masks.keys() >= set(video.frame_names())
    return masks.keys() > video.masks.keys()
