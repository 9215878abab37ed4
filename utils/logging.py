"""One set-up of logging for every tool; modules only say ``logging.getLogger(__name__)``."""

import logging
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tqdm import tqdm

from mavos.utils.errors import OutputError
from mavos.utils.paths import CHECKOUT, IS_CHECKOUT


class _BesideBars:
    """A stream to stderr that leaves tqdm's progress bars whole."""

    def write(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr, end="")

    def flush(self) -> None:
        sys.stderr.flush()


class _OurStreamHandler(logging.StreamHandler):
    pass


class _OurFileHandler(logging.FileHandler):
    pass


def setup_logging(rank: int = 0, log_file: Path | None = None) -> None:
    """Send log lines to stderr and, if given, to the end of ``log_file``.

    Rank 0 speaks from INFO on, the others from WARNING on. A second call replaces the first;
    handlers of other owners stay. Raises OutputError if the file cannot be opened.
    """
    root = logging.getLogger()
    handlers: list[logging.Handler] = [_OurStreamHandler(_BesideBars())]
    if log_file is not None:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(_OurFileHandler(log_file, encoding="utf-8"))
        except OSError as error:
            raise OutputError(
                f"cannot write the log {log_file}: {error.strerror}; choose another folder"
            ) from error
    for old in root.handlers[:]:
        if isinstance(old, _OurStreamHandler | _OurFileHandler):
            root.removeHandler(old)
            old.close()
    who = f" [rank {rank}]" if rank else ""
    formatter = logging.Formatter(f"%(asctime)s %(levelname)s{who} %(message)s", "%H:%M:%S")
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(logging.INFO if rank == 0 else logging.WARNING)


def run_header(device: str | None = None) -> str:
    """What runs, in one line: commit, Python, torch, torchvision and, if given, the device."""
    parts = [
        f"MAVOS {_commit()}",
        f"python {platform.python_version()}",
        f"torch {_version('torch')}",
        f"torchvision {_version('torchvision')}",
    ]
    if device:
        parts.append(device)
    return ", ".join(parts)


def _commit() -> str:
    if not IS_CHECKOUT:
        return _version("mavos")
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--tags"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):  # not installed, or a slow file system
        return "no git"
    return done.stdout.strip() if done.returncode == 0 else "no git"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # built from source, without metadata
        return "unknown"
