"""Resident memory of this process, now and at most, in bytes."""

import sys
from pathlib import Path

import psutil

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None


def resident_memory_bytes() -> int:
    """What the process holds now."""
    return psutil.Process().memory_info().rss


def peak_resident_memory_bytes() -> int:
    """The most that the process has held since it began."""
    if sys.platform == "linux":
        # there getrusage starts from the peak of the process that started this one
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    if resource is None:
        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
