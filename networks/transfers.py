"""Images to the device and labels back; on CUDA neither keeps the device or the caller waiting."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor


class Arriving(NamedTuple):
    """Labels (H, W) on their way to the CPU."""

    labels: Tensor  # uint8, on the CPU; not to be read before the event
    event: torch.cuda.Event | None  # None: they are there

    def is_here(self) -> bool:
        return self.event is None or self.event.query()

    def wait(self) -> Tensor:
        """The labels, in ordinary memory."""
        if self.event is None:
            return self.labels
        self.event.synchronize()
        # page-locked memory is dear, and the caller may keep every mask of a video
        return self.labels.clone()


class Transfers:
    """Copies at once; for a CPU, and for devices whose copies cannot overlap."""

    most_waiting = 0  # labels that may be on their way while the next frame is begun

    def __init__(self, device: torch.device):
        self._device = device

    def upload(self, tensor: Tensor) -> Tensor:
        """A tensor of the CPU, of any shape and type, on the device."""
        return tensor.to(self._device)

    def download(self, labels: Tensor) -> Arriving:
        """Labels (H, W) of any integer type, as uint8."""
        return Arriving(labels.to(torch.uint8).cpu(), None)


class CudaTransfers(Transfers):
    """Copies beside the computation. Images should be page-locked, else uploads wait a little."""

    most_waiting = 3

    def __init__(self, device: torch.device):
        super().__init__(device)
        self._uploads = torch.cuda.Stream(device)

    def upload(self, tensor: Tensor) -> Tensor:
        """To be used on the current stream; frames that still compute are not waited for."""
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._uploads):
            uploaded = tensor.to(self._device, non_blocking=True)
        current.wait_stream(self._uploads)
        uploaded.record_stream(current)  # else the next upload may get its memory too early
        return uploaded

    def download(self, labels: Tensor) -> Arriving:
        arriving = torch.empty(labels.shape, dtype=torch.uint8, pin_memory=True)
        arriving.copy_(labels.to(torch.uint8), non_blocking=True)
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self._device))
        return Arriving(arriving, event)


@cache
def transfers_for(device: torch.device) -> Transfers:
    """One for all videos: memory is kept for each stream that copies."""
    return CudaTransfers(device) if device.type == "cuda" else Transfers(device)
