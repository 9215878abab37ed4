"""Training stages by name: what each starts from, which data it sees, what to expect.

A stage finds the averaged weights that it starts from in ``result``, or as a downloaded
``pretrain_models/<MODEL>_<STAGE>.pth``. Every stage trains with

    bash train.sh --stage <name>            # R50-MAVOS on four GPUs; --model chooses another
    bash train.sh --stage <name> --gpu_num 1   # the same recipe on one, by accumulating gradients

Time: the paper trained on four A100, under 25 hours in all; its model zoo says four V100 with mixed
precision. We have not timed the stages ourselves. Scores are the paper's, for R50-MAVOS; where none
is named, none is known for the stage.

Learning rate, where paper and released configuration differ:

    stage                    paper (4.1)   released   here
    pre_ytb_dav, .._long        1e-4         5e-5     5e-5: the rest of the recipe, warm-up and
                                                      decay, is the released one, too
    pre_ytb_dav_long_lvos       1e-5         5e-5     1e-5: the released code cannot train on LVOS,
                                                      so the paper's rate was used, if any

``train.lr=1e-4`` on the command line is the paper's of the first two.
"""

from dataclasses import dataclass, replace

from mavos.configs.schema import TrainConfig


@dataclass(frozen=True)
class Stage:
    """One training run that a checkpoint has gone through."""

    description: str
    train: TrainConfig


# Paper section 4.1: from DeAOT-L's weights of static images, 100,000 steps, 16 clips of 8 frames.
_MAIN = TrainConfig(start="pre")
_DAVIS = ("davis2017*5",)

_SMALL = TrainConfig(
    datasets=("composed/train",),
    clip_length=5,
    crop=145,
    gap_scale=0.6,
    short_edge=208,
    min_scale=0.75,
    max_scale=1.3,
    workers=1,
    steps=3500,
    batch_size=4,
    lr=1.5e-3,
    lr_cosine=True,
    weight_decay=0.03,
    encoder_freeze_at=5,
    aux_ratio=0.1,
    teacher_forcing=0.3,
    frozen_with_predictions=(),
    amp=True,
    save_every=100,
    keep_last=3,
    eval_every=500,
    eval_dataset="composed/held",
)

OWN_VIDEO_STAGE = "pre_ytb_dav"  # of the weights for a video that is of no dataset

STAGES = {
    # Static images (COCO, ECSSD, MSRA10K, PASCAL-S, PASCAL VOC) moved by random affine maps, always
    # with a second image's objects pasted in; labels in memory throughout.
    # No score of its own: the authors did not train it, they start from DeAOT-L's checkpoint of it.
    "pre": Stage(
        "static images turned into clips",
        TrainConfig(
            datasets=("static",),
            merge_prob=1.0,
            lr=4e-4,
            weight_decay=0.03,
            aux_ratio=0.1,
            teacher_forcing=1.0,
        ),
    ),
    "pre_ytb": Stage("then YouTube-VOS", replace(_MAIN, datasets=("youtubevos2019",))),
    "pre_dav": Stage("then DAVIS 2017", replace(_MAIN, datasets=_DAVIS, steps=50_000)),
    # The paper's Table 4, DAVIS 2017: J&F 85.6. By the model zoo also the weights for LVOS and
    # Long-Time Video are of this stage, though they are other files.
    "pre_ytb_dav": Stage("then YouTube-VOS and DAVIS 2017", _MAIN),
    # The paper's Table 3, Long-Time Video: J&F 87.5. That dataset has no training data and the
    # released config names no other: data as in pre_ytb_dav, with frames further apart (ours).
    "pre_ytb_dav_long": Stage(
        "YouTube-VOS and DAVIS 2017 with longer gaps, for Long-Time Video",
        replace(_MAIN, gap_scale=2.0),
    ),
    # The paper's Table 2, LVOS: J&F 63.3, at 37 FPS on a V100. Its caption says zero-shot on LVOS;
    # the released config of this name trains on LVOS. Both are facts, and this stage is the latter:
    # pre_ytb_dav with train.lr=1e-5 would be the former.
    # The released config starts from "pre"; ours starts from the stage for long videos, as the name
    # says. 1e-5 is the minimum too with ResNet-50 and Swin-Base, so the rate is constant; that of
    # MobileNetV2 is 2e-5, so there it falls from 2e-5 to 1e-5 and rises again, unless
    # model.train_lr_min=1e-5 is set.
    "pre_ytb_dav_long_lvos": Stage(
        "then LVOS",
        replace(_MAIN, start="pre_ytb_dav_long", datasets=("lvos",), lr=1e-5),
    ),
    # For mavos_nano and `make quickstart`: from random weights on synthetic videos, minutes on a
    # CPU.
    # Clips of five frames with a memory update at each fuse twice, so MCA learns.
    "quickstart": Stage(
        "from random weights, on synthetic videos",
        TrainConfig(
            datasets=("synthetic",),
            clip_length=5,
            crop=113,
            gap_scale=1 / 3,
            short_edge=128,
            min_scale=0.9,
            max_scale=1.15,
            merge_prob=0.0,
            min_object_pixels=30,
            augmentation="v1",
            workers=1,
            steps=600,
            batch_size=4,
            lr=2e-3,
            lr_cosine=True,
            lr_encoder_ratio=1.0,
            weight_decay=0.03,
            encoder_freeze_at=0,
            teacher_forcing=0.3,
            frozen_with_predictions=(),
            log_every=10,
            save_every=100,
            keep_last=2,
            picture_every=300,
        ),
    ),
    # For mavos_small: the encoder stays as it is, the rest learns on clips composed of cut-outs and
    # photographs (`mavos make_composed`); validated on clips of other pictures. 40 CPU minutes.
    "small": Stage("a frozen encoder and composed clips, for processors without a GPU", _SMALL),
    # Then clips that are longer and larger, with its own predictions in memory. 10 CPU minutes;
    # J&F on six DAVIS-2016 clips 0.771 to 0.787 (docs/small_network.md).
    "small_long": Stage(
        "then longer and larger composed clips",
        replace(
            _SMALL,
            start="small",
            clip_length=7,
            crop=193,
            short_edge=240,
            steps=260,
            lr=5e-4,
            teacher_forcing=0.0,
            aux_ratio=0.01,
            hard_pixel_ramp=0.01,
            eval_every=130,
        ),
    ),
}
