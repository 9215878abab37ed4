"""Who may ask, and what a browser may do with the answer."""

import ipaddress
import json
import socket
from typing import Any

_READING = ("GET", "HEAD")
_LONGEST_JSON = 64 * 1024  # bytes; files and drawings come by PUT, with limits of their own
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not no-referrer: with it Firefox sends the goodbye of a closing tab as from nowhere
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",  # videos and masks are private: no copy on the browser's disk
}


class Guard:
    """ASGI middleware: refuses foreign hosts and foreign pages, and sets the security headers.

    A page elsewhere that has its name resolve to this machine (DNS rebinding) is recognised by the
    Host header, which then holds that name; one that sends requests here, by the Origin header.
    """

    def __init__(self, app: Any, host: str) -> None:
        """host: the name that the server listens on."""
        self._app = app
        self._names = {"localhost", host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: dict) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message = message | {"headers": [*message.get("headers", ()), *extra]}
            await send(message)

        status, reason = self._objection(scope)
        if not status:
            await self._app(scope, receive, send_with_headers)
            return
        body = json.dumps({"error": reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await send_with_headers(start)
        await send({"type": "http.response.body", "body": body})

    def _objection(self, scope: dict) -> tuple[int, str]:
        """Status and reason to refuse a request; 0 if there is none."""
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        host = headers.get("host", "").lower()
        if not self._is_ours(host):
            return 421, "this server does not go by that name; open it by its IP address"
        if scope["method"] in _READING:
            return 0, ""
        if headers.get("origin", "").lower().partition("://")[2] != host:
            return 403, "only the page of this server may ask for this"
        if scope["method"] != "PUT":
            length = headers.get("content-length", "0")
            if "transfer-encoding" in headers or not length.isdigit():
                return 411, "the length of the request is missing"
            if int(length) > _LONGEST_JSON:
                return 413, "the request is too long"
        return 0, ""

    def _is_ours(self, host: str) -> bool:
        """An address, which nobody can rebind, or a name of this machine."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name in self._names
        return True
