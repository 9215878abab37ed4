"""A network with its weights, by name, for a video of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from mavos import configs
from mavos.configs.stages import OWN_VIDEO_STAGE
from mavos.dataloaders.inputs import InputRule
from mavos.networks.segmenter import VideoSegmenter
from mavos.run.build import build
from mavos.run.devices import prepare
from mavos.run.find_checkpoint import find_checkpoint
from mavos.run.shipped import DEFAULT_MODEL
from mavos.utils.device import has_half_precision_units
from mavos.utils.errors import UserError

_SAID_OTHERWISE = ("eval.amp", "eval.dtype", "eval.device", "eval.threads")


class Loaded(NamedTuple):
    """What ``VideoTracker`` is made of."""

    model: VideoSegmenter  # in its inference form, on ``device``
    input_rule: InputRule  # how frames are brought to the size of its input
    device: torch.device


def load_model(
    name: str = DEFAULT_MODEL,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    amp: bool = True,
    overrides: Sequence[str] = (),
) -> Loaded:
    """The network ready to segment; ``VideoTracker(*load_model(...))`` tracks with it.

    name: of ``mavos.configs.models.MODELS``; checkpoint: a file for it, None: the one that
    ``find_checkpoint`` finds, such as that of the small network in the package. device: cpu, mps,
    cuda or cuda:N; auto takes the fastest. amp: compute in half precision where the device has
    units for it, else in fp32, as PyTorch is set. overrides: config fields as
    "section.field=value", e.g. "model.test_memory_gap=20", "eval.max_resolution=480",
    "eval.compile=True"; "model.late_masks=store" is the rule of tools/eval.py. Raises UserError for
    an unknown name, field or device, or a file that does not fit.
    """
    for override in overrides:
        if override.startswith(_SAID_OTHERWISE):
            raise UserError(
                f"overrides: {override} has no effect here; amp and device are arguments, "
                "threads are set by torch.set_num_threads"
            )
    picked = prepare(device, whole_process=False)
    half = f"eval.amp={amp and has_half_precision_units(picked)}"
    cfg = configs.load(name, OWN_VIDEO_STAGE, [half, *overrides], interactive=True)
    found = find_checkpoint(cfg) if checkpoint is None else Path(checkpoint)
    return Loaded(*build(cfg, found, picked), picked)
