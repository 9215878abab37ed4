"""A small residual encoder for processors without a GPU, made of torchvision's blocks."""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from mavos.networks.encoders.encoder import Encoder


class Nano(Encoder):
    """Maps at strides 2, 4, 8 and the last one again."""

    align_corners, strides = True, (2, 4, 8, 8)
    channels = (16, 32, 64, 64)

    def __init__(self, norm_layer: type[nn.Module]):
        super().__init__()
        first, second, third, _ = self.channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, kernel_size=3, stride=2, padding=1, bias=False),
            norm_layer(first),
            nn.ReLU(inplace=True),
        )
        self.layer1 = _block(first, second, norm_layer)
        self.layer2 = _block(second, third, norm_layer)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, channels[i], …) at strides 2, 4, 8, 8."""
        half = self.stem(image)
        quarter = self.layer1(half)
        eighth = self.layer2(quarter)
        return [half, quarter, eighth, eighth]

    def freeze(self, parts: int) -> None:
        """Stop the first ``parts`` parts from learning."""
        for part in (self.stem, self.layer1, self.layer2)[:parts]:
            part.requires_grad_(False)


def _block(in_dim: int, dim: int, norm_layer: type[nn.Module]) -> BasicBlock:
    """Halves the sides."""
    shortcut = nn.Sequential(
        nn.Conv2d(in_dim, dim, kernel_size=1, stride=2, bias=False), norm_layer(dim)
    )
    return BasicBlock(in_dim, dim, 2, shortcut, norm_layer=norm_layer)
