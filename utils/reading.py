"""The one door for files that others wrote: whatever a parser raises becomes a UserError."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mavos.utils.errors import UserError

_LONGEST = 200  # characters of a parser's own words


@contextmanager
def reading(path: Path | str, what: str, remedy: str) -> Iterator[None]:
    """Around a parser that gets untrusted bytes of ``path``, which should be ``what``.

    What a parser raises is not listed anywhere: damaged bytes have made each of them raise what its
    documentation does not name. So every Exception becomes a UserError with the file, the parser's
    words and the ``remedy``; only the parser's call should stand in the block. UserErrors pass.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        if len(words) > _LONGEST:
            words = f"{words[:_LONGEST]}..."
        raise UserError(f"cannot read {path} as {what}: {words}; {remedy}") from error


def parse_json(data: bytes | str, path: Path | str, remedy: str) -> Any:
    """The content of a JSON file, which may start with a byte order mark.

    Raises UserError if it is not JSON. NaN and Infinity are no JSON.
    """
    with reading(path, "JSON", remedy):
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return json.loads(text, parse_constant=_refuse_constant)


def read_json(path: Path, remedy: str) -> Any:
    """``parse_json`` of a file."""
    with reading(path, "JSON", remedy):
        data = path.read_bytes()
    return parse_json(data, path, remedy)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
