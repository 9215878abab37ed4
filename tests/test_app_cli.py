"""``tools/app.py`` as a command: its beginning, its end, its mistakes."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from eval_tool import ROOT, nano, run

from mavos.webapp import command
from mavos.webapp.private_folder import private_folder


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """A folder for temporary files of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _post(address: str, origin: str) -> dict:
    request = urllib.request.Request(address, b"", {"Origin": origin}, method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def _begin_upload(port: int, token: str) -> socket.socket:
    sender = socket.create_connection(("127.0.0.1", port))
    head = f"PUT /api/{token}/upload/0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += f"Origin: http://127.0.0.1:{port}\r\nContent-Length: 1000\r\n\r\n"
    sender.sendall(head.encode() + b"some of it")
    return sender


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_nothing_stays(checkpoint, temporary, port, monkeypatch, sent, status):
    monkeypatch.setattr(command, "_SECONDS_TO_FINISH", 1)
    seen, origin = {}, f"http://127.0.0.1:{port}"
    before = signal.getsignal(signal.SIGTERM)

    def visit() -> None:
        """Open a page, look at the folders, then end the server."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and "about" not in seen:
            try:
                seen["about"] = _post(f"{origin}/api/sessions", origin)
            except urllib.error.URLError:
                time.sleep(0.05)
        seen["folders"] = [path.name for path in temporary.glob("mavos-app-*/*")]
        if sent == signal.SIGTERM:  # in the middle of an upload
            seen["upload"] = _begin_upload(port, seen["about"]["token"])
        os.kill(os.getpid(), sent)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        ended = run(*nano(checkpoint), "--port", port, "--keep_minutes", 5, main=command.main)
    finally:
        visitor.join()
        if "upload" in seen:
            seen["upload"].close()
        signal.signal(signal.SIGTERM, before)
    assert ended.status == status, ended.stderr
    assert ended.stdout == f"{origin}\n" and "Traceback" not in ended.stderr
    token = seen["about"].pop("token")
    assert seen["about"] == {
        "model": "mavos_nano",
        "checkpoint": "nano.pth",
        "device": "cpu",
        "max_upload_mb": 1000,
        "max_frames": 20000,
        "keep_minutes": 5.0,
    }
    assert len(token) >= 22 and len(seen["folders"]) == 3  # lock, its mark, one page
    assert list(temporary.iterdir()) == []


def test_a_port_that_is_taken(checkpoint):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        error = run(*nano(checkpoint), "--port", port, main=command.main).error
    assert f"cannot listen on 127.0.0.1:{port}" in error and "choose another --port" in error


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--ckpt_path nowhere.pth", "no checkpoint nowhere.pth (--ckpt_path)"),
        ("--model mavos_nno", "unknown model 'mavos_nno'; did you mean mavos_nano"),
        ("--max_upload_mb 0", "--max_upload_mb must be above 0"),
        ("--port 70000", "--port must be 0 to 65535"),
        ("--host 203.0.113.7 --port 0", "cannot listen on 203.0.113.7:0"),
        ("--amp --dtype bf16", "--amp already chooses a half precision"),
        ("--device tpu", "device 'tpu' is not available here"),
    ],
)
def test_mistakes(given, said):
    # port 0: the usual one may be taken where the tests run
    error = run("--port", 0, *given.split(), main=command.main).error
    assert said in error


def test_without_the_extra_one_line_names_it(tmp_path):
    for module in ("uvicorn", "fastapi"):
        (tmp_path / f"{module}.py").write_text(
            f"raise ModuleNotFoundError('gone', name={module!r})"
        )
    env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    app = [sys.executable, ROOT / "tools" / "app.py"]
    asked = subprocess.run([*app, "--help"], capture_output=True, text=True, env=env)
    assert asked.returncode == 0 and "--port" in asked.stdout
    done = subprocess.run(app, capture_output=True, text=True, env=env)
    assert done.returncode == 2
    assert done.stderr.strip() == f"no module 'uvicorn': run `pip install -e '{ROOT}[app]'` once"


def test_what_a_killed_server_left_is_deleted(temporary):
    left = temporary / "mavos-app-killed"
    left.mkdir()
    for name in ("lock", "locked"):
        (left / name).touch()
    (left / "video.mp4").touch()
    foreign = temporary / "mavos-app-notes"
    foreign.mkdir()
    with private_folder() as first:
        assert not left.exists() and foreign.exists()  # no lock: not one of ours
        assert first.stat().st_mode & 0o777 == 0o700
        with private_folder() as second:  # another server beside it
            assert first.exists() and second.exists()
        assert not second.exists()
    assert not first.exists()
