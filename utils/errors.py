"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """A mistake in input, options or files: its message names the file or option, what was expected
    and what to do. ``main`` prints it without a traceback and exits with status 2."""
