"""Processes that make clips ahead of training: errors come out whole, the dead are replaced."""

import contextlib
import logging
import multiprocessing
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.process import BaseProcess

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mavos.dataloaders.types import Clips
from mavos.utils.device import keep_freed_memory
from mavos.utils.errors import UserError

logger = logging.getLogger(__name__)

Key = tuple[int, int]  # (step, slot)

_DEATHS = 3  # of workers, one after the other without a batch between them, that end the run
_AHEAD = 2  # micro-batches that each worker has ready
_HANDLED = {signal.SIGINT, signal.SIGTERM}


class _MicroBatches(Dataset):
    """Micro-batches by the keys of their clips; a UserError is handed over as a value.

    Raised in a worker, it would come out with another message: PyTorch puts a traceback into it.
    """

    def __init__(self, clips: Dataset) -> None:
        self._clips = clips

    def __getitem__(self, keys: Sequence[Key]) -> Clips | UserError:
        try:
            batch = _concatenate([self._clips[key] for key in keys])
        except UserError as error:
            return UserError(str(error))
        return _shared(batch) if torch.utils.data.get_worker_info() else batch


def deliver(
    clips: Dataset, steps: range, shares: Sequence[range], workers: int, pin_memory: bool
) -> Iterator[list[Clips]]:
    """Yields for each step the micro-batches of ``clips[step, slot]``, one for each of ``shares``.

    workers: processes; 0 makes the clips here. They end with the iterator.
    """
    deaths = 0
    while steps:
        with _started(clips, steps, shares, workers, pin_memory) as batches:
            try:
                for _step in steps:
                    batch = [_raised(next(batches)) for _ in shares]
                    yield batch
                    steps, deaths = steps[1:], 0
            except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
                if not _is_death(error):
                    raise
                deaths += 1
                _log_death(error, steps[0], deaths)


@contextlib.contextmanager
def _started(
    clips: Dataset, steps: range, shares: Sequence[range], workers: int, pin_memory: bool
) -> Iterator[Iterator[Clips | UserError]]:
    """All micro-batches from ``steps`` on, in order; workers end with the block."""
    loader = DataLoader(
        _MicroBatches(clips),
        sampler=_Keys(steps, shares),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
        worker_init_fn=_init_worker,
        generator=torch.Generator(),  # or it would draw from the one that training uses
    )
    others = set(multiprocessing.active_children())
    with _signals_kept():
        batches = iter(loader)
    started = set(multiprocessing.active_children()) - others
    try:
        yield batches
    finally:
        _end(batches, started)


def _end(batches: Iterator, workers: Iterable[BaseProcess]) -> None:
    """End the processes that make ``batches``.

    By PyTorch's private method, since dropping the last reference is no certain way: the traceback
    of an error holds one. Where a version comes without it, they are terminated.
    """
    if hasattr(batches, "_shutdown_workers"):
        batches._shutdown_workers()
        return
    for worker in workers:
        worker.terminate()
        worker.join()


class _Keys:
    """The keys of one micro-batch after the other."""

    def __init__(self, steps: range, shares: Sequence[range]) -> None:
        self._steps, self._shares = steps, shares

    def __iter__(self) -> Iterator[list[Key]]:
        for step in self._steps:
            for slots in self._shares:
                yield [(step, slot) for slot in slots]

    def __len__(self) -> int:
        return len(self._steps) * len(self._shares)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """A block that starts workers and leaves the signal handlers of this process as they are.

    PyTorch's handler for ended children raises wherever the main thread happens to be, such as in
    a backward pass. Without it ``next`` notices a dead worker, within 5 s. Ctrl-C and SIGTERM
    wait until the workers have handlers of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    child = getattr(signal, "SIGCHLD", None)
    before = child and signal.getsignal(child)
    mask = getattr(signal, "pthread_sigmask", None)
    blocked = mask and mask(signal.SIG_BLOCK, _HANDLED)
    try:
        yield
    finally:
        if child is not None:
            signal.signal(child, before or signal.SIG_DFL)
        if mask is not None:
            mask(signal.SIG_SETMASK, blocked)


def _init_worker(worker: int) -> None:
    """Ctrl-C is for the main process, which ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    tune_process()


def tune_process() -> None:
    """One thread, and memory of large arrays is kept for the next ones. For workers only."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    keep_freed_memory()  # a third of the time of a clip


def _as_it_is(batch: Clips | UserError) -> Clips | UserError:
    return batch


def _concatenate(clips: Sequence[Clips]) -> Clips:
    def joined(tensors: Iterable[Tensor]) -> Tensor:
        return torch.cat(list(tensors))

    return Clips(
        joined(c.images for c in clips),
        joined(c.labels for c in clips),
        joined(c.num_objects for c in clips),
        joined(c.permutations for c in clips),
        tuple(source for c in clips for source in c.sources),
    )


def _shared(batch: Clips) -> Clips | UserError:
    """The batch in shared memory, where PyTorch would move it anyway; there a lack of it hangs."""
    try:
        for tensor in (batch.images, batch.labels, batch.num_objects, batch.permutations):
            tensor.share_memory_()
    except RuntimeError as error:
        return UserError(
            f"shared memory for a batch of clips cannot be had ({error}); expected "
            f"{batch.images.nbytes / 2**20:.0f} MiB more in /dev/shm. Lower train.workers or "
            "train.clips_per_device, or start the container with --ipc=host or a larger --shm-size"
        )
    return batch


def _raised(batch: Clips | UserError) -> Clips:
    if isinstance(batch, UserError):
        raise batch
    return batch


def _is_death(error: Exception) -> bool:
    """Whether PyTorch means by it that a process has gone, not that its work failed."""
    if not isinstance(error, RuntimeError):  # gone while its batch was being fetched from it
        return not str(error).startswith("Caught ")
    return str(error).startswith(("DataLoader worker (pid", "Pin memory thread exited"))


def _log_death(error: Exception, step: int, deaths: int) -> None:
    """Log that a worker died; UserError once it is too many."""
    what = str(error).splitlines()[0]
    if deaths == _DEATHS:
        raise UserError(
            f"step {step}: data workers died {deaths} times in a row ({what}). The system may be "
            "short of memory: lower train.workers, or check free memory and the size of /dev/shm"
        ) from error
    logger.warning("step %d: %s; data workers are started again", step, what)
