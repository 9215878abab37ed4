"""The networks by name."""

from dataclasses import replace

from configs.schema import ModelConfig

MAVOS = ModelConfig(title="MAVOS")

MODELS = {
    "mavos": MAVOS,
    "r50_mavos": replace(
        MAVOS,
        title="R50_MAVOS",
        encoder="resnet50",
        encoder_weights="resnet50-0676ba61.pth",
        train_lr_min=1e-5,
    ),
    "swinb_mavos": replace(
        MAVOS,
        title="SwinB_MAVOS",
        encoder="swin_base",
        encoder_weights="swin_base_patch4_window7_224_22k.pth",
        train_lr_min=1e-5,
    ),
    # For tests, demos and processors without a GPU; trained from scratch, so batch norm learns.
    "mavos_nano": replace(
        MAVOS,
        title="MAVOS_Nano",
        encoder="nano",
        encoder_weights="",
        frozen_bn=False,
        dim=64,
        depth=1,
        short_term_window=9,
        max_objects=3,
        mca_heads=1,
        train_memory_gap=1,
        test_memory_gap=20,
        mca_drop_path=0.0,
        drop_path=0.0,
        test_resolution=240.0,
    ),
}
