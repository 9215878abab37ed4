"""One function per dataset: list its videos, and the masks its protocol gives to the model."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from mavos.dataloaders.listings.listing import (
    ChooseMasks,
    every_mask,
    first_annotated_mask,
    first_frame_mask,
    first_masks_of_objects,
    lookup,
    make_video,
    masks_of_objects,
    object_id,
    read_list,
    read_meta,
    subfolders,
)
from mavos.dataloaders.media.file_kinds import count_frames, is_one_picture
from mavos.dataloaders.media.file_listing import files_by_stem
from mavos.dataloaders.media.images import IMAGE_SUFFIXES, list_images
from mavos.dataloaders.media.mask_files import list_masks
from mavos.dataloaders.types import Video
from mavos.utils.errors import UserError

logger = logging.getLogger(__name__)

# folders of frames and of masks that a "generic" dataset may have
GENERIC_FOLDERS = (("JPEGImages", "Annotations"), ("images", "masks"), ("frames", "masks"))


class MissingFolder(UserError):
    """A split whose folder is not there; ``list_videos`` adds what was expected."""


def list_davis(root: Path, split: str, year: Literal[2016, 2017]) -> list[Video]:
    """DAVIS at 480p, or at full resolution for a split such as "val_full"."""
    videos = _list_davis_folders(root, split, year, first_frame_mask)
    return [replace(video, single_object=year == 2016) for video in videos]


def list_synthetic(root: Path, split: str) -> list[Video]:
    """Made-up videos in the folders of DAVIS-2017; an object is given where it first appears."""
    return _list_davis_folders(root, split, 2017, first_masks_of_objects)


def _list_davis_folders(
    root: Path, split: str, year: int, choose: Callable[[Path], ChooseMasks]
) -> list[Video]:
    """The videos of a list of DAVIS; ``choose`` takes the video's folder of masks."""
    subset = split.removesuffix("_full")
    resolution = "480p" if split == subset else "Full-Resolution"
    lists = [root / "ImageSets" / str(year) / f"{subset}.txt"]
    if year == 2016:
        lists.append(root / "ImageSets" / "480p" / f"{subset}.txt")
    frames, masks = root / "JPEGImages" / resolution, root / "Annotations" / resolution
    return [
        make_video(name, frames / name, choose(masks / name), source)
        for name, source in read_list(lists).items()
    ]


def list_youtubevos(root: Path, split: str) -> list[Video]:
    """YouTube-VOS, every fifth frame ("val") or all of them ("val_all_frames")."""
    valid = root / "valid"
    sparse_frames = valid / "JPEGImages"
    frames = sparse_frames
    if split == "val_all_frames":
        frames = _first_folder(
            root / "valid_all_frames" / "JPEGImages",
            root / "all_frames" / "valid_all_frames" / "JPEGImages",
        )
    meta_file = valid / "meta.json"
    videos = []
    for name, meta in sorted(read_meta(meta_file).items()):
        source = f"{meta_file}: videos/{name}"
        video = _video_of_meta(
            name, frames / name, valid / "Annotations" / name, meta, source, ("frames", 0)
        )
        if video.error is None:
            video = _check_meta_frames(video, meta, source)
            if frames != sparse_frames:
                video = replace(video, sparse=_sparse_names(sparse_frames / name, meta))
        videos.append(video)
    return videos


def list_lvos(root: Path, split: str) -> list[Video]:
    """LVOS: an object is given at the start of its range, though all frames are annotated."""
    own_names = ("valid", "val") if split == "val" else (split,)  # downloads use both
    folder = _first_folder(*(root / name for name in own_names))
    frames, masks = folder / "JPEGImages", folder / "Annotations"
    meta_files = [folder / f"{name}_meta.json" for name in own_names] + [folder / "meta.json"]
    meta_file = next((path for path in meta_files if path.is_file()), None)
    if meta_file is None:
        logger.warning("%s: no meta file, so only the masks of first frames are given", folder)
        return _list_folders(frames, masks, first_frame_mask)
    videos = []
    for name, meta in sorted(read_meta(meta_file).items()):
        source = f"{meta_file}: videos/{name}"
        start = ("frame_range", "start")
        videos.append(_video_of_meta(name, frames / name, masks / name, meta, source, start))
    return videos


