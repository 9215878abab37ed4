"""Ctrl-C and SIGTERM: how a process that is asked to stop ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


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
