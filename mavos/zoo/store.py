"""Downloaded weights on disk: whole, checked, with their SHA-256 beside them."""

import hashlib
import importlib
import logging
import os
import shutil
from pathlib import Path

from mavos.run.progress import ticking
from mavos.utils.errors import UserError
from mavos.utils.files import atomic_path, cannot_write
from mavos.zoo.entries import ZOO, Entry
from mavos.zoo.fetch import NotFetched, fetch_drive, fetch_url

log = logging.getLogger(__name__)

WEB_PAGE = (b"<!doctype html", b"<html")


def obtain(entry: Entry, folder: Path, overwrite: bool = False) -> str:
    """See that the weights are in ``folder``; return their SHA-256.

    A file that is there is only checked. A new one is ``<file>.unchecked`` first, and appears under
    its own name when it is whole and loads. Raises UserError; NotFetched if it did not arrive.
    """
    path = folder / entry.file
    if path.is_file() and not overwrite:
        return _recheck(entry, path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    if overwrite:
        for old in leftovers(entry, folder):
            old.unlink()
    unchecked = path.with_name(f"{path.name}.unchecked")
    if not unchecked.is_file():
        _fetch(entry, folder, unchecked, may_copy=not overwrite)
    try:
        digest = _check(entry, unchecked)
    except NotFetched:
        unchecked.unlink()
        raise
    except UserError as error:
        raise UserError(f"{error}; --overwrite downloads it again") from error
    _note(path).unlink(missing_ok=True)  # first, so that no file stands beside another's hash
    os.replace(unchecked, path)
    _write_note(path, digest)
    shutil.copymode(_note(path), path)  # gdown makes files that only their owner may read
    log.info("%s: %s, %s", entry.name, size_text(path.stat().st_size), path)
    return digest


def leftovers(entry: Entry, folder: Path) -> list[Path]:
    """What unfinished downloads of the entry have left."""
    return sorted(folder.glob(f"{entry.file}.unchecked*"))


def size_text(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _fetch(entry: Entry, folder: Path, target: Path, may_copy: bool) -> None:
    """Download, or copy the same file that another entry has brought."""
    same = [e for e in ZOO.values() if e.link == entry.link and e.name != entry.name]
    for path in (folder / other.file for other in same if may_copy):
        if path.is_file():
            log.info("%s is the same file as %s: copied", entry.name, path.stem)
            with atomic_path(target) as partial:
                shutil.copyfile(path, partial)
            return
    with ticking(entry.name, unit="B", unit_scale=True) as tick:
        if entry.drive_id:
            fetch_drive(entry.drive_id, target, tick)
        else:
            fetch_url(entry.link, target, tick)


def _recheck(entry: Entry, path: Path) -> str:
    """The SHA-256 of a file that is there. Raises UserError if it is no longer the same."""
    note = _note(path)
    if not note.is_file():  # saved by hand, or a kill came in between
        try:
            digest = _check(entry, path)
        except UserError as error:
            what = error.problem if isinstance(error, NotFetched) else error
            raise UserError(f"{what}; --overwrite downloads it again") from error
        _write_note(path, digest)
        log.info("%s was there, and loads", path)
        return digest
    digest, noted = sha256(path), note.read_text(encoding="utf-8").partition(" ")[0].strip()
    if digest != noted:
        raise UserError(
            f"{path} has changed: its SHA-256 was {noted}, by {note.name}, and is {digest}; "
            "--overwrite downloads it again"
        )
    log.info("%s was there, unchanged", path)
    return digest


def _check(entry: Entry, path: Path) -> str:
    """The SHA-256 of a file that fits its model.

    Raises NotFetched for a web page or the wrong hash, UserError for other weights.
    """
    with open(path, "rb") as file:
        if file.read(256).lstrip().lower().startswith(WEB_PAGE):
            raise NotFetched(
                f"{entry.file} is a web page, not weights", "it is removed; try again later"
            )
    digest = sha256(path)
    if not digest.startswith(entry.hash_prefix):
        raise NotFetched(
            f"{entry.file} is damaged: its SHA-256, {digest}, must begin with {entry.hash_prefix}",
            "it is removed; give the same command again",
        )
    # only now is PyTorch loaded: the list of names, and a file checked before, need none
    importlib.import_module("mavos.zoo.fitting").check_fits(entry, path)
    return digest


def sha256(path: Path) -> str:
    """The hash of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _write_note(path: Path, digest: str) -> None:
    with atomic_path(_note(path)) as partial:
        partial.write_text(f"{digest}  {path.name}\n", encoding="utf-8")
