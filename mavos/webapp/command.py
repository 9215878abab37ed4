"""``tools/app.py``: builds the network once and serves the page until it is stopped."""

import argparse
import asyncio
import logging
import signal
import socket
import threading
import webbrowser
from pathlib import Path
from typing import Any

import torch
import uvicorn

from mavos.configs.schema import Config
from mavos.run.build import build
from mavos.run.devices import prepare_to_segment
from mavos.run.find_checkpoint import find_checkpoint
from mavos.run.signals import INTERRUPTED, TERMINATED
from mavos.tracking.tracker import VideoTracker
from mavos.utils.device import device_name
from mavos.utils.errors import UserError
from mavos.utils.logging import run_header, setup_logging
from mavos.webapp.options import parse
from mavos.webapp.private_folder import private_folder
from mavos.webapp.server import build_app
from mavos.webapp.session import Limits, Session
from mavos.webapp.sessions import Sessions
from mavos.webapp.turns import Turns

log = logging.getLogger(__name__)

_SECONDS_TO_FINISH = 3  # for requests that run when the server is stopped


def main(argv: list[str]) -> int:
    cfg, args = parse(argv)
    setup_logging()
    listener = _listen(args.host, args.port)  # a port in use is reported before the long start
    device = prepare_to_segment(cfg.eval, args.gpu_id)
    log.info(run_header(device_name(device)))
    checkpoint = find_checkpoint(cfg)
    model, input_rule = build(cfg, checkpoint, device)
    about = _about(cfg, args, checkpoint, device_name(device))
    limits = Limits(
        args.max_upload_mb * 2**20, args.max_frames, args.snapshots, args.snapshots_mb * 2**20
    )
    turns = Turns()

    def make_tracker() -> VideoTracker:
        if device.type == "cuda":
            torch.cuda.set_device(device)  # of the session's thread, which calls this
        return VideoTracker(model, input_rule, device)

    def make_session(folder: Path) -> Session:
        return Session(folder, limits, make_tracker, turns)

    signal.signal(signal.SIGTERM, _terminate)
    try:
        with (
            private_folder() as folder,
            Sessions(folder, make_session, args.max_sessions, args.keep_minutes * 60) as sessions,
        ):
            _serve(build_app(sessions, about, args.host), listener, args)
    except KeyboardInterrupt:
        log.info("stopped; uploads and masks are deleted")
        return INTERRUPTED
    return 0


def _serve(app: Any, listener: socket.socket, args: argparse.Namespace) -> None:
    """Until a signal ends it, which then comes up as KeyboardInterrupt or SystemExit."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    if not host.startswith("127.") and host != "::1":
        log.warning(
            "--host %s: everyone who reaches this machine can open the page and use its processor; "
            "there is no password and no encryption. An SSH tunnel is safer",
            args.host,
        )
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else shown
    address = f"http://{shown}:{port}"
    print(address, flush=True)
    if args.open:
        threading.Timer(0.5, webbrowser.open, (address,)).start()
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,  # addresses hold the pages' tokens
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    uvicorn.Server(config).run([listener])


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a request, as an upload, was cut off because the server ends."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}; choose "
            "another --port (0 takes any free one) or --host"
        ) from error


def _about(cfg: Config, args: argparse.Namespace, checkpoint: Path, device: str) -> dict[str, Any]:
    """What a page shows of model and limits."""
    return {
        "model": cfg.name,
        "checkpoint": checkpoint.name,
        "device": device,
        "max_upload_mb": args.max_upload_mb,
        "max_frames": args.max_frames,
        "keep_minutes": args.keep_minutes,
    }


def _terminate(*_: object) -> None:
    raise SystemExit(TERMINATED)
