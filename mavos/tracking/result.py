"""What a tracker returns for one frame: labels, presence, probabilities."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mavos.utils.errors import UserError

_PRESENCE_STRIDE = 4  # pixels; the networks decide at that distance


class Result:
    """The objects of one frame."""

    def __init__(self, labels: np.ndarray, presence: dict[int, float], belief: "Belief | None"):
        self.labels = labels  # (H, W) uint8, or uint16 where an id is above 254; the user's ids
        self.presence = presence  # id -> 0 to 1: how sure it is that the object is in the picture
        self._belief: Belief | None = belief

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects that are tracked, in the picture or not."""
        return tuple(self.presence)

    def probability(self, object_id: int) -> np.ndarray:
        """(H, W) float32, 0 to 1: how likely a pixel belongs to the object.

        Only for the newest result: they take megabytes a frame, so older ones are let go. Raises
        UserError for those, and for an object that was not tracked in this frame.
        """
        if object_id not in self.presence:
            raise UserError(f"object {object_id} is not tracked here; there are {self.ids}")
        if self._belief is None:
            raise UserError("probabilities are kept for the newest frame; ask before the next one")
        return self._belief.of(object_id)

    def forget(self) -> None:
        """Let go what probabilities are made from; labels and presence stay."""
        self._belief = None


class Belief(NamedTuple):
    """What the probabilities of a frame come from."""

    logits: Tensor | None  # (1, 1 + N, H, W); None where nothing was predicted, or it is let go
    labels: Tensor  # (H, W) int16 identities, what was given laid over what was predicted
    given: frozenset[int]  # identities whose mask is the user's
    identities: dict[int, int]  # object id -> identity

    def of(self, object_id: int) -> np.ndarray:
        identity = self.identities[object_id]
        if self.logits is None or identity in self.given:
            return (self.labels == identity).float().cpu().numpy()
        probability = self.logits.float().softmax(dim=1)[0, identity]
        users = torch.isin(self.labels, self.labels.new_tensor([*self.given]))
        return probability.masked_fill(users, 0).cpu().numpy()


def presence(logits: Tensor) -> Tensor:
    """How sure a network is that its objects are in the picture: (1, 1 + N, H, W) -> (N,), 0 to 1.

    The greatest probability of an object, over patches of 12 pixels so that no single pixel counts.
    """
    few = logits[:, :, ::_PRESENCE_STRIDE, ::_PRESENCE_STRIDE].float().softmax(dim=1)[:, 1:]
    return F.avg_pool2d(few, 3, 1, padding=1, count_include_pad=False).amax(dim=(0, 2, 3))
