"""MobileNetV2 at output stride 16: torchvision's network, its last stride traded for dilation."""

from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from torchvision.models.mobilenetv2 import InvertedResidual

from mavos.networks.encoders.encoder import Encoder
from mavos.utils.key_names import KeyNames

# Last block of each tapped stage (strides 4, 8, 16) in torchvision's numbering.
STAGES = (3, 6, 13)


class MobileNetV2(Encoder):
    """Maps at strides 4, 8, 16 and 16; key names are torchvision's."""

    align_corners, strides = True, (4, 8, 16, 16)
    channels = (24, 32, 96, 1280)
    key_names = KeyNames(unused=("classifier.",))

    def __init__(self, norm_layer: type[nn.Module]):
        super().__init__()
        features = mobilenet_v2(norm_layer=norm_layer).features
        features[14].conv[1][0].stride = (1, 1)
        for block in features[15:18]:
            _dilate(block)
        self.features = features

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, channels[i], …) at strides 4, 8, 16, 16."""
        maps, x = [], image
        for index, block in enumerate(self.features):
            x = block(x)
            if index in STAGES:
                maps.append(x)
        return [*maps, x]

    def freeze(self, parts: int) -> None:
        """Stop the first ``parts`` parts from learning."""
        ends = (0, 1, *(last + 1 for last in STAGES), len(self.features))
        self.features[: ends[min(parts, len(ends) - 1)]].requires_grad_(False)


def _dilate(block: InvertedResidual) -> None:
    depthwise = block.conv[1][0]
    depthwise.dilation = depthwise.padding = (2, 2)
