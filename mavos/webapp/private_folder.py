"""The folder of what the page was given: nobody else reads it, and it goes when the server ends."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

log = logging.getLogger(__name__)

_PREFIX = "mavos-app-"
_LOCK = "lock"  # held while the server lives
_LOCKED = "locked"  # made when the lock is held: from here on others may look at it


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder of mode 0700; it is deleted when the block ends.

    What a killed server left behind is deleted first; a living one holds a lock on its own.
    """
    _remove_left_behind()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with FileLock(folder / _LOCK, timeout=0):
            (folder / _LOCKED).touch()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_behind() -> None:
    for folder in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        try:
            if not _is_ours(folder) or not (folder / _LOCKED).is_file():
                continue
            with FileLock(folder / _LOCK, timeout=0):
                pass
        except OSError:  # in use, or gone meanwhile
            continue
        shutil.rmtree(folder, ignore_errors=True)
        log.info("deleted %s, which a server that was killed had left", folder)


def _is_ours(folder: Path) -> bool:
    # Windows has a temporary folder for each user, and no such ids
    return not folder.is_symlink() and (os.name == "nt" or folder.stat().st_uid == os.getuid())
