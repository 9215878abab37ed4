"""What every image encoder states of itself."""

from abc import ABC, abstractmethod

from torch import nn

from mavos.utils.key_names import KeyNames


class Encoder(nn.Module, ABC):
    """Base of all encoders: an image (B, 3, H, W) -> a list of four maps."""

    channels: tuple[int, ...]  # of each map
    strides: tuple[int, ...]  # pixels per cell of each map
    align_corners: bool  # image sides must be 16 k + 1 pixels, not 16 k
    key_names = KeyNames()  # of files with ImageNet weights

    @abstractmethod
    def freeze(self, parts: int) -> None:
        """Stop the first ``parts`` parts from learning: 1 is the stem, 2 also the first stage."""

    def fuse(self) -> None:
        """Become the inference form, see ``networks/inference.py``; most have no other."""
