"""What is asked of every model, one test over all of them.

No weights are drawn and numbers mean nothing here, so that it is quick.
"""

import pytest
import torch
from torch import Tensor

from mavos import configs
from mavos.configs.models import MODELS
from mavos.networks import build_model
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import CopyPrevious, Network, call

SMALLEST = "the smallest method"


def build(name: str) -> Network:
    with torch.device("meta"):
        return CopyPrevious() if name == SMALLEST else build_model(configs.load(name).model)


def zeros(model: Network) -> Network:
    """The same on the CPU, every weight and buffer 0."""
    model = model.to_empty(device="cpu")
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.detach().zero_()
    return model


def mask(objects: int) -> Tensor:
    return torch.zeros(1, 1 + objects, 50, 60, dtype=torch.uint8)


@pytest.mark.parametrize("name", [*MODELS, SMALLEST])
@torch.inference_mode()
def test_the_verbs_and_the_inference_form(name: str):
    model, ran = zeros(build(name)), []

    def run(function, *arguments):
        ran.append(function)
        return function(*arguments)

    keys = model.state_dict().keys()
    fast = for_inference(model, torch.bfloat16, run)
    assert model.training and model.run is call and model.state_dict().keys() == keys
    weights = fast.state_dict()
    assert not fast.in_float32 or any(key.startswith(fast.in_float32) for key in weights)
    for key, weight in weights.items():
        if weight.is_floating_point():
            kept = key.startswith(fast.in_float32)
            assert weight.dtype == (torch.float32 if kept else torch.bfloat16), key

    multiple, remainder = fast.size_rule
    image = torch.zeros(1, 3, 2 * multiple + remainder, 3 * multiple + remainder)
    feats = fast.encode(image)
    memory = fast.start(feats, mask(2))
    for new_objects in (False, True):
        objects = 3 if new_objects else 2
        out = fast.segment(feats, memory, (50, 60))
        assert out.logits.shape == (1, 3, 50, 60) and out.logits.dtype == torch.float32
        memory = fast.memorize(out._replace(logits=None), mask(objects), memory, new_objects)
    assert fast.segment(feats, memory, (50, 60)).logits.shape == (1, 4, 50, 60)
    assert ran or not weights


@pytest.mark.parametrize("name", [*MODELS, SMALLEST])
def test_names_on_disk(name: str):
    """No two weights have one name there, and every name leads back."""
    model = build(name)
    names = list(model.state_dict())
    on_disk = [model.key_names.to_disk(name) for name in names]
    assert [model.key_names.to_code(name) for name in on_disk] == names
    assert len(set(on_disk)) == len(names)
    assert not any(name.startswith(model.key_names.unused) for name in on_disk)
