"""A clip through the verbs of a method: the loss of training.

Shapes: B clips, T frames, H x W pixels, M = 1 + the most objects of a clip of the batch,
S = 1 + ``max_objects`` slots of the network.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mavos.networks.losses import bootstrapped_cross_entropy, soft_jaccard
from mavos.networks.segmenter import TrainableSegmenter, hard_labels, one_hot
from mavos.utils.palette import IGNORE, IMAGE_MEAN, IMAGE_STD

UNUSED = -1e10  # logit of an identity that a clip does not have


class StepSettings(NamedTuple):
    """What changes in the loss during training."""

    hard_pixels: float = 1.0  # share of the pixels that cross-entropy keeps
    aux_weight: float = 0.0  # weight of the loss of annotated frames
    teacher_forcing: bool = True  # memory is made from labels, not from own predictions


class Unrolled(NamedTuple):
    """Loss of a batch of clips and what was seen on the way; all but ``loss`` without gradients."""

    loss: Tensor  # ()
    frame_losses: Tensor  # (T - R, B), of the frames after the R annotated ones
    aux_losses: Tensor  # (R, B) of the annotated frames; (0, B) while their weight is 0
    labels: Tensor  # (T, B, H, W) uint8 predicted; given ones for annotated frames


@dataclass(frozen=True)
class LossConfig:
    """Numbers of the loss that stay as they are."""

    cross_entropy_weight: float = 0.5
    jaccard_weight: float = 0.5
    feed_back: Literal["labels", "probabilities"] = "labels"
    second_reference: bool = False  # frame 1 is annotated too
    checkpoint_activations: bool = False


class ClipUnroll(nn.Module):
    """The module that DDP wraps: what differs from inference is here and only here."""

    def __init__(self, model: TrainableSegmenter, cfg: LossConfig):
        super().__init__()
        self.model, self.cfg = model, cfg
        # computed twice, batch norm that learns would also count its statistics twice
        self._checkpoints_encoder = not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
        for name, values in {"mean": IMAGE_MEAN, "std": IMAGE_STD}.items():
            scaled = torch.tensor(values)[:, None, None] * 255
            self.register_buffer(name, scaled, persistent=False)

    def forward(
        self,
        images: Tensor,
        labels: Tensor,
        num_objects: Tensor,
        permutations: Tensor,
        settings: StepSettings,
        most_objects: int | None = None,
    ) -> Unrolled:
        """images (B, T, 3, H, W) uint8 RGB or normalised floats; labels (B, T, H, W) uint8
        identities 0 … num_objects[b] or IGNORE; permutations (B, S): slot of each identity;
        most_objects: the largest of num_objects, for which the device need not be asked."""
        size, length = labels.shape[-2:], labels.shape[1]
        labels = labels.long().unbind(1)
        if most_objects is None:
            most_objects = int(num_objects.max())
        slots, unused = self._slots(num_objects, permutations, most_objects)
        frames = self._normalised(images)
        if self._checkpoints_encoder:
            feats = self._checkpointed(self.model.encode, frames)
        else:
            feats = self.model.encode(frames)
        feats = split_time(feats, length)
        references = 2 if self.cfg.second_reference else 1

        memory, aux_losses, frame_losses = None, [], []
        seen = [label.to(torch.uint8) for label in labels[:references]]
        for t in range(references):
            mask = self._mask(labels[t], permutations)
            logits, memory = self._checkpointed(
                self.model.reference, feats[t], mask, size, memory, slots
            )
            if settings.aux_weight > 0:
                logits = _usable(logits, unused)
                aux_losses.append(self._loss(logits, labels[t], settings))
        for t in range(references, length):
            out = self._checkpointed(self.model.segment, feats[t], memory, size, slots)
            logits = _usable(out.logits, unused)
            frame_losses.append(self._loss(logits, labels[t], settings))
            predicted = hard_labels(logits.detach())
            seen.append(predicted.to(torch.uint8))
            if t == length - 1:
                break  # parity: nobody reads what the last frame would leave behind
            if settings.teacher_forcing:
                mask = self._mask(labels[t], permutations)
            elif self.cfg.feed_back == "labels":
                mask = self._mask(predicted, permutations)
            else:
                mask = self._soft_mask(logits.detach(), slots)
            memory = self._checkpointed(self.model.memorize, out, mask, memory)

        frame_losses = torch.stack(frame_losses)
        aux = torch.stack(aux_losses) if aux_losses else frame_losses.new_zeros((0, len(images)))
        loss = frame_losses.mean()
        if aux_losses:
            loss = loss + settings.aux_weight * aux.mean()
        return Unrolled(loss, frame_losses.detach(), aux.detach(), torch.stack(seen))

    def _normalised(self, images: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) uint8 RGB -> frames (B * T, 3, H, W) float32 by ImageNet's
        statistics; floats are taken as normalised."""
        images = images.flatten(0, 1)
        return images if images.is_floating_point() else (images.float() - self.mean) / self.std

    def _slots(
        self, num_objects: Tensor, permutations: Tensor, most_objects: int
    ) -> tuple[Tensor, Tensor]:
        """Slots (B, M) that hold background and the identities, and which of them a clip has no
        use for (B, M, 1, 1)."""
        count = most_objects + 1
        identities = torch.arange(count, device=permutations.device)
        unused = identities > num_objects[:, None]
        return permutations[:, :count], unused[:, :, None, None]

    def _mask(self, labels: Tensor, permutations: Tensor) -> Tensor:
        """Labels (B, H, W) -> one-hot mask (B, S, H, W) of shuffled identities."""
        ignored = labels == IGNORE
        flat = labels.masked_fill(ignored, 0).flatten(1)
        shuffled = permutations.gather(1, flat).view_as(labels).masked_fill(ignored, IGNORE)
        return one_hot(shuffled, self.model.max_objects)

    def _soft_mask(self, logits: Tensor, slots: Tensor) -> Tensor:
        """Logits (B, M, H, W) -> probabilities (B, S, H, W) of shuffled identities."""
        batch, _, *size = logits.shape
        mask = logits.new_zeros((batch, self.model.max_objects + 1, *size))
        index = slots[:, :, None, None].expand(-1, -1, *size)
        return mask.scatter_(1, index, logits.softmax(dim=1))

    def _loss(self, logits: Tensor, labels: Tensor, settings: StepSettings) -> Tensor:
        """Loss of one frame of each clip, (B,)."""
        cross_entropy = bootstrapped_cross_entropy(logits, labels, settings.hard_pixels)
        jaccard = soft_jaccard(logits, labels)
        return self.cfg.cross_entropy_weight * cross_entropy + self.cfg.jaccard_weight * jaccard

    def _checkpointed(self, verb, *args):
        if not self.cfg.checkpoint_activations:
            return verb(*args)
        return checkpoint(verb, *args, use_reentrant=False)


