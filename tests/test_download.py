"""``tools/download.py`` against a web server of this machine and a stand-in for gdown."""

import errno
import hashlib
import socket
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from eval_tool import Ended, run
from file_server import closed_address, file_server
from torchvision.models import mobilenet_v2

from mavos.zoo import fetch
from mavos.zoo.command import main
from mavos.zoo.entries import ZOO, Entry

WEB_PAGE = b"\n <!DOCTYPE html><html><body>Sign in</body></html>"
MCA = "long_term_memory_attention."


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with file_server() as server:
        yield server


@pytest.fixture
def add(monkeypatch):
    """Adds a file to the zoo."""

    def add(name: str, link: str, holds: str = "network", drive_id: str = "", model="mavos_nano"):
        monkeypatch.setitem(ZOO, name, Entry(name, "test", model, holds, "tests", link, drive_id))

    return add


@pytest.fixture
def download(tmp_path):
    """Runs the tool with a folder of the test's own."""
    return lambda *argv: run(*argv, "--output", tmp_path / "out", main=main)


@pytest.fixture(params=["reset", "stalled"])
def broken(request, server, monkeypatch) -> str:
    server.cut_after = 70_000
    if request.param == "reset":
        server.resets = True
        return "reset by peer"
    server.stalls = True
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    return "timed out"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def weights(checkpoint, server, add) -> bytes:
    """Weights that the server has as ``nano``."""
    server.files["nano.pth"] = checkpoint.read_bytes()
    add("nano", server.url("nano.pth"))
    return server.files["nano.pth"]


def check_there(ended: Ended, path: Path, content: bytes) -> None:
    """That the file is whole, its hash told and noted, and nothing else left."""
    digest = hashlib.sha256(content).hexdigest()
    assert ended.status == 0, ended.stderr
    assert ended.stdout == f"{digest}  {path}\n"
    assert path.read_bytes() == content
    note = path.with_name(f"{path.name}.sha256")
    assert note.read_text() == f"{digest}  {path.name}\n"
    assert sorted(path.parent.glob(f"{path.name}*")) == [path, note]
    assert path.stat().st_mode == note.stat().st_mode  # readable to whom the user's files are


def without(weights: bytes, prefix: str, path: Path) -> bytes:
    """The same checkpoint without some of its keys."""
    path.write_bytes(weights)
    state = torch.load(path)["state_dict"]
    torch.save({"state_dict": {k: v for k, v in state.items() if not k.startswith(prefix)}}, path)
    return path.read_bytes()


def test_a_file_is_downloaded_once_and_verified_afterwards(download, server, weights, folder):
    check_there(download("nano"), folder / "nano.pth", weights)
    again = download("NANO.pth")
    check_there(again, folder / "nano.pth", weights)
    assert "unchanged" in again.stderr and len(server.asked) == 1
    (folder / "nano.pth").write_bytes(weights[:-1])
    error = download("nano").error
    assert "nano.pth has changed" in error and hashlib.sha256(weights).hexdigest() in error
    check_there(download("nano", "--overwrite"), folder / "nano.pth", weights)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_goes_on(download, server, weights, folder, ranges):
    server.ranges, server.cut_after = ranges, 70_000
    error = download("nano").error
    assert f"broke off after 70000 of {len(weights)} bytes" in error
    assert "(0.1 MB of it are kept)" in error and "0 of 1" in error
    assert not (folder / "nano.pth").exists()
    check_there(download("nano"), folder / "nano.pth", weights)
    assert server.asked == [("nano.pth", ""), ("nano.pth", "bytes=70000-")]


def test_a_part_that_holds_everything_or_too_much_begins_anew(download, server, weights, folder):
    folder.mkdir()
    (folder / "nano.pth.unchecked.part").write_bytes(weights + b"more")
    check_there(download("nano"), folder / "nano.pth", weights)
    assert [asked for _, asked in server.asked] == [f"bytes={len(weights) + 4}-", ""]


def test_a_file_that_came_whole_before_a_kill_is_only_checked(download, server, weights, folder):
    folder.mkdir()
    (folder / "nano.pth.unchecked").write_bytes(weights)
    check_there(download("nano"), folder / "nano.pth", weights)
    assert server.asked == []


def test_a_file_saved_by_hand_is_checked_and_noted(download, server, weights, folder):
    folder.mkdir()
    (folder / "nano.pth").write_bytes(WEB_PAGE)
    error = download("nano").error
    assert "nano.pth is a web page, not weights; --overwrite downloads it again" in error
    (folder / "nano.pth").write_bytes(weights)
    check_there(download("nano"), folder / "nano.pth", weights)
    assert server.asked == []


