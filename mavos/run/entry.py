"""One way to start a command and one way to end it, whatever happens.

Loads nothing but the standard library until the command does.
"""

import importlib
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from mavos.run.commands import COMMANDS, Command
from mavos.run.signals import INTERRUPTED, TERMINATED, Terminated
from mavos.utils import ranks
from mavos.utils.errors import ReportedElsewhere, UserError
from mavos.utils.paths import CHECKOUT, IS_CHECKOUT

log = logging.getLogger(__name__)

USER_ERROR = 2


def run(name: str, argv: list[str] | None = None) -> None:
    """Run the command ``name`` of ``COMMANDS`` and end the process.

    argv: its arguments; None takes those of the process. See ``finish`` for the exit status; a
    package that is not installed is one line and status 2.
    """
    _note_another_checkout()
    finish(partial(perform, name), sys.argv[1:] if argv is None else argv)


def perform(name: str, argv: list[str]) -> int:
    """Do what the command ``name`` does; returns its exit status."""
    command = COMMANDS[name]
    if command.options:  # --help and mistakes end here, without the seconds that PyTorch takes
        _load(command.options, command).parse(argv)
    return _load(command.module, command).main(argv)


def _load(module: str, command: Command) -> ModuleType:
    """A module of a command; ends the process with one line if a package is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "mavos":
            raise
        extra = f"[{command.extra}]" if command.extra else ""
        what = f"-e '{CHECKOUT}{extra}'" if IS_CHECKOUT else f"'mavos{extra}'"
        print(f"no module {error.name!r}: run `pip install {what}` once", file=sys.stderr)
        sys.exit(USER_ERROR)


def finish(main: Callable[[list[str]], int], argv: list[str]) -> None:
    """Call ``main(argv) -> exit status`` and end the process.

    A UserError is one line and status 2, Ctrl-C is 130, SIGTERM 143; anything else is our bug and
    keeps its traceback.
    """
    status = _status(main, argv)
    if ranks.is_launched():
        # Threads of the process group may still run and would turn the exit into an abort.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _note_another_checkout() -> None:
    """A script imports what is installed, which may be another copy than the one it lies in."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    here = CHECKOUT / "tools"
    if script and Path(script).parent.name == "tools" and Path(script).resolve().parent != here:
        print(f"note: this runs the code that is installed, in {CHECKOUT}", file=sys.stderr)


def _status(main: Callable[[list[str]], int], argv: list[str]) -> int:
    try:
        return main(argv)
    except ReportedElsewhere:
        return USER_ERROR
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        _note_in_log_file(str(error))
        return USER_ERROR
    except KeyboardInterrupt as request:
        if ranks.rank() == 0:
            print("interrupted; finished work is kept, the same command resumes", file=sys.stderr)
        return TERMINATED if isinstance(request, Terminated) else INTERRUPTED


def _note_in_log_file(message: str) -> None:
    """Write an error to the log files that are open; the terminal has it already."""
    record = logging.LogRecord("", logging.ERROR, "", 0, message, None, None)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)
