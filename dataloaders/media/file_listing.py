"""Files of a folder: which of them are data, and in which order a person would read them."""

import logging
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from mavos.utils.errors import UserError

log = logging.getLogger(__name__)

# what file managers, network drives and archives leave among data, in lower case
_SYSTEM_NAMES = frozenset(
    {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found"}
    | {"system volume information"}
)
_NUMBER = re.compile(r"((?<![\d.])\d+\.\d+(?![\d.])|\d+)")
_WHOLE_NUMBER = re.compile(r"(\d+)")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is no data: hidden, or left by a system."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def is_hidden_below(path: Path, folder: Path) -> bool:
    """Whether ``path`` is hidden, or lies in a hidden folder inside of ``folder``."""
    return any(is_hidden(part) for part in path.relative_to(folder).parts)


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Paths by folder, then by the stem of their names, in which numbers count as numbers.

    "2" comes before "10". Time stamps such as 0.04, 0.2, 0.24 are numbers too: what is behind
    their point is a fraction, unless the names count on behind it (1.8, 1.9, 1.10).
    """
    paths = list(paths)
    folder_key = cache(natural_key)  # mostly there is one folder
    number = _NUMBER if _holds_fractions([path.stem for path in paths]) else _WHOLE_NUMBER

    def key(path: Path) -> tuple:
        return folder_key(str(path.parent)), _parts(path.stem, number), path.name

    return sorted(paths, key=key)


def natural_key(name: str) -> tuple[list, str]:
    """Sort key of one name in which whole numbers count as numbers; case is the last to matter."""
    return _parts(name, _WHOLE_NUMBER), name


def _parts(name: str, number: re.Pattern) -> list[str | tuple[int, str]]:
    # the split alternates text and numbers, so only text meets text and number meets number
    parts = number.split(name.casefold())
    return [_value(part) if odd % 2 else part for odd, part in enumerate(parts)]


def _value(digits: str) -> tuple[int, str]:
    whole, _, fraction = digits.partition(".")
    return int(whole), fraction  # digits of a fraction compare as texts do


def _holds_fractions(stems: list[str]) -> bool:
    """Whether numbers with a point are fractions; else two whole numbers (shot 1, frame 10)."""
    numbers = (part for stem in stems for part in _NUMBER.split(stem)[1::2])
    tails = {part.partition(".")[2] for part in numbers} - {""}
    if len({len(tail) for tail in tails}) < 2:
        return False  # all of one length: both readings give one order
    if any(tail.startswith("0") and len(tail) > 1 for tail in tails):
        return True  # who counts on writes no zero before some numbers only
    return not any(tail.endswith("0") and len(tail) > 1 for tail in tails)  # 1.10, but not 0.10


def files_by_stem(
    folder: Path, suffixes: Collection[str], without: Collection[Path] = ()
) -> dict[str, Path]:
    """Stem -> file, in natural order, of the files with one of the lower-case ``suffixes``.

    Hidden files and those of systems (``.DS_Store``, ``Thumbs.db``), folders and pipes are left
    out, and so are the files ``without``. Raises UserError if the folder does not exist or two
    files share one stem.
    """
    files = data_files(folder, without)
    return in_order_by_stem(path for path in files if path.suffix.lower() in suffixes)


def in_order_by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Stem -> file, in natural order; UserError if two files share one stem."""
    found: dict[str, Path] = {}
    for path in natural_order(paths):
        if path.stem in found:
            raise UserError(
                f"{path} and {found[path.stem].name}: two files for one frame name "
                f"'{path.stem}'. Remove one of them"
            )
        found[path.stem] = path
    return found


def data_files(folder: Path, without: Collection[Path] = ()) -> list[Path]:
    """The files of a folder, in no order, that are data whatever they hold; see above."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; check the path")
    left_out = {os.path.abspath(path) for path in without}
    base = os.path.abspath(folder)
    # one pass over the entries: 100,000 names must not take 100,000 questions to the disk
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            # a link to nowhere is a file that is missing, which whoever reads it reports
            if not is_hidden(entry.name) and (entry.is_file() or _is_broken_link(entry))
        ]
    return [folder / name for name in names if os.path.join(base, name) not in left_out]


def _is_broken_link(entry: os.DirEntry) -> bool:
    return entry.is_symlink() and not os.path.exists(entry.path)


def frames_among(folder: Path, paths: list[Path], suffixes: Collection[str]) -> list[Path]:
    """Those of the files of a folder that are its frames; what is left out beside is reported.

    Left out are other suffixes than ``suffixes``, and files named as masks (mask.png) where the
    others are not.
    """
    frames = [path for path in paths if path.suffix.lower() in suffixes]
    if not frames:
        return []
    others = Counter(path.suffix.lower() or path.name for path in paths) - Counter(
        path.suffix.lower() for path in frames
    )
    if others:
        counts = ", ".join(f"{number} {suffix}" for suffix, number in sorted(others.items()))
        log.warning(
            "%s: %d frames are read; left out, because no picture is expected in them: %s",
            folder,
            len(frames),
            counts,
        )
    masks = [path for path in frames if _is_named_mask(path.stem)]
    if masks and len(masks) < len(frames):
        log.warning(
            "%s: taken for %s, not for %s: %s",
            folder,
            "a mask" if len(masks) == 1 else "masks",
            "a frame" if len(masks) == 1 else "frames",
            ", ".join(path.name for path in natural_order(masks)[:3])
            + (" and more" if len(masks) > 3 else ""),
        )
        frames = [path for path in frames if not _is_named_mask(path.stem)]
    return frames


def _is_named_mask(stem: str) -> bool:
    """Whether "mask" stands in a name as a word: mask, first_mask, 00000-mask."""
    return re.search(r"(?<![a-z])masks?(?![a-z])", stem.casefold()) is not None
