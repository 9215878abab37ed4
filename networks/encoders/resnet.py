"""ResNet-50 up to stride 16: torchvision's network without its last stage."""

from torch import Tensor, nn
from torchvision.models import resnet50

from mavos.networks.encoders.encoder import Encoder
from mavos.utils.key_names import KeyNames


class ResNet50(Encoder):
    """Maps at strides 4, 8, 16 and the last one again; key names are torchvision's."""

    align_corners, strides = True, (4, 8, 16, 16)
    channels = (256, 512, 1024, 1024)
    key_names = KeyNames(unused=("fc.", "layer4."))  # the head, and a stage we do not use

    def __init__(self, norm_layer: type[nn.Module]):
        super().__init__()
        resnet = resnet50(norm_layer=norm_layer)
        self.conv1, self.bn1, self.relu, self.maxpool = (
            resnet.conv1,
            resnet.bn1,
            resnet.relu,
            resnet.maxpool,
        )
        self.layer1, self.layer2, self.layer3 = resnet.layer1, resnet.layer2, resnet.layer3

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, channels[i], …) at strides 4, 8, 16, 16."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3):
            x = layer(x)
            maps.append(x)
        return [*maps, x]

    def freeze(self, parts: int) -> None:
        """Stop the first ``parts`` parts from learning."""
        stem = nn.ModuleList([self.conv1, self.bn1])
        for part in (stem, self.layer1, self.layer2, self.layer3)[:parts]:
            part.requires_grad_(False)
