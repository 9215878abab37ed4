"""What the page hands out: masks as PNGs in a zip, an overlay video, COCO's run lengths."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from mavos.dataloaders.media.mask_writing import write_mask, zip_results
from mavos.pictures.drawing import overlay
from mavos.pictures.video_output import VideoWriter
from mavos.utils.files import write_json
from mavos.utils.palette import values_in
from mavos.webapp.annotations import Annotations
from mavos.webapp.clip import Clip
from mavos.webapp.jobs import Job
from mavos.webapp.refusals import Refused


def safe_name(name: str) -> str:
    """A name for files, made from what the user calls the clip."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", Path(name).stem).strip("_")[:60] or "video"


def write_zip(path: Path, clip: Clip, annotations: Annotations, job: Job) -> None:
    """Palette PNGs ``Annotations/<clip>/<frame>.png`` of all frames with labels."""
    folder = path.with_name("masks")
    masks = folder / "Annotations" / safe_name(clip.name)
    try:
        for frame in _frames(annotations, job):
            labels = annotations.shown(frame)
            if labels is not None:
                write_mask(masks / f"{frame:05d}.png", labels)
        zip_results(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_video(path: Path, clip: Clip, annotations: Annotations, job: Job) -> None:
    """The whole clip with the objects laid over it."""
    job.total = clip.length
    with VideoWriter(path, clip.frame_rate) as video:
        for frame in range(clip.length):
            _check_stopped(job)
            image, labels = clip.image(frame), annotations.shown(frame)
            time = clip.times[frame] if clip.times else None
            video.write(image if labels is None else overlay(image, labels), time=time)
            job.tick(frame)


def write_coco(path: Path, clip: Clip, annotations: Annotations, job: Job) -> None:
    """COCO's annotation file: a category for each object, masks as compressed run lengths."""
    objects = dict(annotations.objects)
    frames = _frames(annotations, job)
    content: dict[str, list] = {
        "videos": [{"id": 1, "name": safe_name(clip.name), "fps": clip.frame_rate}],
        "categories": [{"id": i, "name": o.name} for i, o in objects.items()],
        "images": [],
        "annotations": [],
    }
    height, width = clip.size
    for frame in frames:
        labels = annotations.shown(frame)
        if labels is None:
            continue
        image_id = frame + 1
        image = {"id": image_id, "video_id": 1, "frame_index": frame, "height": height}
        content["images"].append(image | {"width": width, "file_name": f"{frame:05d}.jpg"})
        for object_id in set(values_in(labels)) & objects.keys():
            annotation = _annotation(labels == object_id)
            annotation |= {"id": len(content["annotations"]) + 1, "image_id": image_id}
            # an object is one category and one track: two people are two of each
            annotation |= {"category_id": object_id, "track_id": object_id, "video_id": 1}
            content["annotations"].append(annotation)
    write_json(path, content)


def _annotation(mask: np.ndarray) -> dict:
    """Run lengths, area and box of a mask (H, W) bool."""
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    size, counts = [int(s) for s in encoded["size"]], encoded["counts"].decode("ascii")
    return {
        "segmentation": {"size": size, "counts": counts},
        "area": int(coco_mask.area(encoded)),
        "bbox": [float(v) for v in coco_mask.toBbox(encoded)],
        "iscrowd": 0,
    }


def _frames(annotations: Annotations, job: Job) -> Iterator[int]:
    """Frames with labels, counted by the job."""
    frames = annotations.labelled_frames()
    if not frames:
        raise Refused("there is no mask yet: draw an object and track it first")
    job.total = len(frames)
    for frame in frames:
        _check_stopped(job)
        yield frame
        job.tick(frame)


def _check_stopped(job: Job) -> None:
    if job.stopping.is_set():
        raise Refused("stopped: no file was made")


Write = Callable[[Path, Clip, Annotations, Job], None]
KINDS: dict[str, tuple[str, str, Write]] = {  # name in the address -> suffix, media type, how
    "masks": (".zip", "application/zip", write_zip),
    "overlay": (".mp4", "video/mp4", write_video),
    "coco": (".json", "application/json", write_coco),
}
