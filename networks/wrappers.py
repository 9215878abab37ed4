"""Wrappers with the same four verbs: more objects than identities, and test-time augmentation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mavos.networks.segmenter import Segmented, VideoSegmenter


class ObjectGroups(nn.Module):
    """Runs a method that holds ``max_objects`` identities on any number of objects.

    Group g has identities g * max_objects + 1 … (g + 1) * max_objects and a memory of its own;
    image features are shared. Its memory is the list of the groups' memories.
    """

    def __init__(self, model: VideoSegmenter):
        super().__init__()
        self.model, self.size_rule = model, model.size_rule
        self.max_objects = 254  # what an 8-bit mask file can name
        self.group_size = model.max_objects

    def encode(self, image: Tensor) -> list[Tensor]:
        return self.model.encode(image)

    def start(self, feats: list[Tensor], mask: Tensor) -> list:
        return [self.model.start(feats, group) for group in self.split(mask)]

    def segment(self, feats: list[Tensor], memory: list, size: tuple[int, int]) -> Segmented:
        outs = [self.model.segment(feats, group, size) for group in memory]
        merged = merge_groups([out.logits for out in outs])
        return Segmented(merged, feats, carry=[out._replace(logits=None) for out in outs])

    def memorize(
        self, out: Segmented, mask: Tensor, memory: list, new_objects: bool = False
    ) -> list:
        groups = self.split(mask)  # more than before if objects entered
        kept = [
            self.model.memorize(group_out, group, group_memory, new_objects)
            for group_out, group, group_memory in zip(out.carry, groups, memory, strict=False)
        ]
        return kept + [self.model.start(out.feats, group) for group in groups[len(memory) :]]

    def without(self, memory: list, group: int) -> list:
        """Memory that knows nothing of a group; identities of later ones move up."""
        return memory[:group] + memory[group + 1 :]

    def split(self, mask: Tensor) -> list[Tensor]:
        """Mask (B, 1 + N, H, W) -> one mask per group; other groups' objects are its background."""
        foreground = mask[:, 1:].split(self.group_size, dim=1)
        if len(foreground) == 1:
            return [mask]
        return [
            torch.cat([1 - g.sum(1, keepdim=True, dtype=g.dtype), g], dim=1) for g in foreground
        ]


def merge_groups(logits: list[Tensor]) -> Tensor:
    """Soft aggregation of groups' logits (B, 1 + n, H, W): background only where all say so.

    Returns (B, 1 + sum of n, H, W): log-odds, whose argmax is the label.
    """
    if len(logits) == 1:
        return logits[0]
    probabilities = [group.float().softmax(dim=1) for group in logits]
    background = torch.stack([p[:, :1] for p in probabilities]).prod(dim=0)
    merged = torch.cat([background, *(p[:, 1:] for p in probabilities)], dim=1)
    # parity: clamped, and not renormalised
    return torch.logit(merged.clamp(1e-5, 1 - 1e-5))


class TestTimeAugmentation(nn.Module):
    """Averages probabilities over image scales and, with ``flip``, over their mirror images.

    ``encode`` takes one image per scale; every view of the frame has its own features and memory.
    """

    __test__ = False  # not a test class, whatever its name

    def __init__(self, model: VideoSegmenter, flip: bool = False):
        super().__init__()
        self.model, self.flip = model, flip
        self.max_objects, self.size_rule = model.max_objects, model.size_rule

    def encode(self, image: Tensor | Sequence[Tensor]) -> list:
        images = [image] if isinstance(image, Tensor) else image
        return [self.model.encode(view) for scale in images for view in self._views(scale)]

    def start(self, feats: list, mask: Tensor) -> list:
        return [
            self.model.start(f, m) for f, m in zip(feats, self._masks(feats, mask), strict=True)
        ]

    def segment(self, feats: list, memory: list, size: tuple[int, int]) -> Segmented:
        outs = [self.model.segment(f, m, size) for f, m in zip(feats, memory, strict=True)]
        total = 0
        for index, out in enumerate(outs):
            probability = out.logits.float().softmax(dim=1)
            total = total + (probability.flip(-1) if self._is_flipped(index) else probability)
        mean = total / len(outs)
        logits = mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
        return Segmented(logits, feats, carry=[out._replace(logits=None) for out in outs])

    def memorize(
        self, out: Segmented, mask: Tensor, memory: list, new_objects: bool = False
    ) -> list:
        masks = self._masks(out.feats, mask)
        return [
            self.model.memorize(view_out, view_mask, view_memory, new_objects)
            for view_out, view_mask, view_memory in zip(out.carry, masks, memory, strict=True)
        ]

    def _views(self, image: Tensor) -> list[Tensor]:
        return [image, image.flip(-1)] if self.flip else [image]

    def _is_flipped(self, index: int) -> bool:
        return self.flip and index % 2 == 1

    def _masks(self, feats: list, mask: Tensor) -> list[Tensor]:
        flipped = mask.flip(-1) if self.flip else mask
        return [flipped if self._is_flipped(i) else mask for i in range(len(feats))]
