"""Our two sides of a comparison: the fast form of the network, and the plain reference."""

from contextlib import nullcontext

import harness
import torch
from reference import Reference
from torch import Tensor

from mavos import configs
from mavos.networks import build_model, onednn
from mavos.networks.inference import for_inference
from mavos.networks.lstt.model import LongShortTermSegmenter
from mavos.networks.segmenter import hard_labels, one_hot
from mavos.networks.weights import load_weights
from mavos.networks.wrappers import ObjectGroups


class FastSide:
    """What ``tools/eval.py`` runs."""

    def __init__(
        self, model: str, gap: int, checkpoint: str, device: str, dtype: str, routing: bool
    ):
        """gap: frames between long-term updates; dtype: its name on the command line; routing: of
        products to oneDNN, on a CPU."""
        self.notes: list[str] = []
        picked = harness.set_up(device, None, routing)
        if picked.type == "cpu" and routing and not onednn.routing_is_exact():
            self.notes.append("oneDNN is not there or not exact: fp32 products stay as usual")
        network = _network(model, gap, checkpoint).to(picked)
        self._model = ObjectGroups(for_inference(network, harness.use_dtype(dtype, picked)))

    def start(self, image: Tensor, labels: Tensor) -> None:
        self._num_objects = int(labels.max())
        feats = self._model.encode(image)
        self._memory = self._model.start(feats, one_hot(labels, self._num_objects))

    def step(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        out = self._model.segment(self._model.encode(image), self._memory, labels.shape[-2:])
        found = hard_labels(out.logits)
        mask = one_hot(labels, self._num_objects)
        self._memory = self._model.memorize(out, mask, self._memory)
        return out.logits, found


class ReferenceSide:
    """``reference.Reference``; in half precision under autocast."""

    def __init__(
        self, model: str, gap: int, checkpoint: str, device: str, dtype: str, routing: bool
    ):
        self.notes: list[str] = []
        picked = torch.device(device)
        onednn.allow(routing)
        if picked.type == "cpu":
            onednn.route_products()
        self._model = ObjectGroups(Reference(_network(model, gap, checkpoint).to(picked)))
        type_ = harness.use_dtype(dtype, picked)
        halved = type_ != torch.float32
        self._precision = torch.autocast(picked.type, type_) if halved else nullcontext()

    def start(self, image: Tensor, labels: Tensor) -> None:
        self._num_objects = int(labels.max())
        with self._precision:
            feats = self._model.encode(image)
            self._memory = self._model.start(feats, one_hot(labels, self._num_objects))

    def step(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with self._precision:
            out = self._model.segment(self._model.encode(image), self._memory, labels.shape[-2:])
            found = out.logits.softmax(dim=1).argmax(dim=1)
            mask = one_hot(labels, self._num_objects)
            self._memory = self._model.memorize(out, mask, self._memory)
        return out.logits, found


def _network(model: str, gap: int, checkpoint: str) -> LongShortTermSegmenter:
    network = build_model(configs.load(model, overrides=[f"model.test_memory_gap={gap}"]).model)
    load_weights(network, checkpoint)
    return network.eval()
