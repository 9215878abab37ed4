"""The inference form of a network: the same function, fewer operations."""

import copy
from itertools import chain, pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops import FrozenBatchNorm2d

from mavos.networks import onednn
from mavos.networks.encoders.encoder import Encoder
from mavos.networks.segmenter import HasInferenceForm, Run, call


def for_inference(
    model: HasInferenceForm, dtype: torch.dtype = torch.float32, run: Run = call
) -> HasInferenceForm:
    """``model`` in evaluation mode, with norms folded into the products beside them, in ``dtype``.

    For segmenting only: it can be neither trained nor saved under the published key names, and it
    stays on its device. Weights that stay as they are it shares with ``model``, which is left as it
    was. Images are float32 as before, and so are the logits. run: through what the network calls
    its work on tensors.
    """
    model = _sharing_weights(model)
    model.fuse()
    # torch.compile chooses for itself what computes products
    _lighten(model, dtype, model.in_float32, may_adopt=run is call)
    model.run = run
    return model


def part_for_inference(part: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The same for an encoder or a part of one."""
    part = _sharing_weights(part)
    if isinstance(part, Encoder):
        part.fuse()
    _lighten(part, dtype)
    return part


def _sharing_weights(module: nn.Module) -> nn.Module:
    tensors = chain(module.parameters(), module.buffers())
    return copy.deepcopy(module, memo={id(tensor): tensor for tensor in tensors})


def _lighten(
    module: nn.Module,
    dtype: torch.dtype,
    in_float32: tuple[str, ...] = (),
    may_adopt: bool = True,
) -> None:
    """Make a module that is for evaluation alone cost less, in place."""
    module.eval()
    fold_batch_norms(module)
    _cast(module, dtype, in_float32)
    on_cpu = all(parameter.device.type == "cpu" for parameter in module.parameters())
    if on_cpu and may_adopt and onednn.suits(dtype):
        onednn.adopt(module)


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


def _cast(module: nn.Module, dtype: torch.dtype, in_float32: tuple[str, ...]) -> None:
    """Give every weight the type ``dtype``, but for those whose names start with ``in_float32``."""
    for prefix, part in module.named_modules():
        own = chain(part.named_parameters(recurse=False), part.named_buffers(recurse=False))
        for name, tensor in list(own):
            if not tensor.is_floating_point():
                continue
            kept = f"{prefix}.{name}".startswith(in_float32)
            value = (tensor if kept else tensor.to(dtype)).detach()
            is_parameter = isinstance(tensor, nn.Parameter)
            setattr(part, name, nn.Parameter(value, False) if is_parameter else value)