def test_a_web_page_instead_of_weights_is_refused_and_removed(download, server, weights, folder):
    server.files["nano.pth"] = WEB_PAGE
    error = download("nano").error
    assert "nano.pth is a web page, not weights" in error
    assert f"{server.url('nano.pth')} -> {folder / 'nano.pth'}" in error
    assert list(folder.iterdir()) == []


def test_weights_of_another_model_are_kept_aside_and_told(download, server, weights, folder):
    server.files["nano.pth"] = without(weights, "decoder.", folder.with_suffix(".pth"))
    for _ in range(2):  # the second time without asking again
        error = download("nano").error
        assert "missing: decoder." in error and "--overwrite" in error
        assert str(folder / "nano.pth.unchecked") in error
    assert [path.name for path in folder.iterdir()] == ["nano.pth.unchecked"]
    assert len(server.asked) == 1
    server.files["nano.pth"] = weights
    check_there(download("nano", "--overwrite"), folder / "nano.pth", weights)


def test_a_name_with_a_hash_is_verified(download, server, add, folder, tmp_path):
    torch.save(mobilenet_v2().state_dict(), tmp_path / "encoder.pth")
    content = (tmp_path / "encoder.pth").read_bytes()
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}"
    server.files["encoder.pth"] = content[:-1] + bytes([content[-1] ^ 1])
    add(name, server.url("encoder.pth"), "encoder", model="mavos")
    error = download(name).error
    assert f"{name}.pth is damaged" in error and list(folder.iterdir()) == []
    server.files["encoder.pth"] = content
    check_there(download(name), folder / f"{name}.pth", content)


def test_weights_to_start_from_may_lack_mca_and_are_copied(download, server, add, weights, folder):
    content = without(weights, MCA, folder.with_suffix(".pth"))
    assert content != weights
    server.files["nano.pth"] = content
    add("nano", server.url("nano.pth"), "network")
    assert f"missing: {MCA}" in download("nano").error
    add("nano", server.url("nano.pth"), "start")
    check_there(download("nano"), folder / "nano.pth", content)
    add("the_same", server.url("nano.pth"), "start")
    check_there(download("the_same"), folder / "the_same.pth", content)
    assert len(server.asked) == 1


def test_without_a_network_everything_is_said_once(download, add, server, weights, folder):
    nowhere = closed_address()
    for name in ("away", "gone"):
        add(name, f"{nowhere}/{name}.pth")
    ended = download("away", "nano", "gone")
    assert ended.status == 2 and ended.stdout.endswith(f"  {folder / 'nano.pth'}\n")
    error = ended.stderr[ended.stderr.index("error: ") :]
    assert error.count("no connection to 127.0.0.1:") == 1 and "refused" in error
    for name in ("away", "gone"):
        assert f"  {nowhere}/{name}.pth -> {folder / name}.pth\n" in error
    assert "1 of 3 are whole" in error and "Nothing was" not in error
    assert download("gone").error.endswith("Nothing was downloaded.")


def test_a_fault_in_the_middle_of_a_file_is_no_fault_of_the_host(
    download, add, server, broken, weights, folder
):
    server.files["first.pth"] = weights
    add("first", server.url("first.pth"))
    ended = download("first", "nano")
    assert ended.status == 2 and "1 of 2 are whole" in ended.stderr
    assert "the connection to 127.0.0.1:" in ended.stderr and broken in ended.stderr
    assert ended.stdout.endswith(f"  {folder / 'nano.pth'}\n")
    assert "(0.1 MB of it are kept)" in ended.stderr
    check_there(download("first"), folder / "first.pth", weights)
    assert server.asked[-1] == ("first.pth", "bytes=70000-")


def test_a_server_that_says_no_is_quoted(download, server, add):
    add("lost", server.url("lost.pth"))
    assert f"{server.address[7:]} answers with status 404" in download("lost").error


def test_a_full_disk_is_told_with_the_remedy(download, weights, folder, monkeypatch):
    def full(path: Path, mode: str):
        path.touch()
        return open("/dev/full", mode)

    monkeypatch.setattr(fetch, "open", full, raising=False)
    error = download("nano").error
    assert f"cannot write {folder}" in error and "free some space" in error


def test_a_folder_that_cannot_be_made_is_told(weights, tmp_path):
    (tmp_path / "file").touch()
    error = run("nano", "--output", tmp_path / "file" / "folder", main=main).error
    assert f"cannot write {tmp_path / 'file' / 'folder'}" in error


