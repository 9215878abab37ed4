"""One command, several processes: what torchrun does on one machine, with true exit codes.

torchrun ends with 1 whatever its workers said; a caller wants 2 for a user's mistake and 130 for
Ctrl-C.
"""

import importlib.util
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import torch
import torch.distributed as dist

from mavos.utils.errors import UserError
from mavos.utils.paths import IMPORTED_FROM

LAUNCHER_PID = "MAVOS_LAUNCHER_PID"  # environment variable of the workers

_GRACE_SECONDS = 20.0  # to finish pending masks and remove temporary files


def launch(
    count: int, module: str, argv: list[str], address: tuple[str, int] = ("127.0.0.1", 0)
) -> int:
    """Run ``module`` in ``count`` processes of this machine; returns the status to exit with.

    That is 0 or the status of the process that failed first, 128 + n if signal n ended it. When one
    fails the others are interrupted as by Ctrl-C and killed 20 seconds later. SIGINT and SIGTERM
    are passed on; one that comes 3 s or more after
    the first kills. address: host and port of the store that the workers meet at,
    port 0 for a free one. To be called from the main thread; the workers keep the
    current folder and find the project's modules from anywhere.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"no module {module!r} to launch")
    # by path: with -m, packages of the same names in the current folder would hide ours
    command = [sys.executable, spec.origin, *argv]
    # The store lives here, on a port of the system's choice: nobody can take it in between.
    host, port = address
    try:
        # TCPStore would try for minutes to reach itself at an address that is not ours
        socket.create_server((host, port)).close()
        store = dist.TCPStore(host, port, is_master=True, wait_for_workers=False)
    except (OSError, OverflowError, RuntimeError) as error:
        raise UserError(
            f"cannot listen on {host}:{port} (--dist_url): {str(error).splitlines()[0]}; name this "
            "machine and a free port, or leave it out"
        ) from error
    workers: list[subprocess.Popen] = []
    received: list[int] = []
    asked = RepeatedWish()

    def pass_on(number: int, _frame: Any) -> None:
        received.append(number)
        _send(workers, signal.SIGKILL if asked.again() else number)

    # what is ignored here, as under nohup, stays ignored
    heard = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) != signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        for rank in range(count):
            env = _worker_env(rank, count, host, store.port)
            # in a session of its own, or Ctrl-C in a terminal would reach it twice
            workers.append(subprocess.Popen(command, env=env, start_new_session=True))
        return _join(workers, received)
    finally:
        _send(workers, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)


class RepeatedWish:
    """Tells a second Ctrl-C or SIGTERM from an echo of the first.

    Schedulers signal every process of a job: a worker hears them itself and through the launcher.
    """

    ECHO_SECONDS = 3.0

    def __init__(self) -> None:
        self._first: float | None = None

    def again(self) -> bool:
        """To be called for each signal: whether somebody insists."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
        return now - self._first > self.ECHO_SECONDS


def follow_launcher() -> None:
    """In a worker: leave when the launcher is gone, which may die without a word (SIGKILL)."""
    launcher = int(os.environ[LAUNCHER_PID])

    def follow() -> None:
        while os.getppid() == launcher:
            time.sleep(1.0)
        # not interrupt_main(), which does not wake a thread that sleeps
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(_GRACE_SECONDS)
        os._exit(1)  # the main thread is stuck

    threading.Thread(target=follow, name="follow-launcher", daemon=True).start()


def _worker_env(rank: int, count: int, host: str, port: int) -> dict[str, str]:
    env = dict(os.environ)
    env.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // count)))
    return env | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(IMPORTED_FROM), env.get("PYTHONPATH")])),
        "MASTER_ADDR": host,
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        LAUNCHER_PID: str(os.getpid()),
    }


def _join(workers: list[subprocess.Popen], received: list[int]) -> int:
    """Wait for all; 0 or the status of the first to fail. received: signals passed on so far."""
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    for worker in workers:  # a thread each, so that the first to fail is known to be the first
        threading.Thread(target=lambda w=worker: ended.put(w.wait()), daemon=True).start()
    killer = threading.Timer(_GRACE_SECONDS, _send, (workers, signal.SIGKILL))
    status = 0
    for _ in workers:
        code = ended.get()
        if code and not status:
            status = code if code > 0 else 128 - code
            killer.start()
            if not received:  # else they are leaving already, and must not be disturbed in it
                _send(workers, signal.SIGINT)  # unlike SIGTERM it lets them leave their blocks
    killer.cancel()
    return status


def _send(workers: list[subprocess.Popen], number: int) -> None:
    for worker in workers:
        worker.send_signal(number)  # nothing to one that has ended
