"""The inference form of a network: the same function, fewer operations."""

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops import FrozenBatchNorm2d

from networks.segmenter import VideoSegmenter


def for_inference(model: VideoSegmenter) -> VideoSegmenter:
    """A copy of ``model`` in evaluation mode with batch norms folded into convolutions.

    For segmenting only: it can be neither trained nor saved under the published key names.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    fold_batch_norms(model)
    return model


def fold_batch_norms(module: nn.Module) -> None:
    """Make every batch norm that follows a convolution a part of it, in place.

    A norm follows a convolution if it is the next child of the same parent: so torchvision's
    MobileNetV2 and ResNet are built.
    """
    for parent in module.modules():
        children = list(parent.named_children())
        for (_, conv), (name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, FrozenBatchNorm2d | nn.BatchNorm2d):
                conv.weight, conv.bias = fuse_conv_bn_weights(
                    conv.weight,
                    conv.bias,
                    norm.running_mean,
                    norm.running_var,
                    norm.eps,
                    norm.weight,
                    norm.bias,
                )
                setattr(parent, name, nn.Identity())
