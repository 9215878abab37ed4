"""The recorded masks and scores of the official scorers, and ours on the same masks."""

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from shared_data import shared

from mavos.scoring.folders import score_all
from mavos.scoring.plans import USUAL, Options
from mavos.scoring.predictions import FolderOfMasks, open_predictions
from mavos.scoring.protocols import PROTOCOLS
from mavos.scoring.scores import Scores
from mavos.scoring.truth import Truth, find_truth

EXACT = {"abs": 1e-9, "rel": 0}


def recorded(*parts: str) -> Any:
    """A file of expected scores."""
    return json.loads(shared("metrics", *parts).read_text())


@cache
def score_davis(
    predictions: str, videos: Iterable[str], protocol: str = "davis2017", options: Options = USUAL
) -> Scores:
    """Ours on videos of DAVIS, and on "sav-manual", whose truth lies elsewhere."""
    pred = FolderOfMasks(shared("metrics", "davis", *predictions.split("/")))
    scored = {}
    for video in videos:
        place = ("metrics", "davis", "gt")
        if video != "sav-manual":
            place = ("data", "DAVIS17", "Annotations", "480p")
        truth = Truth(shared(*place), (video,))
        scores = score_all(PROTOCOLS[protocol], truth, pred, 1, options)
        scored |= scores.videos
    return replace(scores, videos=scored)


def score_root(
    protocol: str, gt: Path, pred: Path, options: Options = USUAL, **files: Any
) -> Scores:
    """Ours on a dataset's root; files: as of ``find_truth``."""
    rules = PROTOCOLS[protocol]
    truth = find_truth(gt, "val", rules.lists, rules.meta_names, rules.unseen_name, **files)
    return score_all(rules, truth, open_predictions(pred), 1, options)


def save_masks(folder: Path, *frames: object, first: int = 0) -> Path:
    """Masks of 12x16 pixels: an array, or the values of the left and the right half."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, values in enumerate(frames, first):
        if not isinstance(values, np.ndarray):
            values = np.repeat(np.array([values], np.uint8), 8, axis=1).repeat(12, axis=0)
        Image.fromarray(values).save(folder / f"{number:05d}.png")
    return folder.parent
