"""What the command-line tools share: one way to end, whatever happens."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from utils import distributed
from utils.errors import ToldElsewhere, UserError
from utils.logging import note_in_log_file

log = logging.getLogger(__name__)

USER_ERROR, INTERRUPTED, TERMINATED = 2, 128 + signal.SIGINT, 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM, in a block of ``sigterm_as_ctrl_c``."""


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """A block that SIGTERM leaves as Ctrl-C does, so that processes started in it are ended."""

    def leave(_number: int, _frame: Any) -> None:
        raise Terminated

    before = signal.getsignal(signal.SIGTERM)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(main: Callable[[list[str]], int], argv: list[str] | None = None) -> None:
    """Run a tool's ``main(argv) -> exit status`` and end the process.

    A UserError is one line and status 2, Ctrl-C is 130, Terminated 143; anything else is our bug
    and keeps its traceback.
    """
    _tell_of_another_checkout()
    status = _status(main, sys.argv[1:] if argv is None else argv)
    if distributed.is_launched():
        # Threads of the process group may still run and would turn the exit into an abort.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _tell_of_another_checkout() -> None:
    """A script imports what is installed, which may be another copy than the one it lies in."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    here = Path(__file__).resolve().parent
    if script and Path(script).parent.name == "tools" and Path(script).resolve().parent != here:
        print(f"note: this runs the code that is installed, in {here}", file=sys.stderr)


def _status(main: Callable[[list[str]], int], argv: list[str]) -> int:
    try:
        return main(argv)
    except ToldElsewhere:
        return USER_ERROR
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        note_in_log_file(str(error))
        return USER_ERROR
    except KeyboardInterrupt as wish:
        if distributed.rank() == 0:
            print("interrupted; finished work is kept, the same command goes on", file=sys.stderr)
        return TERMINATED if isinstance(wish, Terminated) else INTERRUPTED
