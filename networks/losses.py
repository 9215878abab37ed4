"""Losses of training, per clip of a batch, and how their settings change with the step.

Shapes: B clips, N identities, H x W pixels. Channel 0 is background; a channel of an identity that
a clip does not use holds a very negative logit.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mavos.utils.palette import IGNORE


def bootstrapped_cross_entropy(logits: Tensor, labels: Tensor, keep: float) -> Tensor:
    """Mean cross-entropy of the hardest ``keep`` share of the pixels, (B,).

    logits (B, 1 + N, H, W); labels (B, H, W) int64 in [0, N] or IGNORE; keep in (0, 1].
    parity: pixels to ignore have no loss, but count as pixels.
    """
    loss = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none").flatten(1)
    count = int(keep * loss.shape[1])
    if count == loss.shape[1]:
        return loss.mean(dim=1)
    return loss.topk(max(1, count), dim=1, sorted=False).values.mean(dim=1)


def soft_jaccard(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - soft IoU, averaged over background and the identities that are in the label, (B,).

    logits (B, 1 + N, H, W); labels (B, H, W) int64 in [0, N] or IGNORE, whose pixels do not count.
    A clip without any valid pixel has loss 0.
    """
    valid = labels != IGNORE
    truth = F.one_hot(labels.masked_fill(~valid, 0), logits.shape[1]).movedim(-1, 1)
    truth = (truth * valid[:, None]).to(logits.dtype).flatten(2)
    probability = (logits.softmax(dim=1) * valid[:, None]).flatten(2)
    intersection = (probability * truth).sum(dim=2)
    area = truth.sum(dim=2)
    union = probability.sum(dim=2) + area - intersection
    present = area > 0
    loss = torch.where(present, 1 - intersection / union.clamp_min(1e-6), 0.0)
    return loss.sum(dim=1) / present.sum(dim=1).clamp_min(1)


def hard_pixel_share(step: int, ramp_steps: float, final: float) -> float:
    """Share of the pixels that cross-entropy keeps: 1 at step 0, ``final`` from ``ramp_steps``."""
    progress = min(1.0, step / (ramp_steps + 1e-5))
    return progress * final + (1.0 - progress)


def aux_weight(step: int, end_step: float, first: float) -> float:
    """Weight of the reference frame's loss: ``first`` at step 0, falling to 0 at ``end_step``."""
    end = end_step + 1e-5
    return first * max(end - step, 0.0) / end
