"""What AOT, DeAOT and MAVOS have in common, wired from its config around their blocks."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from mavos.configs.schema import LongShortTermConfig
from mavos.networks.encoders import build_encoder
from mavos.networks.lstt.decoder import FPNDecoder
from mavos.networks.lstt.key_names import NAMES
from mavos.networks.lstt.memory import RENEWALS, build_policy
from mavos.networks.lstt.model import IDBank, LongShortTermSegmenter

MEMORY_DTYPES = {"same": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def assemble(
    cfg: LongShortTermConfig,
    build_blocks: Callable[[], nn.Module],
    fuse_blocks: Callable[[LongShortTermSegmenter], None],
    decoder_dim: int,
    normalise_ids: bool,
    unused_keys: tuple[str, ...] = (),
) -> LongShortTermSegmenter:
    """A network around a stack of blocks, whose output has ``decoder_dim`` channels.

    fuse_blocks: puts the inference form of the stack in its place. unused_keys: prefixes of keys,
    as on disk, that files of such networks hold and this one has no modules for.
    """
    encoder = build_encoder(cfg.encoder, cfg.frozen_bn, **cfg.encoder_options)
    *skip_channels, deepest = encoder.channels
    stride, align_corners = encoder.strides[-1], encoder.align_corners
    policy = build_policy(cfg.memory, cfg.memory_frames)
    renewal = RENEWALS.get(cfg.memory, policy) if cfg.late_masks == "reference" else policy
    model = LongShortTermSegmenter(
        encoder=encoder,
        projector=nn.Conv2d(deepest, cfg.dim, kernel_size=1),
        id_bank=IDBank(cfg.max_objects, cfg.dim, stride, align_corners, normalise_ids),
        elstt=build_blocks(),
        decoder=FPNDecoder(
            decoder_dim, cfg.dim, tuple(skip_channels), cfg.max_objects + 1, align_corners
        ),
        max_objects=cfg.max_objects,
        policy=policy,
        reference_policy=renewal,
        train_memory_gap=cfg.train_memory_gap,
        test_memory_gap=cfg.test_memory_gap,
        short_term_skip=cfg.short_term_skip,
        fuse_blocks=fuse_blocks,
        local_attention=cfg.local_attention,
        key_names=replace(NAMES.joined(encoder.key_names.within("encoder.")), unused=unused_keys),
        memory_dtype=MEMORY_DTYPES[cfg.memory_dtype],
    )
    initialise(model)
    # Tokens are maps in channels_last memory; with weights in it too nothing is ever rearranged.
    # A depthwise convolution of tokens takes 4 ms instead of 23 (1024 channels, 480p, one core).
    return model.to(memory_format=torch.channels_last)


def initialise(model: LongShortTermSegmenter) -> None:
    """Random weights as the paper starts from; those of encoder and MCA stay as they are."""
    bank = model.id_bank
    for name, parameter in model.named_parameters():
        own = name.startswith(("encoder.", "id_bank.")) or ".mca." in name
        if parameter.ndim > 1 and not own:
            torch.nn.init.xavier_uniform_(parameter)
    side = bank.conv.kernel_size[0]
    torch.nn.init.orthogonal_(bank.conv.weight.flatten(1), gain=side**-2)
