"""Names that come from a file and become names of files."""

import os
import unicodedata

from mavos.utils.errors import UserError

# Bytes; file systems hold 255, and a result gets a suffix and, while written, a temporary name.
LONGEST = 220


def check_name(name: object, source: str) -> str:
    """``name``, which is one part of a path and no more: it cannot lead out of a folder.

    source: the file and place it stands at. Raises UserError for anything else, e.g. "..", an
    absolute path, a drive letter, a control character or a name that no file system holds.
    """
    fault = _fault(name)
    if fault:
        shown = repr(name)
        shown = shown if len(shown) <= 80 else f"{shown[:80]}..."
        raise UserError(
            f"{source}: {shown} {fault}; expected the plain name of a folder or file. Correct it"
        )
    return str(name)


def _fault(name: object) -> str:
    if not isinstance(name, str):
        return "is no text"
    if name in ("", ".", "..") or "/" in name or "\\" in name or name[1:2] == ":":
        return "is no name but a path"
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        return "holds a control character"
    try:
        length = len(os.fsencode(name))
    except UnicodeEncodeError:
        return "holds characters that no file name can have"
    if length > LONGEST:
        return f"is too long, {length} bytes of at most {LONGEST}"
    return ""
