"""torchvision's MobileNetV2: its last strides traded for dilation, as many blocks as wanted."""

from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from mavos.networks.encoders.encoder import Encoder
from mavos.utils.key_names import KeyNames

# Output stride -> last blocks, in torchvision's numbering, at a quarter, at half and at all of it.
SKIPS = {8: (1, 3, 6), 16: (3, 6, 13)}
ALL = 19  # blocks, the first and the last convolution among them


class MobileNetV2(Encoder):
    """Maps at a quarter, half and all of the output stride, and the one that ends the network; key
    names are torchvision's."""

    align_corners = True
    key_names = KeyNames(unused=("classifier.",))

    def __init__(self, norm_layer: type[nn.Module], blocks: int = ALL, stride: int = 16):
        """blocks: how many leading ones are kept. stride: of the last map, 8 or 16; what lies
        behind it is dilated instead."""
        super().__init__()
        self.features = mobilenet_v2(norm_layer=norm_layer).features[:blocks]
        self.skips = SKIPS[stride]
        self.strides = (stride // 4, stride // 2, stride, stride)
        convolutions = [_spatial(block) for block in self.features[:18]]
        channels = [_channels(self.features[index]) for index in (*self.skips, blocks - 1)]
        self.channels = tuple(channels)
        reached, dilation = 1, 1
        for conv in convolutions:
            conv.dilation = (dilation, dilation)
            conv.padding = (dilation, dilation)
            if conv.stride == (2, 2) and reached == stride:
                conv.stride = (1, 1)
                dilation *= 2
            reached *= conv.stride[0]

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, channels[i], …) at ``strides``."""
        maps, x = [], image
        for index, block in enumerate(self.features):
            x = block(x)
            if index in self.skips:
                maps.append(x)
        return [*maps, x]

    def freeze(self, parts: int) -> None:
        """Stop the first ``parts`` parts from learning."""
        ends = (0, 1, *(last + 1 for last in self.skips), len(self.features))
        self.features[: ends[min(parts, len(ends) - 1)]].requires_grad_(False)


def _spatial(block: nn.Module) -> nn.Conv2d:
    """The 3 x 3 convolution of a block."""
    return next(m for m in block.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3))


def _channels(block: nn.Module) -> int:
    """Of what comes out of a block."""
    return [m for m in block.modules() if isinstance(m, nn.Conv2d)][-1].out_channels
