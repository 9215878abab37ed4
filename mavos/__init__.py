"""MAVOS: long-video object segmentation with a memory of two frames.

    from mavos import VideoTracker, frames_from, overlay, read_mask

The names below load what they need when they are first used; ``import mavos`` alone loads neither
PyTorch nor numpy.
"""

import importlib
from pathlib import Path
from typing import Any

# In a checkout the packages that MAVOS is made of lie beside this folder, not in it; in an
# installed wheel they lie here.
if not Path(__file__).with_name("networks").is_dir():
    __path__.append(str(Path(__file__).resolve().parents[1]))

_HOMES = {
    "VideoTracker": "mavos.tracking.tracker",
    "segment_video": "mavos.tracking.frame_loop",
    "load_model": "mavos.run.pretrained",
    "frames_from": "mavos.dataloaders.media.frame_sources",
    "read_mask": "mavos.dataloaders.media.mask_files",
    "overlay": "mavos.pictures.drawing",
    "VideoWriter": "mavos.pictures.video_output",
    "score": "mavos.scoring.folders",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
