"""What a run is made of: frozen, typed, checked. Building a config touches no file."""

from dataclasses import dataclass, field
from typing import Literal, get_args, get_origin, get_type_hints

from mavos.utils.errors import UserError


def _check(cfg) -> None:
    """Refuse values outside a field's ``Literal``."""
    for name, hint in get_type_hints(type(cfg)).items():
        if get_origin(hint) is Literal and getattr(cfg, name) not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise UserError(f"{name} must be one of {choices}; got {getattr(cfg, name)!r}")


def _positive(cfg, *names: str) -> None:
    for name in names:
        if not getattr(cfg, name) > 0:  # nor nan
            raise UserError(f"{name} must be positive, got {getattr(cfg, name)}")


def _not_negative(cfg, *names: str) -> None:
    for name in names:
        if getattr(cfg, name) < 0:
            raise UserError(f"{name} must not be negative, got {getattr(cfg, name)}")


def _share(cfg, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(cfg, name) <= 1:
            raise UserError(f"{name} is a share, from 0 to 1; got {getattr(cfg, name)}")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network and its memory; sizes in channels or in cells of the last map (16 pixels)."""

    title: str  # in the names of result folders and published checkpoints
    method: Literal["mavos", "aot"] = "mavos"  # DeAOT is "mavos" with another memory than "mca"
    encoder: Literal["mobilenetv2", "nano", "resnet50", "swin_base"] = "mobilenetv2"
    frozen_bn: bool = True  # batch norm of the encoder keeps its ImageNet statistics
    dim: int = 256  # width of each branch of the blocks and of the decoder
    depth: int = 3  # blocks of the E-LSTT, or of AOT's LSTT
    heads: int = 1  # of the self propagation in the blocks; in AOT of all attention
    short_term_window: int = 15  # side of the local attention window, odd
    local_attention: Literal["auto", "tiles", "sampler", "triton"] = "auto"  # same numbers; speed
    max_objects: int = 10  # identities per object group
    memory: Literal["mca", "reference", "previous", "reference_previous", "all", "last"] = "mca"
    memory_frames: int = 6  # frames that the memory "last" keeps
    # a frame annotated in mid-video: stored like any other (released), or the new reference frame
    late_masks: Literal["store", "reference"] = "store"
    memory_dtype: Literal["same", "bf16", "fp16"] = (
        "same"  # what memory is kept in; not in training
    )
    train_memory_gap: int = 2  # frames between long-term updates in training
    test_memory_gap: int = 10  # the same at test time
    short_term_skip: int = 1  # the short-term memory is the frame that many frames ago
    # how the memory "mca" takes in the new frame (Table 6)
    fusion: Literal["mca", "cross_attention", "focal_modulation", "global_context"] = "mca"
    focal_levels: int = 2  # scales of depthwise context before the global one (Table 7)
    focal_window: int = 3  # kernel of the first level; + 2 per level
    mca_heads: int = 4
    mca_drop_path: float = 0.1  # rate of dropped residual branches in training
    drop_path: float = 0.1  # the same for the self propagation of the blocks
    encoder_weights: str = "mobilenet_v2-b0353104.pth"  # ImageNet file in pretrain_models; "": none
    test_resolution: float = 624.0  # long edge of frames at most 5/3 of it, pixels
    train_lr_min: float = 2e-5  # learning rate at the very start and end of training

    def __post_init__(self):
        _check(self)
        _positive(self, "dim", "depth", "heads", "max_objects", "memory_frames", "train_memory_gap")
        _positive(
            self,
            "test_resolution",
            "test_memory_gap",
            "short_term_skip",
            "focal_levels",
            "mca_heads",
        )
        if self.short_term_window % 2 == 0 or self.focal_window % 2 == 0:
            raise UserError("short_term_window and focal_window must be odd")
        if self.dim % (2 * self.mca_heads) or self.dim % 16:
            raise UserError(f"dim must be a multiple of 16 and of 2 x mca_heads, got {self.dim}")
        if (self.dim // 2) % self.heads:
            raise UserError(
                f"half of dim, {self.dim // 2}, must be a multiple of heads, {self.heads}"
            )
        if self.method == "aot" and self.memory == "mca":
            raise UserError("the memory mca needs the two branches of the method mavos")
        if self.max_objects > 254:
            raise UserError(f"max_objects must be at most 254, got {self.max_objects}")

    @property
    def unused_keys(self) -> tuple[str, ...]:
        """Prefixes of checkpoint keys, as on disk, that this network has no modules for."""
        if self.method == "aot":
            return ("LSTT.mask_token",)  # in the released files; their code never uses it
        return () if self.memory == "mca" else ("long_term_memory_attention.",)

    @property
    def new_keys(self) -> tuple[str, ...]:
        """Prefixes of keys that weights to start training from may lack: DeAOT's have no MCA."""
        return ("long_term_memory_attention.",)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where data lies and how frames are read."""

    root: str = ""  # folder of the datasets; empty: ``datasets`` of the project
    ahead: int = 8  # frames decoded ahead of the network; at least two for each thread
    threads: int | None = None  # decoding threads; None: what suits the device

    def __post_init__(self):
        _positive(self, "ahead")
        if self.threads is not None:
            _positive(self, "threads")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run; defaults are the recipe of the paper's section 4.1. Sizes in pixels."""

    start: str = "encoder"  # stage whose averaged weights it starts from; "encoder": ImageNet's
    start_checkpoint_step: int = -1  # which checkpoint of that stage; -1: its last
    start_path: str = ""  # a file instead of a stage
    first_step: int = 0  # counts from here, for weights that were trained so far elsewhere
    seed: int = 0

    # clips
    datasets: tuple[str, ...] = ("youtubevos2019", "davis2017*5")  # name*repeats, or a folder
    clip_length: int = 8  # frames; the first is the reference
    crop: int = 465  # side of a clip; brought to the encoder's size rule (464 for Swin)
    gap_scale: float = 1.0  # times the largest frame gap of each dataset
    reverse: bool = True  # half of the clips run backwards
    merge_prob: float = 0.3  # clips that get a second clip's objects pasted in
    min_object_pixels: int = 100  # smaller objects of the reference frame are dropped
    augmentation: Literal["v1", "v2"] = "v2"  # v2 adds colour jitter, grey and blur
    short_edge: int = 480  # videos are brought to it before they are scaled and cropped
    min_scale: float = 0.7
    max_scale: float = 1.3
    flip_prob: float = 0.5
    crop_tries: int = 10  # random crops tried for one with an object in it
    workers: int = 4  # data processes of each training process; 0: none, it loads by itself

    # optimisation
    steps: int = 100_000
    batch_size: int = 16  # clips of a step, over all processes
    clips_per_device: int = 4  # most clips at once; more processes or accumulation do the rest
    lr: float = 5e-5
    lr_power: float = 0.9
    lr_warm_up: float = 0.05  # share of the steps
    lr_encoder_ratio: float = 0.1
    lr_cosine: bool = False
    lr_restarts: int = 1  # cycles of the schedule
    weight_decay: float = 0.07
    clip_norm: float = 5.0
    ema_ratio: float = 0.1  # the average looks back over this share of the steps
    encoder_freeze_at: int = 2  # leading parts of the encoder that do not learn; 1 is the stem

    # loss
    cross_entropy_weight: float = 0.5
    jaccard_weight: float = 0.5
    hard_pixel_final: float = 0.15  # share of the pixels that cross-entropy keeps in the end
    hard_pixel_ramp: float = 0.5  # share of the steps until then
    aux_weight: float = 1.0  # loss of the reference frame, at the first step
    aux_ratio: float = 1.0  # share of the steps in which it falls to nothing
    teacher_forcing: float = 0.5  # share of the steps with labels in memory; then own predictions
    frozen_with_predictions: tuple[str, ...] = ("id_bank.",)  # what stops learning then
    feed_back: Literal["labels", "probabilities"] = "labels"  # form of the predictions in memory
    second_reference: bool = False  # frame 1 is a second annotated frame

    # running
    amp: bool = False  # bfloat16 where the device has it, else float16 with a loss scale
    compile: bool = False
    checkpoint_activations: bool = False  # compute twice, keep less: for small GPUs
    device: str = "auto"
    output: str = ""  # folder of the run; empty: ``result/<exp>_<MODEL>/<STAGE>`` of the project
    save_every: int = 5000  # steps
    keep_last: int = 4  # checkpoints of each kind
    log_every: int = 20  # steps between lines of metrics.jsonl
    picture_every: int = 500  # steps between pictures
    eval_every: int = 0  # steps between validations; 0: none
    eval_dataset: str = "davis2017"  # a name, or a folder of annotated videos
    eval_split: str = ""  # empty: the dataset's usual one
    eval_videos: int = 0  # the first so many; 0: all

    def __post_init__(self):
        _check(self)
        _positive(self, "crop", "steps", "batch_size", "clips_per_device", "lr", "clip_norm")
        _positive(self, "save_every", "keep_last", "log_every", "picture_every", "gap_scale")
        _positive(self, "short_edge", "min_scale", "ema_ratio", "lr_restarts", "crop_tries")
        _share(self, "merge_prob", "flip_prob", "lr_warm_up", "lr_encoder_ratio", "teacher_forcing")
        _share(self, "hard_pixel_final", "hard_pixel_ramp", "aux_ratio")
        if self.clip_length < 2:
            raise UserError(f"clip_length must be at least 2, got {self.clip_length}")
        if self.max_scale < self.min_scale:
            raise UserError(f"max_scale {self.max_scale} is below min_scale {self.min_scale}")
        if not self.datasets:
            raise UserError("train.datasets names no dataset; e.g. --datasets davis2017")
        _not_negative(self, "workers", "eval_every", "eval_videos", "encoder_freeze_at")
        _not_negative(self, "weight_decay", "aux_weight", "min_object_pixels")
        if not 0 <= self.first_step < self.steps:
            raise UserError(f"first_step must lie in 0 to {self.steps - 1}, got {self.first_step}")


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
    max_resolution: float | None = None  # None: the model's; with multiscale also of short edges
    dtype: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"  # precision of the network
    amp: bool = False  # the half precision that suits the device
    device: str = "auto"
    threads: int = 0  # CPU threads of the network in each process; 0: PyTorch's choice
    compile: bool = False  # CUDA graphs on a GPU, torch.compile elsewhere
    output: str = ""  # result folder; empty: ``results/<dataset>/<run>`` of the project
    overwrite: bool = False  # do finished videos again

    def __post_init__(self):
        _check(self)
        if self.max_resolution is not None:
            _positive(self, "max_resolution")
        _not_negative(self, "threads")
        if self.amp and self.dtype != "fp32":
            raise UserError(f"amp chooses a half precision by itself; leave it or {self.dtype} out")
        if not self.scales or min(self.scales) <= 0:
            raise UserError(f"scales must be positive numbers, got {self.scales}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole run."""

    name: str  # key in ``mavos.configs.models.MODELS``
    stage: str  # key in ``mavos.configs.stages.STAGES``
    exp_name: str = "default"
    model: ModelConfig
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)

    @property
    def starts_from_weights(self) -> bool:
        """Whether training starts from a stage, a file or an encoder's ImageNet weights."""
        train = self.train
        return bool(train.start_path or train.start != "encoder" or self.model.encoder_weights)
