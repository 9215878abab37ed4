"""Several processes for one run: started by torchrun, by ``mavos.utils.launch``, or not at all.

Ranks and sizes are read from the environment that both leave behind. A process that was started
alone is rank 0 of 1 and may call everything here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from mavos.utils.errors import ReportedElsewhere, UserError
from mavos.utils.launch import FOLLOWS_STDIN, follow_launcher
from mavos.utils.ranks import is_launched, rank, world_size

_PATIENCE = timedelta(days=7)  # one rank may wait hours for the last video of another
_store: dist.Store | None = None  # of the process group; PyTorch gives its own to nobody


def init_distributed(device: torch.device) -> None:
    """Join the process group; does nothing in a process that was started alone.

    device: the one this process uses. For a GPU, which must be the current one, NCCL is added for
    tensors on it; all else goes over Gloo.
    """
    if not is_launched():
        return
    backend = "gloo"
    if device.type == "cuda":
        # barriers and objects over Gloo: a rank that waits leaves its GPU idle
        backend = "cpu:gloo,cuda:nccl"
    global _store
    if FOLLOWS_STDIN in os.environ:
        follow_launcher()
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        _store = dist.TCPStore(address, port, timeout=_PATIENCE, wait_for_workers=False)
    else:  # torchrun's
        _store, _, _ = next(iter(dist.rendezvous("env://", timeout=_PATIENCE)))
    dist.init_process_group(
        backend, store=_store, rank=rank(), world_size=world_size(), timeout=_PATIENCE
    )


def seed_rank(seed: int) -> None:
    """Give each process other random numbers (for dropout)."""
    torch.manual_seed(seed + rank())


def leave() -> None:
    """Leave the process group, if this process is in one."""
    global _store
    if dist.is_initialized():
        dist.destroy_process_group()
        _store = None


def barrier() -> None:
    """Wait until every process of the run has come here."""
    if world_size() > 1:
        dist.all_reduce(torch.zeros(1, device="cpu"))


@contextmanager
def together() -> Iterator[None]:
    """A block that all processes leave alike: a UserError in one of them ends it for all.

    It is raised by the process of lowest rank that has one; the others raise ReportedElsewhere,
    so that none waits for a process that is gone and the message is printed once.
    """
    error = None
    try:
        yield
    except UserError as raised:
        error = raised
    errors = [error]
    if world_size() > 1:
        errors = [None] * world_size()
        dist.all_gather_object(errors, error)
    teller = next((i for i, e in enumerate(errors) if e is not None), None)
    if teller is not None:
        raise error if teller == rank() else ReportedElsewhere(str(errors[teller]))


def average(values: torch.Tensor) -> torch.Tensor:
    """The mean over all processes of a tensor on the CPU; every process gets it."""
    if world_size() > 1:
        dist.all_reduce(values)
        values /= world_size()
    return values


def agree(value: float) -> bool:
    """Whether all processes have the same ``value``."""
    mean = average(torch.tensor(float(value), dtype=torch.float64)).item()
    differs = average(torch.tensor(float(mean != value), dtype=torch.float64)).item()
    return differs == 0


def gather_objects(obj: Any) -> list[Any] | None:
    """The objects of all processes in order of rank, on rank 0; None elsewhere."""
    if world_size() == 1:
        return [obj]
    gathered = [None] * world_size() if rank() == 0 else None
    dist.gather_object(obj, gathered, dst=0)
    return gathered


class Counter:
    """A sum that all processes of the run add to; same name, same sum."""

    def __init__(self, name: str) -> None:
        self._name = f"counter/{name}"
        self._own = 0  # the sum, in a process that is alone

    def add(self, amount: int) -> int:
        """The sum after adding ``amount``."""
        if world_size() == 1:
            self._own += amount
            return self._own
        return _store.add(self._name, amount)


class WorkQueue:
    """Hands out 0 ... count - 1 so that every index goes to exactly one process.

    A process takes the next index when it asks for it, so nobody waits for a long video. A name
    stands for one pass: every queue of a run needs its own, the same in all processes.
    """

    def __init__(self, name: str, count: int) -> None:
        self._taken = Counter(f"work_queue/{name}")
        self._count = count

    def __iter__(self) -> Iterator[int]:
        while (index := self._taken.add(1) - 1) < self._count:
            yield index
