"""The exceptions that mean "the user can mend this"."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in input, options or files: its message names the file or option, what was expected
    and what to do. ``main`` prints it without a traceback and exits with status 2."""


class ReportedElsewhere(UserError):
    """A UserError of another process of the run, which reports it; this one only ends."""


class OutputError(UserError):
    """Results cannot be written: a full disk, no permission. Going on is of no use."""


def unknown_name(what: str, got: str, known: Iterable[str], choices: str = "") -> UserError:
    """The error for a name that is not among ``known``, with the nearest ones.

    choices: what to say instead of listing all that are known.
    """
    known = list(known)
    near = difflib.get_close_matches(got.lower(), known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    choices = choices or f"choose from {', '.join(known)}"
    return UserError(f"unknown {what} {got!r}; {hint}{choices}")
