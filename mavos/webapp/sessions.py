"""All open pages, by their secret tokens."""

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from mavos.webapp.refusals import Refused
from mavos.webapp.session import Session

log = logging.getLogger(__name__)

_TOKEN_BYTES = 16
_SILENT = 180.0  # seconds; an open tab in the background still asks every minute


class Sessions:
    """Makes sessions, finds them, and ends those that nobody uses.

        with Sessions(folder, make_session, most=8, keep_seconds=3600) as sessions:
            token = sessions.create()

    Leaving the block closes all.
    """

    def __init__(
        self,
        folder: Path,
        make_session: Callable[[Path], Session],
        most: int,
        keep_seconds: float,
    ) -> None:
        """make_session: makes one that keeps its files in the given folder."""
        self._folder, self._make_session = folder, make_session
        self._most, self._keep_seconds = most, keep_seconds
        self._sessions: dict[bytes, Session] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._reaper = threading.Thread(target=self._reap, daemon=True, name="webapp-reaper")
        self._reaper.start()

    def create(self) -> str:
        """A new session's token; Refused where there are too many."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        if len(self) >= self._most:  # room is made of tabs that went without a goodbye
            self._close_silent(_SILENT, lambda session: not session.busy)
        with self._lock:
            if len(self._sessions) >= self._most:
                raise Refused(
                    f"{self._most} pages are open already (--max_sessions): close one of them, "
                    "then reload this one",
                    HTTPStatus.SERVICE_UNAVAILABLE,
                )
            # the folder's name says nothing about the token
            folder = self._folder / secrets.token_hex(_TOKEN_BYTES)
            self._sessions[_key(token)] = self._make_session(folder)
        return token

    def find(self, token: str) -> Session:
        """Raises Refused if there is no such session (any more)."""
        session = self._sessions.get(_key(token))
        if session is None:
            raise Refused(
                "this session has ended and its files are deleted; reload the page to start anew",
                HTTPStatus.GONE,
            )
        session.used = time.monotonic()
        return session

    def close(self, token: str) -> None:
        """End a session; nothing happens if it has ended already."""
        self._close(_key(token))

    def close_unused(self) -> None:
        """End the sessions that nobody has asked for anything for too long."""
        self._close_silent(self._keep_seconds)

    def __len__(self) -> int:
        return len(self._sessions)

    def __enter__(self) -> "Sessions":
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._reaper.join()
        for key in list(self._sessions):
            self._close(key)

    def _close_silent(
        self, seconds: float, may_go: Callable[[Session], bool] = lambda session: True
    ) -> None:
        oldest = time.monotonic() - seconds
        for key, session in list(self._sessions.items()):
            if session.used < oldest and may_go(session):
                log.info(
                    "a page has been silent for %.0f minutes: its files are deleted", seconds / 60
                )
                self._close(key)

    def _close(self, key: bytes) -> None:
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            session.close()

    def _reap(self) -> None:
        while not self._ending.wait(min(30.0, self._keep_seconds / 4)):
            self.close_unused()


def _key(token: str) -> bytes:
    """Tokens are kept hashed: how long a comparison takes reveals nothing about them."""
    return hashlib.sha256(token.encode()).digest()
