"""One command, several processes: what torchrun does on one machine, with true exit codes.

``torch.distributed.launcher.api.elastic_launch`` starts processes too, but does not keep what is
kept here (read in the code of PyTorch 2.14):

- It looks at its processes ten times a second, and of all failures that one look finds it reports
  the lowest rank. A rank that ends takes others with it at once: instead of 137, of the process
  that was killed for memory, one would get the 1 of another that lost its peer.
- It ends the others by SIGTERM, which Python does not survive to tidy up, and a process that was
  passed Ctrl-C or SIGTERM is killed 30 seconds later. A training that is asked to stop finishes its
  step and writes its checkpoint, which may take longer.
- Its processes keep running when it is killed itself.
"""

import _thread
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
from mavos.utils.signals import STOP_SIGNALS

FOLLOWS_STDIN = "MAVOS_FOLLOWS_STDIN"  # environment variable of the workers

_GRACE_SECONDS = 20.0  # to finish pending masks and remove temporary files


def launch(
    count: int, module: str, argv: list[str], address: tuple[str, int] = ("127.0.0.1", 0)
) -> int:
    """Run ``module`` in ``count`` processes of this machine; returns the status to exit with.

    That is 0 or the status of the process that failed first, 128 + n if signal n ended it. When one
    fails the others are interrupted as by Ctrl-C and killed 20 seconds later. SIGINT and SIGTERM
    are passed on; one that comes 3 s or more after the first kills. address: host and port of the
    store that the workers meet at, port 0 for a free one. To be called from the main thread; the
    workers keep the current folder and find the project's modules from anywhere.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"no module {module!r} to launch")
    # by path: with -m, a package of the same name in the current folder would hide ours
    command = [sys.executable, spec.origin, *argv]
    store = _listen(*address)
    workers: list[subprocess.Popen] = []
    asked = RepeatedWish()

    def pass_on(number: int, _frame: Any) -> None:
        insists = asked.again()
        for worker in workers:
            worker.kill() if insists else _interrupt(worker, number)

    # what is ignored here, as under nohup, stays ignored
    heard = [s for s in STOP_SIGNALS if signal.getsignal(s) != signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        for rank in range(count):
            env = _worker_env(rank, count, store)
            # in a session of its own, or Ctrl-C in a terminal would reach it twice
            session = {"stdin": subprocess.PIPE, "start_new_session": True}
            workers.append(subprocess.Popen(command, env=env, **session))
        return _join(workers, asked)
    finally:
        for worker in workers:
            worker.kill()
            worker.stdin.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> dist.TCPStore:
    """The store that the workers meet at. It lives here, and a free port is the system's choice:
    nobody can take it in between."""
    try:
        # TCPStore would try for minutes to reach itself at an address that is not ours
        socket.create_server((host, port)).close()
        return dist.TCPStore(host, port, is_master=True, wait_for_workers=False)
    except (OSError, OverflowError, RuntimeError) as error:
        raise UserError(
            f"cannot listen on {host}:{port} (--dist_url): {str(error).splitlines()[0]}; name this "
            "machine and a free port, or leave it out"
        ) from error


class RepeatedWish:
    """Distinguishes a second Ctrl-C or SIGTERM from an echo of the first.

    Schedulers signal every process of a job: a worker hears them itself and through the launcher.
    """

    ECHO_SECONDS = 3.0

    def __init__(self) -> None:
        self._first: float | None = None

    def __bool__(self) -> bool:
        """Whether anybody asked at all."""
        return self._first is not None

    def again(self) -> bool:
        """To be called for each signal: whether somebody insists."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
        return now - self._first > self.ECHO_SECONDS


def follow_launcher() -> None:
    """In a worker: leave, as by Ctrl-C, when the launcher is gone or closes this standard input.

    The launcher may die without a word (SIGKILL); the system then closes its end of the pipe.
    """

    def follow() -> None:
        os.read(0, 1)  # not sys.stdin, whose lock a forked process would find taken
        _interrupt_main_thread()
        time.sleep(_GRACE_SECONDS)
        os._exit(1)  # the main thread is stuck

    threading.Thread(target=follow, name="follow-launcher", daemon=True).start()


def _interrupt_main_thread() -> None:
    """Ctrl-C, also for a main thread that sleeps."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:  # Windows; elsewhere this would not wake it
        _thread.interrupt_main()


def _interrupt(worker: subprocess.Popen, number: int = signal.SIGINT) -> None:
    """Nothing happens to one that has ended."""
    if os.name == "posix":
        worker.send_signal(number)
    else:  # no signals between processes there, see ``follow_launcher``
        worker.stdin.close()


def _worker_env(rank: int, count: int, store: dist.TCPStore) -> dict[str, str]:
    env = dict(os.environ)
    env.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // count)))
    return env | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(IMPORTED_FROM), env.get("PYTHONPATH")])),
        "MASTER_ADDR": store.host,
        "MASTER_PORT": str(store.port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        FOLLOWS_STDIN: "1",
    }


def _join(workers: list[subprocess.Popen], asked: "RepeatedWish") -> int:
    """Wait for all; 0 or the status of the first to fail. asked: whether they leave already."""
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    for worker in workers:  # a thread each, so that the first to fail is known to be the first
        threading.Thread(target=lambda w=worker: ended.put(w.wait()), daemon=True).start()
    killer = threading.Timer(_GRACE_SECONDS, lambda: [worker.kill() for worker in workers])
    killer.daemon = True
    status = 0
    for _ in workers:
        code = ended.get()
        if code and not status:
            status = code if code > 0 else 128 - code
            killer.start()
            if not asked:  # who is leaving must not be disturbed in it
                for worker in workers:
                    _interrupt(worker)  # unlike SIGTERM it lets them leave their blocks
    killer.cancel()
    return status
