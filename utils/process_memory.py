"""Resident memory of this process, now and at most, in bytes."""

import os
import resource
import subprocess
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")  # Linux


def resident_memory_bytes() -> int:
    """What the process holds now."""
    held = _from_status("VmRSS")
    if held is None:  # macOS and others
        command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
        held = 1024 * int(subprocess.run(command, capture_output=True, check=True).stdout)
    return held


def peak_resident_memory_bytes() -> int:
    """The most that the process has held since it began."""
    # on Linux getrusage starts from the peak of the process that started this one
    peak = _from_status("VmHWM")
    if peak is None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak *= 1 if sys.platform == "darwin" else 1024
    return peak


def _from_status(field: str) -> int | None:
    """A field of Linux's account of the process, in bytes; None where there is none."""
    if not _STATUS.is_file():
        return None
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return 1024 * int(value.split()[0])
    return None
