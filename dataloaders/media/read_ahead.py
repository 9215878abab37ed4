"""Items made ahead of their use, in one background thread, a bounded number of them."""

import threading
import weakref
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_UP = 0.2  # seconds between two looks whether a wait has been called off
_PATIENCE = 2.0  # seconds to wait for a thread that hangs in a device or a network


class ReadAhead(Generic[T]):
    """Iterates over ``items``, which a thread takes from their generator as far as ``ahead``.

    keep_newest: where items come faster than they are used, the oldest go and are counted in
    ``dropped``; otherwise the thread waits. What the generator raises comes up after the items
    before it. ``close`` ends the thread; so does the end of the items, or of the last reference.
    """

    def __init__(self, items: Generator[T], ahead: int, keep_newest: bool = False) -> None:
        self._queue: _Queue[T] = _Queue(ahead, keep_newest)
        # of the queue, not of self: the thread must not keep alive what ends it
        self._thread = threading.Thread(target=_fill, args=(self._queue, items), daemon=True)
        self._ended = weakref.finalize(self, _end, self._queue, self._thread)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self._queue.dropped

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return self._queue.take()

    def stop(self) -> None:
        """Nothing more is given out, nor waited for; a signal handler may call it."""
        self._queue.stop()

    def close(self) -> None:
        self._ended()


class _Queue(Generic[T]):
    """What the thread and its user share."""

    def __init__(self, limit: int, keep_newest: bool) -> None:
        self.dropped = 0
        self._limit, self._keep_newest = limit, keep_newest
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._full_stop = False  # nothing more is made
        self._closed = False  # nothing more is wanted
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Add an item, or wait until there is room; False if nothing more is wanted."""
        with self._changed:
            if self._keep_newest and len(self._items) >= self._limit:
                self._items.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: len(self._items) < self._limit or self._closed)
            self._items.append(item)
            self._changed.notify_all()
            return not self._closed

    def take(self) -> T:
        with self._changed:
            while not (self._items or self._full_stop or self._closed):
                self._changed.wait(_LOOK_UP)
            if self._closed or not self._items:
                error, self._error = self._error, None
                raise StopIteration if error is None else error
            self._changed.notify_all()
            return self._items.popleft()

    def end(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        """No more items; ``error``, if any, is raised where they are used, not in the thread."""
        with self._changed:
            self._error, self._full_stop = error, True
            self._changed.notify_all()
        return True

    def stop(self) -> None:
        # no lock: a signal handler interrupts whoever holds it
        self._closed = True

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


def _fill(queue: _Queue[T], items: Generator[T]) -> None:
    with ExitStack() as stack:
        stack.push(queue.end)
        stack.enter_context(closing(items))
        for item in items:
            if not queue.put(item):
                return


def _end(queue: _Queue, thread: threading.Thread) -> None:
    queue.close()
    if thread is not threading.current_thread():  # which may be the one that collects garbage
        thread.join(_PATIENCE)
