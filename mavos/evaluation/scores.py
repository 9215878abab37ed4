"""Scores at the end of an evaluation run, where the ground truth is there."""

import logging
from pathlib import Path

from mavos.dataloaders.media.mask_files import list_masks
from mavos.dataloaders.types import Video
from mavos.scoring import protocols, report
from mavos.scoring.folders import score_all
from mavos.scoring.predictions import FolderOfMasks
from mavos.scoring.truth import find_truth
from mavos.utils.errors import UserError

log = logging.getLogger(__name__)

PROTOCOL_OF = {
    "davis2016": protocols.DAVIS2016,
    "davis2017": protocols.DAVIS2017,
    "youtubevos2018": protocols.YOUTUBE_VOS,
    "youtubevos2019": protocols.YOUTUBE_VOS,
    "lvos": protocols.LVOS,
    "lvos_v2": protocols.LVOS,
    "longvideo": protocols.LONG_TIME_VIDEO,
    "mose": protocols.MOSE,
    "synthetic": protocols.GENERIC,
    "generic": protocols.GENERIC,
}
# annotated on every frame where they are annotated at all
_EVERY_FRAME = (protocols.DAVIS2016, protocols.DAVIS2017, protocols.MOSE)


def score_run(dataset: str, split: str, videos: list[Video], folder: Path) -> None:
    """Score ``folder/Annotations``: a table in the log, ``folder/scores.json``.

    dataset: a name of ``EVAL_DATASETS``. Where the truth lacks, or scoring fails, the log says why
    and the run goes on: its masks are good all the same.
    """
    protocol = PROTOCOL_OF[dataset]
    try:
        lacking = without_truth(dataset, videos)
        if lacking is not None:
            log.info("not scored: no ground truth of %s beside the masks given", lacking)
            return
        gt = next(iter(videos[0].masks.values())).parent.parent
        truth = find_truth(
            gt,
            split,
            meta_names=protocol.meta_names,
            unseen_name=protocol.unseen_name,
            videos=[video.name for video in videos],
        )
        scores = score_all(protocol, truth, FolderOfMasks(folder), bar=True)
        log.info("scores\n%s", report.table(scores, protocol))
        report.write_scores_json(scores, protocol, folder / "scores.json")
    except (UserError, OSError) as error:
        log.warning("not scored: %s", error)


def without_truth(dataset: str, videos: list[Video]) -> str | None:
    """The first video that cannot be scored: all its masks are those that the model is given."""
    protocol = PROTOCOL_OF[dataset]
    return next((video.name for video in videos if not _has_truth(video, protocol)), None)


def _has_truth(video: Video, protocol: protocols.Protocol) -> bool:
    """Whether there are masks besides those that the model was given."""
    if not video.masks:
        return False
    masks = list_masks(next(iter(video.masks.values())).parent)
    if protocol in _EVERY_FRAME:
        return masks.keys() >= set(video.frame_names())
    return masks.keys() > video.masks.keys()
