"""The section ``train``."""

from dataclasses import dataclass
from typing import Literal

from mavos.configs.schema.checks import at_most, check_fields, not_negative, positive, share
from mavos.utils.errors import UserError


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
    workers: int = 4  # data processes of each training process; 0: none, it loads its own clips

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
    patience: int = 0  # validations without a better score until the run ends; 0: never

    def __post_init__(self):
        check_fields(self)
        positive(self, "crop", "steps", "batch_size", "clips_per_device", "lr", "clip_norm")
        positive(self, "save_every", "keep_last", "log_every", "picture_every", "gap_scale")
        positive(self, "short_edge", "min_scale", "ema_ratio", "lr_restarts", "crop_tries")
        share(self, "merge_prob", "flip_prob", "lr_warm_up", "lr_encoder_ratio", "teacher_forcing")
        share(self, "hard_pixel_final", "hard_pixel_ramp", "aux_ratio")
        if self.clip_length < 2:
            raise UserError(f"clip_length must be at least 2, got {self.clip_length}")
        if self.max_scale < self.min_scale:
            raise UserError(f"max_scale {self.max_scale} is below min_scale {self.min_scale}")
        if not self.datasets:
            raise UserError("train.datasets names no dataset; e.g. --datasets davis2017")
        not_negative(self, "workers", "eval_every", "eval_videos", "encoder_freeze_at")
        not_negative(self, "patience")
        not_negative(self, "weight_decay", "aux_weight", "min_object_pixels", "lr_power", "seed")
        not_negative(self, "cross_entropy_weight", "jaccard_weight")
        at_most(self, batch_size=65_536, clips_per_device=65_536, clip_length=1000, crop=8192)
        at_most(self, short_edge=8192, workers=1024, max_scale=100, gap_scale=10_000)
        if not 0 <= self.first_step < self.steps:
            raise UserError(f"first_step must lie in 0 to {self.steps - 1}, got {self.first_step}")
