"""Files that are written whole or not at all."""

import errno
import json
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mavos.utils.errors import OutputError

REMEDIES = {  # errors of writing that the user can mend
    errno.ENOSPC: "free some space or choose a folder on another disk",
    errno.EDQUOT: "free some space or choose a folder on another disk",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends well.

    The folder is made if it is missing. On any failure the temporary file is removed and whatever
    was at ``path`` stays. An OSError that concerns the file written becomes an OutputError with the
    remedy; one that names another file passes, and so does every other exception. This guards
    against a full disk and against the death of the process, not of the machine.
    """
    partial = _partial_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        named = error.filename  # None for a failed write, which knows no name
        if named is not None and Path(str(named)) not in (partial, path, *path.parents):
            raise
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The error of a file or folder that cannot be written, with the remedy."""
    remedy = REMEDIES.get(error.errno, "check the path")
    return OutputError(f"cannot write {path}: {error.strerror or error}; {remedy}")


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, whole or not at all. Raises OutputError if it cannot.

    NaN and infinity, which JSON does not know, become null.
    """
    text = json.dumps(_as_json(content), indent=2, allow_nan=False) + "\n"
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _partial_path(path: Path) -> Path:
    # Hidden, so that no reader takes it for a result; the thread's number keeps two writers of
    # one file apart.
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