def _usable(logits: Tensor, unused: Tensor) -> Tensor:
    """Logits as the loss wants them: no half precision, nothing for what a clip does not have."""
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return logits.masked_fill(unused, UNUSED)


def split_time(feats: list[Tensor], length: int) -> list[list[Tensor]]:
    """Features of B * T frames, each (B * T, …) -> T lists of (B, …)."""
    per_frame = zip(*(f.unflatten(0, (-1, length)).unbind(1) for f in feats), strict=True)
    return [list(frame) for frame in per_frame]


def clip_ious(predicted: Tensor, labels: Tensor, most_objects: int) -> Tensor:
    """Mean IoU of each frame over the identities that are in its label, (T,).

    predicted (T, B, H, W), labels (B, T, H, W): identities, IGNORE in labels does not count.
    A frame without any object in the batch has IoU 1.
    """
    labels = labels.transpose(0, 1)
    valid = labels != IGNORE
    total = count = 0
    for identity in range(1, most_objects + 1):
        ours, truth = (predicted == identity) & valid, labels == identity
        present = truth.flatten(2).any(dim=2)
        union = (ours | truth).flatten(2).sum(dim=2)
        iou = (ours & truth).flatten(2).sum(dim=2) / union.clamp_min(1)
        total, count = total + (iou * present).sum(dim=1), count + present.sum(dim=1)
    if isinstance(total, int):
        return torch.ones(labels.shape[0], device=labels.device)
    return torch.where(count > 0, total / count.clamp_min(1), 1.0)
