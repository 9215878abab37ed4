"""How many processor cores a process may use."""

import os


def cores() -> int:
    """Cores that this process may use, shared with the others of the run on this machine."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux; knows of containers and taskset
    there = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, there // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
