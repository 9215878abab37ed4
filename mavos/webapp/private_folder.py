"""The folder of what the page was given: nobody else reads it, and it goes when the server ends."""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

_PREFIX = "mavos-app-"
_LOCK = "lock"


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder of mode 0700; it is deleted when the block ends.

    What a killed server left behind is deleted first; a living one holds a lock on its own.
    """
    _remove_left_behind()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    unnamed = folder / "unnamed"
    with unnamed.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(folder / _LOCK)  # from here on others look at it, and find it locked
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_left_behind() -> None:
    for folder in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                log.info("deleted %s, which a server that was killed had left", folder)
        except OSError:  # in use, or gone meanwhile
            continue
