"""A web server on this machine that hands out files, cuts connections and can do ranges or not."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What it serves and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)  # by name
    ranges: bool = True  # whether it understands Range
    cut_after: int | None = None  # bytes after which the next answer breaks off
    stalls: bool = False  # after which nothing comes for half a second
    resets: bool = False  # with a reset of the connection, not an end
    asked: list[tuple[str, str]] = field(default_factory=list)  # (name, Range)
    address: str = ""  # http://127.0.0.1:port

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


def _handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, wanted = self.path.lstrip("/"), self.headers.get("Range", "")
            server.asked.append((name, wanted))
            if name not in server.files:
                self.send_error(404)
                return
            content = server.files[name]
            first = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if server.ranges else 0
            if first and first >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if first else 200)
            if first:
                span = f"bytes {first}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            end, server.cut_after = server.cut_after, None
            self.wfile.write(content[first:end])
            if end is not None and server.stalls:
                time.sleep(0.5)
            if end is not None and server.resets:
                time.sleep(0.1)  # what was sent is to be read first
                at_once = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                self.connection.close()

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def file_server() -> Iterator[FileServer]:
    server = FileServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        server.address = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def closed_address() -> str:
    """An address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"
