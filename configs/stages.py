"""Training stages by name: what each starts from, which data it sees, what to expect.

A stage finds the averaged weights that it starts from in ``result``, or as a downloaded
``pretrain_models/<MODEL>_<STAGE>.pth``. Every stage trains with

    bash train.sh --stage <name>            # R50-MAVOS on four GPUs; --model chooses another
    bash train.sh --stage <name> --gpu_num 1   # the same recipe on one, by accumulating gradients

Time: the authors used four V100 GPUs with mixed precision. 100,000 steps of a network of this kind
are about a day there (26 hours for AOT-L, by its author). We have not timed them ourselves. Scores
are the paper's, for R50-MAVOS; where none is named, none is known for the stage.
"""

from dataclasses import dataclass, replace

from mavos.configs.schema import TrainConfig


@dataclass(frozen=True)
class Stage:
    """One training run that a checkpoint has gone through."""

    description: str
    train: TrainConfig


# Paper section 4.1: from static images to video, 100,000 steps, batches of 16 clips.
_MAIN = TrainConfig(start="pre")
_DAVIS = ("davis2017*5",)

OWN_VIDEO_STAGE = "pre_ytb_dav"  # of the weights for a video that is of no dataset

STAGES = {
    # Static images (COCO, ECSSD, MSRA10K, PASCAL-S, PASCAL VOC) moved by random affine maps, always
    # with a second image's objects pasted in; labels in memory throughout.
    # A day on four V100. No score of its own; the authors start from DeAOT-L's checkpoint of it.
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
    # A day on four V100.
    "pre_ytb": Stage("then YouTube-VOS", replace(_MAIN, datasets=("youtubevos2019",))),
    # Half a day on four V100.
    "pre_dav": Stage("then DAVIS 2017", replace(_MAIN, datasets=_DAVIS, steps=50_000)),
    # A day on four V100. The paper's DAVIS 2017 table is evaluated with it.
    "pre_ytb_dav": Stage("then YouTube-VOS and DAVIS 2017", _MAIN),
    # A day on four V100. The paper's Long-Time Video table. That dataset has no training data and
    # the released config names no other: data as in pre_ytb_dav, with frames further apart (ours).
    "pre_ytb_dav_long": Stage(
        "YouTube-VOS and DAVIS 2017 with longer gaps, for Long-Time Video",
        replace(_MAIN, gap_scale=2.0),
    ),
    # A day on four V100. The paper's LVOS table: R50-MAVOS 63.3 J&F, at 37 FPS on a V100.
    # The released trainer cannot read LVOS. Its config starts from "pre"; ours goes on from the
    # stage for long videos, as the name says. 1e-5 is the minimum too: the rate is constant.
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
}
