"""Which of several processes this one is, from the environment that torchrun or ``launch`` leaves.

A process that was started alone is rank 0 of 1.
"""

import os


def is_launched() -> bool:
    """Whether this process is one of several started together."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def rank() -> int:
    """Number of this process in the run, from 0."""
    return int(os.environ["RANK"]) if is_launched() else 0


def world_size() -> int:
    """Number of processes in the run."""
    return int(os.environ["WORLD_SIZE"]) if is_launched() else 1


def local_rank() -> int:
    """Number of this process on its machine, from 0: the GPU it should use."""
    return int(os.environ.get("LOCAL_RANK", "0")) if is_launched() else 0
