"""The section ``model`` of MAVOS, DeAOT and AOT: blocks that read two memories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from mavos.configs.schema.checks import at_most, positive, share
from mavos.configs.schema.model import ModelConfig
from mavos.utils.errors import UserError

Policy = Literal["mca", "reference", "previous", "reference_previous", "all", "last", "first"]
POLICIES: tuple[str, ...] = get_args(Policy)


@dataclass(frozen=True, kw_only=True)
class LongShortTermConfig(ModelConfig):
    """What the three share; sizes in channels or in cells of the last map (16 pixels)."""

    encoder: Literal["mobilenetv2", "nano", "resnet50", "swin_base"] = "mobilenetv2"
    encoder_blocks: int = 0  # of MobileNetV2's 19, the leading ones that are kept; 0: all
    encoder_stride: Literal[0, 8, 16] = 0  # of MobileNetV2's last map; 0: 16
    encoder_weights: str = "mobilenet_v2-b0353104.pth"
    frozen_bn: bool = True  # batch norm of the encoder keeps its ImageNet statistics
    dim: int = 256  # width of each branch of the blocks and of the decoder
    depth: int = 3  # blocks of the E-LSTT, or of AOT's LSTT
    heads: int = 1  # of the self propagation in the blocks; in AOT of all attention
    short_term_window: int = 15  # side of the local attention window, odd
    local_attention: Literal["auto", "tiles", "sampler", "triton"] = "auto"  # same numbers; speed
    max_objects: int = 10  # identities per object group
    memory: Policy = "mca"  # what the long-term memory keeps
    memory_frames: int = 6  # frames that the memories "last" and "first" keep
    # a frame annotated in mid-video: stored like any other (released), or the new reference frame
    late_masks: Literal["store", "reference"] = "store"
    # what memory is kept in; not in training
    memory_dtype: Literal["same", "bf16", "fp16"] = "same"
    train_memory_gap: int = 2  # frames between long-term updates in training
    test_memory_gap: int = 10  # the same at test time
    short_term_skip: int = 1  # the short-term memory is the frame that many frames ago
    drop_path: float = 0.1  # rate of dropped self propagation of the blocks in training

    options: ClassVar[Mapping[str, str]] = {
        "lt_gap": "test_memory_gap",
        "st_skip": "short_term_skip",
        "max_id_num": "max_objects",
        "policy": "memory",
    }
    # the user's masks count: an object that enters in mid-video is held as one of the first frame
    interactive: ClassVar[tuple[str, ...]] = ("model.late_masks=reference",)
    speed_only: ClassVar[tuple[str, ...]] = ("local_attention",)
    beside_weights: ClassVar[tuple[str, ...]] = (
        *ModelConfig.beside_weights,
        *("drop_path", "mca_drop_path", "short_term_skip", "local_attention", "memory_dtype"),
    )

    def __post_init__(self):
        super().__post_init__()
        positive(self, "dim", "depth", "heads", "max_objects", "memory_frames")
        positive(self, "short_term_window")
        share(self, "drop_path")
        at_most(self, dim=16_384, depth=1000)
        positive(self, "train_memory_gap", "test_memory_gap", "short_term_skip")
        if self.short_term_window % 2 == 0:
            raise UserError(f"short_term_window must be odd, got {self.short_term_window}")
        if self.dim % 16:
            raise UserError(f"dim must be a multiple of 16, got {self.dim}")
        if (self.dim // 2) % self.heads:
            raise UserError(
                f"half of dim, {self.dim // 2}, must be a multiple of heads, {self.heads}"
            )
        if self.max_objects > 254:
            raise UserError(f"max_objects must be at most 254, got {self.max_objects}")
        least = {0: 14, 8: 7, 16: 14}[self.encoder_stride]
        if self.encoder_blocks and not least <= self.encoder_blocks <= 19:
            raise UserError(f"encoder_blocks must be 0 or {least} to 19, got {self.encoder_blocks}")
        if self.encoder != "mobilenetv2" and self.encoder_options:
            raise UserError("encoder_blocks and encoder_stride are settings of mobilenetv2 only")

    @property
    def encoder_options(self) -> dict[str, int]:
        """What the encoder is built with other than its defaults."""
        options = {"blocks": self.encoder_blocks, "stride": self.encoder_stride}
        return {name: value for name, value in options.items() if value}


@dataclass(frozen=True, kw_only=True)
class MavosConfig(LongShortTermConfig):
    """MAVOS; DeAOT is the same with another memory than "mca"."""

    method: Literal["mavos"] = "mavos"
    # how the memory "mca" takes in the new frame (Table 6)
    fusion: Literal["mca", "cross_attention", "focal_modulation", "global_context"] = "mca"
    focal_levels: int = 2  # scales of depthwise context before the global one (Table 8)
    focal_window: int = 3  # kernel of the first level; + 2 per level
    mca_heads: int = 4
    mca_drop_path: float = 0.1  # rate of dropped residual branches in training

    def __post_init__(self):
        super().__post_init__()
        positive(self, "focal_levels", "focal_window", "mca_heads")
        share(self, "mca_drop_path")
        if self.focal_window % 2 == 0:
            raise UserError(f"focal_window must be odd, got {self.focal_window}")
        if self.dim % (2 * self.mca_heads):
            raise UserError(
                f"dim must be a multiple of 2 x mca_heads, {2 * self.mca_heads}; got {self.dim}"
            )


@dataclass(frozen=True, kw_only=True)
class AotConfig(LongShortTermConfig):
    """AOT, whose blocks have one branch."""

    method: Literal["aot"] = "aot"
    memory: Policy = "all"
    heads: int = 8

    def __post_init__(self):
        super().__post_init__()
        if self.memory == "mca":
            raise UserError("the memory mca needs the two branches of the method mavos")
