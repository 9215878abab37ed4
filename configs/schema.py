"""What a run is made of: frozen, typed, checked. Building a config touches no file."""

from dataclasses import dataclass, field
from typing import Literal, get_args, get_origin, get_type_hints

from utils.errors import UserError


def _check(cfg) -> None:
    """Refuse values outside a field's ``Literal``."""
    for name, hint in get_type_hints(type(cfg)).items():
        if get_origin(hint) is Literal and getattr(cfg, name) not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise UserError(f"{name} must be one of {choices}; got {getattr(cfg, name)!r}")


def _positive(cfg, *names: str) -> None:
    for name in names:
        if getattr(cfg, name) <= 0:
            raise UserError(f"{name} must be positive, got {getattr(cfg, name)}")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network and its memory; sizes in channels or in cells of 16 pixels."""

    title: str  # in the names of result folders and published checkpoints
    method: Literal["mavos"] = "mavos"
    encoder: Literal["mobilenetv2", "mobilenetv2_nano", "resnet50", "swin_base"] = "mobilenetv2"
    frozen_bn: bool = True  # batch norm of the encoder keeps its ImageNet statistics
    dim: int = 256  # width of each branch of the E-LSTT and of the decoder
    depth: int = 3  # E-LSTT blocks
    short_term_window: int = 15  # side of the local attention window, odd
    max_objects: int = 10  # identities per object group
    memory: Literal["mca", "reference", "previous", "reference_previous", "all", "last"] = "mca"
    memory_frames: int = 6  # frames that the memory "last" keeps
    train_memory_gap: int = 2  # frames between long-term updates in training
    test_memory_gap: int = 10  # the same at test time
    short_term_skip: int = 1  # the short-term memory is the frame that many frames ago
    focal_levels: int = 2  # MCA: scales of depthwise context before the global one (Table 7)
    focal_window: int = 3  # MCA: kernel of the first level; + 2 per level
    mca_heads: int = 4
    mca_drop_path: float = 0.1  # MCA: rate of dropped residual branches in training
    drop_path: float = 0.1  # the same for the self propagation of the blocks

    def __post_init__(self):
        _check(self)
        _positive(self, "dim", "depth", "max_objects", "memory_frames", "train_memory_gap")
        _positive(self, "test_memory_gap", "short_term_skip", "focal_levels", "mca_heads")
        if self.short_term_window % 2 == 0 or self.focal_window % 2 == 0:
            raise UserError("short_term_window and focal_window must be odd")
        if self.dim % (2 * self.mca_heads) or self.dim % 16:
            raise UserError(f"dim must be a multiple of 16 and of 2 x mca_heads, got {self.dim}")
        if self.max_objects > 254:
            raise UserError(f"max_objects must be at most 254, got {self.max_objects}")

    @property
    def unused_keys(self) -> tuple[str, ...]:
        """Prefixes of checkpoint keys, as on disk, that this network has no modules for."""
        return () if self.memory == "mca" else ("long_term_memory_attention.",)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where data lies and how frames are read."""

    root: str = ""  # folder of the datasets; empty: ``datasets`` of the project
    ahead: int = 8  # frames decoded ahead of the network
    threads: int = 2  # decoding threads


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """One evaluation run; sizes in pixels."""

    dataset: str = "davis2017"
    split: str = ""  # empty: the dataset's usual one
    checkpoint: str = ""  # empty: looked for in ``result`` and ``pretrain_models``
    checkpoint_step: int = -1  # -1: the newest
    ema: bool | None = None  # averaged weights; None: where there are any
    flip: bool = False  # test-time augmentation: also the mirrored frame
    multiscale: bool = False  # test-time augmentation: ``scales`` instead of the plain size
    scales: tuple[float, ...] = (1.2, 1.3, 1.4)
    max_resolution: float = 624.0  # long edge at most 5/3 of it; with multiscale also the short one
    amp: bool = False  # half precision where the device has it
    device: str = "auto"
    output: str = ""  # result folder; empty: ``results/<dataset>/<run>`` of the project
    overwrite: bool = False  # do finished videos again

    def __post_init__(self):
        _check(self)
        _positive(self, "max_resolution")
        if not self.scales or min(self.scales) <= 0:
            raise UserError(f"scales must be positive numbers, got {self.scales}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole run."""

    name: str  # key in ``configs.models.MODELS``
    stage: str  # key in ``configs.stages.STAGES``
    exp_name: str = "default"
    model: ModelConfig
    data: DataConfig = field(default_factory=DataConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)
