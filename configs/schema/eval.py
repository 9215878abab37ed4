"""The section ``eval``."""

from dataclasses import dataclass
from typing import Literal

from mavos.configs.schema.checks import at_most, check_fields, not_negative, positive
from mavos.utils import pixel_limit
from mavos.utils.errors import UserError


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """One evaluation run; sizes in pixels."""

    dataset: str = "davis2017"
    split: str = ""  # empty: the dataset's usual one
    videos: int = 0  # only the first so many, for a look; 0: all
    checkpoint: str = ""  # empty: looked for in ``result`` and ``pretrain_models``
    checkpoint_step: int = -1  # -1: the newest
    ema: bool | None = None  # averaged weights; None: where there are any
    flip: bool = False  # test-time augmentation: also the mirrored frame
    multiscale: bool = False  # test-time augmentation: ``scales`` instead of the plain size
    scales: tuple[float, ...] = (1.2, 1.3, 1.4)
    max_resolution: float | None = None  # None: the model's; with multiscale also of short edges
    dtype: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"  # precision of the network
    amp: bool = False  # the half precision that suits the device
    device: str = "auto"
    threads: int = 0  # CPU threads of the network in each process; 0: PyTorch's choice
    compile: bool = False  # CUDA graphs on a GPU, torch.compile elsewhere
    max_pixels: int = pixel_limit.DEFAULT  # of a frame or a mask; larger ones are refused
    output: str = ""  # result folder; empty: ``results/<dataset>/<run>`` of the project
    overwrite: bool = False  # do finished videos again

    def __post_init__(self):
        check_fields(self)
        if self.max_resolution is not None:
            positive(self, "max_resolution")
        not_negative(self, "threads", "videos")
        positive(self, "max_pixels")
        at_most(self, threads=4096, max_resolution=65_536)
        if self.amp and self.dtype != "fp32":
            raise UserError(f"amp already chooses a half precision; leave out it or {self.dtype}")
        if not self.scales or min(self.scales) <= 0:
            raise UserError(f"scales must be positive numbers, got {self.scales}")