def list_longvideo(root: Path, split: str) -> list[Video]:
    """Long-Time Video, original ("x1", the same as "val") or three times as long ("x3")."""
    if split == "x3":
        root = _first_folder(root / "x3", root / "long_video_x3", root / "LongVideo_x3")
    elif not (root / "JPEGImages").is_dir():
        root = _first_folder(root / "x1", root / "long_video")
    frames, masks = root / "JPEGImages", root / "Annotations"
    lists = [path for path in (root / "val.txt", root / "ImageSets" / "val.txt") if path.is_file()]
    names = read_list(lists) if lists else dict.fromkeys(subfolders(frames), str(frames))
    return [
        make_video(name, frames / name, first_annotated_mask(masks / name), source)
        for name, source in names.items()
    ]


def list_mose(root: Path, split: str) -> list[Video]:
    """MOSE validation set."""
    folder = root / "valid"
    return _list_folders(folder / "JPEGImages", folder / "Annotations", first_frame_mask)


def list_generic(root: Path, split: str) -> list[Video]:
    """Folders of frames beside folders of masks; every mask there is is given."""
    return _list_own(root, every_mask)


def list_own(root: Path) -> list[Video]:
    """The same folders, fully annotated: each object is given in the first mask that shows it."""
    return _list_own(root, first_masks_of_objects)


def single_video(source: Path | str, mask: Path | str) -> Video:
    """A folder of frames, a video or a picture, with one mask or a folder of masks by frame name.

    A mask file is given at the frame of its name if there is one, else at the first frame.
    Raises UserError if one of the two is missing or cannot be opened.
    """
    source, mask = Path(source), Path(mask)
    name = source.resolve().stem if source.is_file() else source.resolve().name
    if source.is_dir():
        video = Video(name, tuple(list_images(source, without=(mask,))))
    elif source.is_file() and is_one_picture(source):
        video = Video(name, (source,))
    elif source.is_file():
        video = Video(name, file=source, length=count_frames(source))
    else:
        kind = "no such video file" if source.suffix else "no folder and no video file"
        raise UserError(f"{source}: {kind}; expected a folder of frames, or a video")
    if mask.is_dir():
        return replace(video, masks=list_masks(mask))
    if not mask.is_file():
        raise UserError(f"{mask}: no such mask; expected a mask file or a folder of masks")
    names = video.frame_names()
    frame_name = mask.stem if mask.stem in names else names[0]
    return replace(video, masks={frame_name: mask})


def _list_own(root: Path, choose: Callable[[Path], ChooseMasks]) -> list[Video]:
    for frames, masks in GENERIC_FOLDERS:
        if (root / frames).is_dir():
            return _list_folders(root / frames, root / masks, choose)
    raise UserError(f"{root}: none of the folders {[frames for frames, _ in GENERIC_FOLDERS]}")


def _list_folders(frames: Path, masks: Path, choose: Callable[[Path], ChooseMasks]) -> list[Video]:
    """A video for every folder in ``frames``; ``choose`` takes the video's folder of masks."""
    return [make_video(n, frames / n, choose(masks / n)) for n in subfolders(frames)]


def _first_folder(*folders: Path) -> Path:
    """The first that exists; MissingFolder naming all."""
    for folder in folders:
        if folder.is_dir():
            return folder
    raise MissingFolder(f"there is no {' or '.join(map(str, folders))}")


def _video_of_meta(
    name: str, frames: Path, masks: Path, meta: Any, source: str, start: tuple[str | int, ...]
) -> Video:
    """A video whose objects are given where its meta entry says, under the keys ``start``."""
    try:
        starts = {
            object_id(key, f"{source}/objects"): lookup(
                entry, start, f"{source}/objects/{key}", str
            )
            for key, entry in lookup(meta, ("objects",), source, dict).items()
        }
    except UserError as error:
        return Video(name, error=str(error))
    return make_video(name, frames, masks_of_objects(masks, starts, f"{source}/objects"), source)


def _check_meta_frames(video: Video, meta: Any, source: str) -> Video:
    """The same video, with an error if an object's list names a frame that does not exist."""
    existing = set(video.frame_names())
    for key, entry in meta["objects"].items():
        absent = [name for name in entry["frames"] if name not in existing]
        if absent:
            return replace(
                video,
                error=f"{source}/objects/{key}/frames: frame '{absent[0]}' does not exist in "
                f"{video.frames[0].parent}. Complete the download, or correct the meta file",
            )
    return video


def _sparse_names(folder: Path, meta: Any) -> frozenset[str]:
    """Frames that a submission of all-frame results keeps: those of the sparse set."""
    if folder.is_dir():
        return frozenset(files_by_stem(folder, IMAGE_SUFFIXES))
    return frozenset(name for entry in meta["objects"].values() for name in entry["frames"])
