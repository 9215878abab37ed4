"""Image encoders by name; ``encoder.py`` says what each states of itself."""

from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from mavos.networks.encoders.encoder import Encoder
from mavos.networks.encoders.mobilenetv2 import MobileNetV2
from mavos.networks.encoders.nano import Nano
from mavos.networks.encoders.resnet import ResNet50
from mavos.networks.encoders.swin import SwinBase

ENCODERS: dict[str, type[Encoder]] = {
    "mobilenetv2": MobileNetV2,
    "nano": Nano,
    "resnet50": ResNet50,
    "swin_base": SwinBase,
}


def build_encoder(name: str, frozen_bn: bool, **options: int) -> Encoder:
    """The encoder ``name``; ``frozen_bn`` keeps batch statistics and their affine as they are.

    options: of MobileNetV2, ``blocks`` and ``stride``.
    """
    norm_layer = FrozenBatchNorm2d if frozen_bn else nn.BatchNorm2d
    return ENCODERS[name](norm_layer=norm_layer, **options)