class FakeGdown(ModuleType):
    """What we use of gdown; writes ``content``, or raises ``error`` after ``cut`` bytes."""

    class FileURLRetrievalError(Exception):
        pass

    class DownloadError(Exception):
        pass

    def __init__(self, content: bytes):
        super().__init__("gdown")
        self.exceptions = SimpleNamespace(
            FileURLRetrievalError=self.FileURLRetrievalError, DownloadError=self.DownloadError
        )
        self.content, self.error, self.cut, self.asked = content, None, 0, []

    def download(self, url, output, quiet, resume, progress, timeout):
        assert quiet and resume and timeout > 0
        self.asked.append(url)
        part = Path(f"{output}a1b2c3d4.part")
        if self.error is not None:
            part.write_bytes(self.content[: self.cut])
            raise self.error
        part.write_bytes(self.content)
        part.chmod(0o600)  # as gdown does
        progress(len(self.content), len(self.content))
        part.rename(output)


@pytest.fixture
def drive(monkeypatch, checkpoint, add) -> FakeGdown:
    """Google Drive, with one file, ``nano``."""
    fake = FakeGdown(checkpoint.read_bytes())
    monkeypatch.setitem(sys.modules, "gdown", fake)
    add("nano", "https://drive.google.com/file/d/the-id/view", drive_id="the-id")
    return fake


def test_google_drive_is_asked_by_id(download, drive, folder):
    check_there(download("nano"), folder / "nano.pth", drive.content)
    assert drive.asked == ["https://drive.google.com/uc?id=the-id"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (socket.gaierror("name not known"), "no connection to drive.google.com (name not known)"),
        (ConnectionResetError("reset"), "the connection to drive.google.com broke off (reset)"),
        (OSError(errno.ENOSPC, "No space left on device"), "free some space"),
        (FakeGdown.DownloadError("It is incomplete.\nMore"), "gdown: It is incomplete; give the"),
        (FakeGdown.FileURLRetrievalError("\tToo many users have viewed it"), "(its quota)"),
        (FakeGdown.FileURLRetrievalError("Cannot retrieve the link"), "no permission, removed"),
    ],
)
def test_trouble_with_google_drive_is_told_apart(download, drive, folder, error, message):
    drive.error, drive.cut = error, 100_000
    told = download("nano").error
    assert message in told
    if not isinstance(error, OSError) or error.errno is None:
        assert (
            f"https://drive.google.com/file/d/the-id/view -> {folder / 'nano.pth'} (0.1 MB" in told
        )
    drive.error = None
    assert download("nano", "--overwrite").status == 0
    assert sorted(path.name for path in folder.iterdir()) == ["nano.pth", "nano.pth.sha256"]


@pytest.mark.parametrize("old", [None, SimpleNamespace(download=lambda url, output: None)])
def test_a_missing_or_old_gdown_is_told_with_the_command(download, drive, monkeypatch, old):
    monkeypatch.setitem(sys.modules, "gdown", old)
    assert "pip install -e '.[download]'" in download("nano").error


def test_the_real_gdown_goes_on_after_a_cut(download, server, drive, folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "gdown")
    pytest.importorskip("gdown")
    monkeypatch.setattr(fetch, "DRIVE_FILE", server.url("{}"))
    server.files["the-id"], server.cut_after = drive.content, 1 << 20
    error = download("nano").error
    assert "incomplete" in error and "(1.0 MB of it are kept)" in error
    check_there(download("nano"), folder / "nano.pth", drive.content)
    assert server.asked[-1] == ("the-id", f"bytes={1 << 20}-")
    monkeypatch.setattr(fetch, "DRIVE_FILE", closed_address() + "/{}")
    assert "no connection to 127.0.0.1:" in download("nano", "--overwrite").error
    assert (folder / "nano.pth").read_bytes() == drive.content  # the old one stays


def test_the_list_says_what_is_here(download, server, weights, folder):
    server.cut_after = 70_000
    download("nano")
    ended = download("--list", "nano", "encoders")
    head, nano, *others, where = ended.stdout.splitlines()
    assert ended.status == 0 and ended.stderr == "" and len(others) == 3
    assert head.split() == ["name", "here", "for", "link"] and str(folder) in where
    assert nano.split()[:5] == ["nano", "0.1", "MB", "of", "it"]
    assert all(" no " in line for line in others)
    download("nano")
    assert f" {len(weights) / 1e6:.1f} MB  tests " in download("--list", "nano").stdout
    assert len(download("--list").stdout.splitlines()) == len(ZOO) + 2


def test_nothing_to_do_is_told(download):
    assert "name what to download" in download().error
    assert "did you mean r50_mavos_lvos" in download("r50_mavos_lvo").error
