"""One function per training dataset: its videos, with a mask for each of their frames."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mavos.dataloaders.listings.eval_videos import GENERIC_FOLDERS
from mavos.dataloaders.listings.listing import lookup, read_list, read_meta, subfolders
from mavos.dataloaders.media.file_listing import files_by_stem
from mavos.dataloaders.media.images import IMAGE_SUFFIXES
from mavos.dataloaders.media.mask_files import list_masks
from mavos.dataloaders.types import LabelledVideo
from mavos.utils.errors import UserError

logger = logging.getLogger(__name__)

STATIC_SETS = ("COCO", "ECSSD", "MSRA10K", "PASCAL-S", "PASCALVOC2012")
DAVIS_LIST = Path("ImageSets", "2017", "train.txt")
_LISTED = 3  # names in a message, of however many


def static_pictures(root: Path, name: str) -> list[LabelledVideo]:
    """Each picture of the sets that are there, as a video of one frame."""
    there = [part for part in STATIC_SETS if (root / "JPEGImages" / part).is_dir()]
    if not there:
        raise UserError(
            f"{root / 'JPEGImages'}: none of the folders {', '.join(STATIC_SETS)}; expected at "
            "least one of these sets of pictures"
        )
    absent = [part for part in STATIC_SETS if part not in there]
    if absent:
        logger.info("%s: without %s, missing in %s", name, ", ".join(absent), root)
    pictures, unmasked = [], []
    for part in there:
        video, without = _pair(
            f"{name}/{part}", root / "JPEGImages" / part, root / "Annotations" / part
        )
        unmasked += without
        pictures += [
            LabelledVideo(f"{video.name}/{frame.stem}", (frame,), (mask,))
            for frame, mask in zip(video.frames, video.masks, strict=True)
        ]
    _refuse_unmasked(unmasked, root / "Annotations")
    return pictures


def davis_train(root: Path, name: str) -> list[LabelledVideo]:
    """The videos of DAVIS' list of 2017, at 480p."""
    frames, masks = root / "JPEGImages" / "480p", root / "Annotations" / "480p"
    return _listed(name, frames, masks, read_list([root / DAVIS_LIST]))


def youtubevos_train(root: Path, name: str) -> list[LabelledVideo]:
    """The annotated frames that ``meta.json`` names, or all frames where there is no such file."""
    folder = root / "train"
    meta_file = folder / "meta.json"
    if not meta_file.is_file():
        logger.warning("%s: no such file, so every frame is expected to have a mask", meta_file)
        return folders_train(root, name)
    videos, unmasked = [], []
    for video_name, meta in sorted(read_meta(meta_file).items()):
        source = f"{meta_file}: videos/{video_name}"
        _check_folder(folder / "JPEGImages" / video_name, source)
        video, without = _pair(
            f"{name}/{video_name}",
            folder / "JPEGImages" / video_name,
            folder / "Annotations" / video_name,
            _annotated_frames(meta, source),
            source,
        )
        videos.append(video)
        unmasked += without
    _refuse_unmasked(unmasked, folder / "Annotations")
    return [video for video in videos if video.frames]


def folders_train(root: Path, name: str) -> list[LabelledVideo]:
    """Every folder of frames in ``train`` or ``train_480p``."""
    folders = [root / "train", root / "train_480p"]
    folder = next((f for f in folders if (f / "JPEGImages").is_dir()), None)
    if folder is None:
        raise UserError(f"{root}: no folder train/JPEGImages (or train_480p/JPEGImages) in it")
    frames = folder / "JPEGImages"
    return _listed(
        name, frames, folder / "Annotations", dict.fromkeys(subfolders(frames), str(frames))
    )


def own_videos(root: Path, name: str) -> list[LabelledVideo]:
    """Folders of frames beside folders of masks; frames without a mask are left out."""
    found = [(root / f, root / m) for f, m in GENERIC_FOLDERS if (root / f).is_dir()]
    if not found:
        layouts = ", ".join(f"{f}/<video> with {m}/<video>" for f, m in GENERIC_FOLDERS)
        raise UserError(f"{root}: no folder of frames in it; expected {layouts}")
    frames, masks = found[0]
    pairs = [_pair(f"{name}/{v}", frames / v, masks / v) for v in subfolders(frames)]
    unmasked = [path for _, without in pairs for path in without]
    if unmasked:
        logger.info("%s: %d frames have no mask and are left out", root, len(unmasked))
    return [video for video, _ in pairs if video.frames]


def _listed(name: str, frames: Path, masks: Path, sources: dict[str, str]) -> list[LabelledVideo]:
    """A complete video for each video name in ``sources``, which says what names it."""
    for video, source in sources.items():
        _check_folder(frames / video, source)
    pairs = [_pair(f"{name}/{video}", frames / video, masks / video) for video in sources]
    _refuse_unmasked([path for _, without in pairs for path in without], masks)
    return [video for video, _ in pairs if video.frames]


def _pair(
    name: str, frames: Path, masks: Path, only: Iterable[str] | None = None, source: str = ""
) -> tuple[LabelledVideo, list[Path]]:
    """The frames that have a mask, and the pictures that have none.

    only: frame names to take, which ``source`` lists; None takes all pictures.
    """
    pictures = files_by_stem(frames, IMAGE_SUFFIXES)
    found = list_masks(masks) if masks.is_dir() else {}
    if only is not None:
        wanted = set(only)
        absent = sorted(wanted - pictures.keys())
        if absent:
            raise UserError(
                f"{source}: frame '{absent[0]}' does not exist in {frames} ({len(absent)} frames "
                "are missing). Complete the download, or correct the file"
            )
        pictures = {stem: path for stem, path in pictures.items() if stem in wanted}
    both = [stem for stem in pictures if stem in found]
    video = LabelledVideo(
        name, tuple(pictures[stem] for stem in both), tuple(found[stem] for stem in both)
    )
    return video, [path for stem, path in pictures.items() if stem not in found]


def _annotated_frames(meta: Any, source: str) -> set[str]:
    """Names of the frames in which an object of a video's meta entry is annotated."""
    return {
        str(frame)
        for key in lookup(meta, ("objects",), source, dict)
        for frame in lookup(meta, ("objects", key, "frames"), source, list)
    }


def _check_folder(frames: Path, source: str) -> None:
    if not frames.is_dir():
        raise UserError(
            f"{source}: '{frames.name}' has no folder {frames}. Complete the download, or remove "
            "the entry"
        )


def _refuse_unmasked(pictures: Sequence[Path], masks: Path) -> None:
    """UserError if there are pictures without a mask."""
    if pictures:
        more = ", ..." if len(pictures) > _LISTED else ""
        raise UserError(
            f"{pictures[0]}: no mask of that name under {masks}. {len(pictures)} pictures have "
            f"none ({', '.join(path.name for path in pictures[:_LISTED])}{more}). Complete the "
            "download, or remove the pictures without a mask"
        )
