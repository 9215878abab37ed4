"""Ctrl-C, SIGTERM and SIGHUP as a request that a loop follows where nothing is lost."""

import logging
import signal
from collections.abc import Callable
from typing import Any

from mavos.run.signals import INTERRUPTED
from mavos.utils import ranks
from mavos.utils.launch import RepeatedWish
from mavos.utils.signals import STOP_SIGNALS

log = logging.getLogger(__name__)


class StopRequest:
    """Turns the first such signal into a request that the loop follows after its step.

    One that comes 3 s or more later raises KeyboardInterrupt. promise: what will be done, for the
    message. wake: called in the signal handler, to end a wait that may be long.
    """

    def __init__(self, promise: str, wake: Callable[[], None] = lambda: None) -> None:
        self.requested, self.status = False, INTERRUPTED
        self._promise, self._wake = promise, wake
        self._wish = RepeatedWish()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in STOP_SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: Any) -> None:
        if self._wish.again():
            raise KeyboardInterrupt
        if not self.requested and ranks.rank() == 0:
            log.warning("asked to stop: %s; ask again to leave at once", self._promise)
        self.requested, self.status = True, 128 + number
        self._wake()
