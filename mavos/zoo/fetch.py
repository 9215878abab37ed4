"""Bytes from a web server or Google Drive to a file, resuming where an earlier call stopped."""

import inspect
import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from mavos.run.progress import Tick
from mavos.utils.errors import UserError
from mavos.utils.files import REMEDIES, cannot_write

DRIVE_FILE = "https://drive.google.com/uc?id={}"
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 18  # bytes
INSTALL = "pip install -e '.[download]'"


class NotFetched(UserError):
    """A file did not arrive; what has arrived of it is kept.

    problem: what happened. remedy: what to do. is_host: it holds for all files of the host.
    """

    def __init__(self, problem: str, remedy: str, is_host: bool = False):
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy, self.is_host = problem, remedy, is_host


def fetch_url(url: str, target: Path, tick: Tick) -> None:
    """Download ``url`` to ``target`` by way of ``<target>.part``, which a later call continues.

    Raises NotFetched, and OutputError if ``target`` cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    host = urlsplit(url).netloc
    with _as_not_fetched(host, part), _open(url, have) as response:
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        done = have if goes_on else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with open(part, "ab" if goes_on else "wb") as file:
            while chunk := response.read1(CHUNK):  # so that what came before a fault is kept
                file.write(chunk)
                done += len(chunk)
                tick(done, total)
    if total is not None and done != total:  # a connection that is cut reads like the end
        raise NotFetched(
            f"the connection to {host} broke off after {done} of {total} bytes",
            "give the same command again: it resumes there",
        )
    os.replace(part, target)


def fetch_drive(drive_id: str, target: Path, tick: Tick) -> None:
    """Download a file of Google Drive to ``target`` by way of ``<target>????????.part``.

    Raises NotFetched, and OutputError if ``target`` cannot be written.
    """
    try:
        import gdown
    except ModuleNotFoundError:
        raise _no_gdown() from None
    if not {"progress", "timeout"} <= set(inspect.signature(gdown.download).parameters):
        raise _no_gdown()
    url = DRIVE_FILE.format(drive_id)
    try:
        with _as_not_fetched(urlsplit(url).netloc, target):
            gdown.download(
                url=url,
                output=str(target),
                quiet=True,
                resume=True,
                progress=tick,
                timeout=TIMEOUT,
            )
    except gdown.exceptions.FileURLRetrievalError as error:
        raise _refused(str(error)) from error
    except gdown.exceptions.DownloadError as error:
        raise NotFetched(
            f"gdown: {str(error).splitlines()[0].rstrip(' .:')}",
            "give the same command again to resume, with --overwrite to begin anew",
        ) from error


def _open(url: str, have: int):
    """The answer to a request for what follows the first ``have`` bytes."""
    headers = {"User-Agent": "mavos"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416 or not have:
            raise
        return _open(url, 0)  # nothing follows: what is here is of no use


@contextmanager
def _as_not_fetched(host: str, target: Path) -> Iterator[None]:
    """Errors of connections, also those of requests, and of writing, in our words."""
    try:
        yield
    except (OSError, HTTPException) as error:
        if getattr(error, "errno", None) in REMEDIES:
            raise cannot_write(target, error) from error
        answer = getattr(error, "response", None)  # requests; urllib has ``code``
        status = getattr(error, "code", getattr(answer, "status_code", None))
        if status is not None:
            raise NotFetched(f"{host} answers with status {status}", "try again later") from error
        *_, first = causes = list(_causes(error))
        if not any(map(_is_of_opening, causes)):
            raise NotFetched(
                f"the connection to {host} broke off ({first})",
                "give the same command again: it resumes there",
            ) from error
        raise NotFetched(
            f"no connection to {host} ({first})",
            "give the same command again when you are connected",
            is_host=True,
        ) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it came from, and so on to the first cause."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_opening(error: BaseException) -> bool:
    """Whether a connection was not even opened: no such name, refused, no way or no answer.

    urllib says so by its URLError; urllib3, which comes with gdown alone, is known by names.
    """
    names = {"NameResolutionError", "NewConnectionError", "ConnectTimeoutError"}
    return isinstance(error, socket.gaierror | URLError) or type(error).__name__ in names


def _refused(message: str) -> NotFetched:
    if "too many users" in message.lower() or "quota" in message.lower():
        return NotFetched(
            "Google Drive gives no more of it today: too many people took it (its quota)",
            "try again tomorrow; a browser that is signed in to Google often gets it at once",
        )
    return NotFetched(
        "Google Drive does not hand it out: no permission, removed, or too many accesses",
        "see what a browser says",
    )


def _no_gdown() -> NotFetched:
    return NotFetched(
        "Google Drive needs the package gdown, 6.5 or newer", f"run `{INSTALL}` once", is_host=True
    )
