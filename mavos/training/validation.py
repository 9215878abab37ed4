"""A quick look at how good the averaged weights are, in the middle of training."""

import copy
from pathlib import Path

import numpy as np
import torch

from mavos.configs.schema import Config
from mavos.dataloaders.listings.eval_datasets import list_videos
from mavos.dataloaders.listings.eval_videos import list_own
from mavos.dataloaders.media.mask_files import list_masks, read_mask
from mavos.dataloaders.types import Video
from mavos.evaluation.worker import reader_for
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import VideoSegmenter
from mavos.networks.wrappers import ObjectGroups
from mavos.run.build import one_scale
from mavos.scoring.baselines import score_video
from mavos.tracking.frame_loop import segment_video
from mavos.training.step import Trainer
from mavos.utils.errors import UserError
from mavos.utils.palette import IGNORE
from mavos.utils.paths import data_root


def validation_videos(cfg: Config) -> list[Video]:
    """The videos to validate on; none if that is not asked for. Their masks must be there."""
    if not cfg.train.eval_every:
        return []
    root = data_root(cfg.data.root)
    folders = [Path(cfg.train.eval_dataset)]
    if len(folders[0].parts) > 1:  # the name of a dataset has one part, as its folder may have
        folders.append(root / cfg.train.eval_dataset)
    if own := next((folder for folder in folders if folder.is_dir()), None):
        videos = list_own(own)
    else:
        videos = list_videos(cfg.train.eval_dataset, cfg.train.eval_split or None, root)
    videos = videos[: cfg.train.eval_videos or None]
    for video in videos:
        if video.error:
            raise UserError(video.error)
        if _truth_files(video).keys() <= video.masks.keys():
            raise UserError(
                f"{video.name} of {cfg.train.eval_dataset} has no masks to compare with besides "
                "those that are given; choose another --eval_dataset, or --eval_every 0"
            )
    return videos


@torch.no_grad()
def validate(
    cfg: Config, trainer: Trainer, videos: list[Video], device: torch.device
) -> dict[str, float]:
    """Mean J, F and J&F (0 to 1) of the averaged weights over the objects of ``videos``."""
    network = copy.deepcopy(trainer.model)
    trainer.average.apply(network)
    model = ObjectGroups(for_inference(network))
    scores = [score for video in videos for score in _score(cfg, model, video, device)]
    if not scores:
        return {}
    j = sum(s.j_mean for s in scores) / len(scores)
    f = sum(s.f_mean for s in scores) / len(scores)
    return {"j": j, "f": f, "j_and_f": (j + f) / 2}


def _score(cfg: Config, model: VideoSegmenter, video: Video, device: torch.device) -> list:
    truths = _truth_files(video)
    reader = reader_for(video, one_scale(cfg, model), device, cfg.data)
    predicted = {
        name: reader.ids.restore(labels.numpy())
        for name, labels in segment_video(model, reader, device)
        if name in truths
    }
    masks = (_truth(truths[name], video.single_object) for name in predicted)
    return list(score_video(predicted.values(), masks).values())


def _truth(path: Path, single_object: bool) -> np.ndarray:
    labels = read_mask(path)
    if single_object:  # of DAVIS 2016, whatever year's masks are there
        labels[(labels > 0) & (labels != IGNORE)] = 1
    return labels


def _truth_files(video: Video) -> dict[str, Path]:
    """Frame name -> mask file, of all frames that have one beside the given ones."""
    if not video.masks:
        return {}
    return list_masks(next(iter(video.masks.values())).parent)
