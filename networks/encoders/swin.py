"""Swin-Base up to stride 16: torchvision's blocks, a norm on each output."""

from torch import Tensor, nn
from torchvision.models import swin_b


class SwinBase(nn.Module):
    """Maps at strides 4, 8, 16 and the last one again. The parts are torchvision's."""

    align_corners = False
    channels = (128, 256, 512, 512)

    def __init__(self, norm_layer: type[nn.Module]):
        """norm_layer is for convolutional encoders; Swin has layer norms only."""
        super().__init__()
        # patch embedding, stage, merging, stage, merging, stage; the fourth stage is not used
        self.parts = swin_b().features[:6]
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for dim in self.channels[:3])

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, channels[i], …) at strides 4, 8, 16, 16."""
        maps, x = [], image
        for index, part in enumerate(self.parts):
            x = part(x)  # (B, h, w, C)
            if index % 2:
                maps.append(self.norms[index // 2](x).permute(0, 3, 1, 2))
        return [*maps, maps[-1]]
