"""Long work of a session, in a thread of its own: one job at a time, which can be stopped."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus

from mavos.utils.errors import UserError
from mavos.webapp.refusals import Refused

log = logging.getLogger(__name__)

_RECENT_FRAMES = 30  # that the speed is measured over


class Job:
    """What is done, how far it is, and how it ended."""

    def __init__(self, number: int, kind: str, total: int) -> None:
        self.number = number  # differs for the jobs of a session
        self.kind = kind  # decode, track, or the name of the file that is made
        self.done, self.total = 0, total  # frames; total 0: nobody knows yet
        self.frame: int | None = None  # the newest one
        self.error: str | None = None
        self.stopping = threading.Event()
        self.ended = threading.Event()
        self._ticks: deque[float] = deque([time.perf_counter()], maxlen=_RECENT_FRAMES)

    def tick(self, frame: int) -> None:
        """Note that a frame is finished."""
        self.done += 1
        self.frame = frame
        self._ticks.append(time.perf_counter())

    @property
    def running(self) -> bool:
        return not self.ended.is_set()

    @property
    def frames_per_second(self) -> float:
        seconds = self._ticks[-1] - self._ticks[0]
        return (len(self._ticks) - 1) / seconds if seconds else 0.0


class Worker:
    """The thread of one session."""

    def __init__(self) -> None:
        self.job: Job | None = None  # the running one, or the last
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="webapp-session")
        self._starting = threading.Lock()
        self._closed = False

    @property
    def busy(self) -> bool:
        return self.job is not None and self.job.running

    def start(self, kind: str, total: int, work: Callable[[Job], None]) -> None:
        """Begin ``work(job)``, which looks at ``job.stopping``; Refused while another one runs."""
        with self._starting:
            if self.busy or self._closed:
                raise Refused("busy with something else: wait or pause first", HTTPStatus.CONFLICT)
            number = self.job.number + 1 if self.job else 1
            job = self.job = Job(number, kind, total)
            future = self._pool.submit(work, job)
        future.add_done_callback(lambda future: _note_end(job, future))

    def stop(self) -> None:
        """Ask the running job to stop and wait until it has; nothing to do if none runs."""
        job = self.job
        if job is not None:
            job.stopping.set()
            job.ended.wait()

    def close(self) -> None:
        """Stop what runs; nothing can be started any more."""
        with self._starting:
            self._closed = True
        self.stop()
        self._pool.shutdown(wait=True)


def _note_end(job: Job, future: Future[None]) -> None:
    """Whatever went wrong belongs on the page; the server keeps running."""
    error = future.exception()
    if isinstance(error, UserError):
        job.error = str(error)
    elif error is not None:
        log.error("%s failed", job.kind, exc_info=error)
        job.error = f"{type(error).__name__}: {error} (the server's terminal says more)"
    job.ended.set()
