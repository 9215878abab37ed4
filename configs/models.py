"""The networks by name."""

from dataclasses import replace

from mavos.configs.schema import AotConfig, MavosConfig, ModelConfig

_NEVER = 9999  # frames; only annotated frames enter the long-term memory
_RESNET50 = {
    "encoder": "resnet50",
    "encoder_weights": "resnet50-0676ba61.pth",
    "train_lr_min": 1e-5,
}
_SWIN_BASE = {
    "encoder": "swin_base",
    "encoder_weights": "swin_base_patch4_window7_224_22k.pth",
    "train_lr_min": 1e-5,
}
_LARGE = {"depth": 3, "train_memory_gap": 2, "test_memory_gap": 5}

MAVOS = MavosConfig(title="MAVOS")

# The networks that MAVOS builds on. The memory of all keeps every frame that it is given: for tiny,
# small and base these are the annotated ones, the large ones add one at every gap.
_ANNOTATED_ONLY = {
    "memory": "all",
    "depth": 1,
    "train_memory_gap": _NEVER,
    "test_memory_gap": _NEVER,
}
AOT = AotConfig(title="AOTT", **_ANNOTATED_ONLY)
DEAOT = MavosConfig(title="DeAOTT", **_ANNOTATED_ONLY)

MODELS: dict[str, ModelConfig] = {
    "mavos": MAVOS,
    "r50_mavos": replace(MAVOS, title="R50_MAVOS", **_RESNET50),
    "swinb_mavos": replace(MAVOS, title="SwinB_MAVOS", **_SWIN_BASE),
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
    # Shipped with its weights: for real video without a download, on a processor without a GPU.
    "mavos_small": replace(
        MAVOS,
        title="MAVOS_Small",
        encoder_blocks=14,
        encoder_stride=8,
        encoder_weights="mobilenetv2_oidv4.pth",
        dim=96,
        depth=1,
        short_term_window=11,
        mca_heads=2,
        # Clips of five to eight frames do not teach MCA anything: in training there is the
        # reference frame alone, in use one more of every ten, which scored better held out.
        memory="reference_previous",
        train_memory_gap=_NEVER,
        test_memory_gap=10,
        mca_drop_path=0.0,
        drop_path=0.0,
        test_resolution=240.0,
    ),
    "aott": AOT,
    "aots": replace(AOT, title="AOTS", depth=2),
    "aotb": replace(AOT, title="AOTB", depth=3),
    "aotl": replace(AOT, title="AOTL", **_LARGE),
    "r50_aotl": replace(AOT, title="R50_AOTL", **_LARGE, **_RESNET50),
    "swinb_aotl": replace(AOT, title="SwinB_AOTL", **_LARGE, **_SWIN_BASE),
    "deaott": DEAOT,
    "deaots": replace(DEAOT, title="DeAOTS", depth=2),
    "deaotb": replace(DEAOT, title="DeAOTB", depth=3),
    "deaotl": replace(DEAOT, title="DeAOTL", **_LARGE),
    "r50_deaotl": replace(DEAOT, title="R50_DeAOTL", **_LARGE, **_RESNET50),
    "swinb_deaotl": replace(DEAOT, title="SwinB_DeAOTL", **_LARGE, **_SWIN_BASE),
}
