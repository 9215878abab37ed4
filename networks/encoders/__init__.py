"""Image encoders. Each states ``channels`` and ``strides`` of its four maps and ``align_corners``:
whether image sides must be 16 k + 1 pixels, not 16 k. It is given its norm layer, and ``freeze(n)``
stops its first n parts from learning: 1 is the stem, 2 the stem and the first stage."""

from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from mavos.networks.encoders.mobilenetv2 import MobileNetV2
from mavos.networks.encoders.nano import Nano
from mavos.networks.encoders.resnet import ResNet50
from mavos.networks.encoders.swin import SwinBase

ENCODERS = {
    "mobilenetv2": MobileNetV2,
    "nano": Nano,
    "resnet50": ResNet50,
    "swin_base": SwinBase,
}


def build_encoder(name: str, frozen_bn: bool) -> nn.Module:
    """The encoder ``name``; ``frozen_bn`` keeps batch statistics and their affine as they are."""
    return ENCODERS[name](norm_layer=FrozenBatchNorm2d if frozen_bn else nn.BatchNorm2d)
