"""A small dataset of synthetic videos in the folders of DAVIS-2017: no download, any seed.

It stands in for the real datasets in demos and tests: a few minutes of training on its ``train``
list show in the scores on its ``val`` list.
"""

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import psutil
from PIL import Image

from mavos.dataloaders.synthetic.videos import render_video
from mavos.utils.cores import cores
from mavos.utils.errors import OutputError, UserError
from mavos.utils.files import write_json
from mavos.utils.palette import davis_palette

GENERATOR = 2  # to be raised whenever the same parameters give other pixels
SPEC_FILE = "synthetic.json"
JPEG_QUALITY = 95

TRAIN_STORIES = ("usual", "changing", "return_soon", "late", "changing", "return_soon")
VAL_STORIES = ("usual", "usual", "usual", "late")
EXTRA_VAL = (  # name, story, frames
    ("long", "long", 320),
    ("return_1", "return", 130),
    ("return_2", "return", 130),
)


@dataclass(frozen=True)
class VideoSpec:
    """One video of a dataset."""

    name: str
    split: str  # "train" or "val"
    story: str
    seed: tuple[int, ...]
    length: int  # frames


def synthetic_videos(seed: int, train_videos: int, val_videos: int, length: int) -> list[VideoSpec]:
    """The videos of a dataset in the order of its lists, training first.

    Usual validation videos are half as long again as those for training. ``EXTRA_VAL`` comes on
    top of ``val_videos``, unless that is 0.
    """
    extra = EXTRA_VAL if val_videos else ()
    return [
        *(
            VideoSpec(f"train_{k:04d}", "train", _turn(TRAIN_STORIES, k), (seed, 0, k), length)
            for k in range(train_videos)
        ),
        *(
            VideoSpec(f"val_{k:04d}", "val", _turn(VAL_STORIES, k), (seed, 1, k), length * 3 // 2)
            for k in range(val_videos)
        ),
        *(
            VideoSpec(name, "val", story, (seed, 2, k), frames)
            for k, (name, story, frames) in enumerate(extra)
        ),
    ]


def _turn(stories: tuple[str, ...], index: int) -> str:
    return stories[index % len(stories)]


def write_dataset(
    root: Path,
    seed: int = 0,
    train_videos: int = 120,
    val_videos: int = 16,
    length: int = 24,
    size: tuple[int, int] = (256, 256),
    processes: int | None = None,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a dataset as folder ``root`` and return it; at once if that very one is there.

    One of other parameters is replaced; until the new one is complete the old one stays. length:
    frames of a training video, 8 at least. size: (H, W), 32 at least. processes: None for one per
    core; their number changes no pixel. tick: called with the frames done, and how many there are.
    Raises UserError for parameters out of range and if ``root`` holds anything else, OutputError if
    it cannot be written.
    """
    root = root.resolve()  # a link stays a link
    parameters = {
        "seed": seed,
        "train_videos": train_videos,
        "val_videos": val_videos,
        "length": length,
        "size": list(size),
    }
    if min(seed, train_videos, val_videos) < 0 or length < 8 or min(size) < 32:
        raise UserError(
            f"{parameters}: expected no negative number, a length of 8 frames and a size of 32x32 "
            "at least"
        )
    parameters["generator"] = GENERATOR
    found = read_parameters(root)
    if found == parameters:
        return root
    if found is None and root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise UserError(f"{root} is there, but is no synthetic dataset; choose another folder")
    specs = synthetic_videos(seed, train_videos, val_videos, length)
    with _replacement(root) as folder:
        _write_lists(folder / "ImageSets" / "2017", specs)
        _write_videos(folder, specs, size, min(processes or cores(), len(specs)), tick)
        videos = [asdict(spec) for spec in specs]
        write_json(folder / SPEC_FILE, {"parameters": parameters, "videos": videos})
    return root


def read_parameters(root: Path) -> dict[str, Any] | None:
    """What the finished dataset in a folder was made with; None if there is none."""
    try:
        parameters = json.loads((root / SPEC_FILE).read_text(encoding="utf-8"))["parameters"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return parameters if isinstance(parameters, dict) and "generator" in parameters else None


@contextmanager
def _replacement(root: Path) -> Iterator[Path]:
    """Yield a hidden folder beside ``root`` that takes its place when the block ends well."""
    partial = root.with_name(f".{root.name}.{os.getpid()}.tmp")
    try:
        try:
            for stale in root.parent.glob(f".{root.name}.*.tmp"):
                if not _is_running(stale.name.split(".")[-2]):
                    shutil.rmtree(stale)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            yield partial
            if root.exists():
                shutil.rmtree(root)
            os.replace(partial, root)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"cannot write {root}: {error.strerror or error}; free some space, or choose a folder "
            "that you may write to"
        ) from error


def _is_running(pid: str) -> bool:
    """Whether the process that a temporary folder is named after may still be writing there."""
    return pid.isdecimal() and psutil.pid_exists(int(pid))


def _write_lists(folder: Path, specs: list[VideoSpec]) -> None:
    folder.mkdir(parents=True)
    lists = {split: [s.name for s in specs if s.split == split] for split in ("train", "val")}
    # the part of val that needs a long memory
    lists["memory"] = [name for name, _, _ in EXTRA_VAL if name in lists["val"]]
    for split, names in lists.items():
        text = "".join(f"{name}\n" for name in names)
        (folder / f"{split}.txt").write_text(text, encoding="utf-8")


def _write_videos(
    folder: Path,
    specs: list[VideoSpec],
    size: tuple[int, int],
    processes: int,
    tick: Callable[[int, int], None],
) -> None:
    """Render and write all videos, long ones first so that the processes end together."""
    specs = sorted(specs, key=lambda spec: -spec.length)
    done, total = 0, sum(spec.length for spec in specs)
    tick(done, total)
    for length in _written(folder, specs, size, processes):
        done += length
        tick(done, total)


def _written(
    folder: Path, specs: list[VideoSpec], size: tuple[int, int], processes: int
) -> Iterator[int]:
    """The length of each video, in frames, once it is written."""
    if processes <= 1:
        yield from (write_video(folder, spec, size) for spec in specs)
        return
    # spawned: a fork of a process whose libraries have threads may hang
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_prepare_process) as pool:
        jobs = [pool.submit(write_video, folder, spec, size) for spec in specs]
        try:
            yield from (job.result() for job in as_completed(jobs))
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to deal with
    cv2.setNumThreads(1)


def write_video(folder: Path, spec: VideoSpec, size: tuple[int, int]) -> int:
    """Write the frames and masks of one video into a dataset; returns the number of frames."""
    video = render_video(spec.seed, spec.length, size, story=spec.story)
    pictures = folder / "JPEGImages" / "480p" / spec.name
    masks = folder / "Annotations" / "480p" / spec.name
    pictures.mkdir(parents=True)
    masks.mkdir(parents=True)
    palette = davis_palette().tobytes()
    for t, (frame, labels) in enumerate(zip(video.frames, video.labels, strict=True)):
        # encoded apart from writing: OpenCV does not raise when a disk is full
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), quality)
        (pictures / f"{t:05d}.jpg").write_bytes(data)
        image = Image.fromarray(labels)
        image.putpalette(palette)
        image.save(masks / f"{t:05d}.png")
    return spec.length
