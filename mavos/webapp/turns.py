"""Several tabs, one network: each gets its turn."""

import threading


class Turns:
    """A lock that is handed out in the order of asking.

    A plain lock would let a thread that asks again at once starve the others.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = self._serving = 0

    def __enter__(self) -> None:
        with self._changed:
            ticket, self._next = self._next, self._next + 1
            self._changed.wait_for(lambda: self._serving == ticket)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._serving += 1
            self._changed.notify_all()
