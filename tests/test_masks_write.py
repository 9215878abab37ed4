"""Masks, archives and JSON come to disk whole or not at all."""

import errno
import os
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mavos.dataloaders.media import mask_writing as masks
from mavos.dataloaders.media.mask_writing import MaskWriter, zip_results
from mavos.utils import files
from mavos.utils.errors import OutputError, UserError
from mavos.utils.files import atomic_path, write_json
from mavos.utils.palette import davis_palette


def _labels(seed: int = 0, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def _everything(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def full_disk(tmp_path, monkeypatch):
    """Temporary files of this test lie on the kernel's own full device."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    real = files._partial_path

    def on_full_device(path: Path) -> Path:
        partial = real(path)
        partial.parent.mkdir(exist_ok=True)
        partial.symlink_to("/dev/full")
        return partial

    monkeypatch.setattr(files, "_partial_path", on_full_device)


def test_masks_are_palette_pngs_with_the_ids_given(tmp_path):
    maps = {tmp_path / "video" / f"{i:05d}.png": _labels(i) for i in range(40)}
    with MaskWriter() as writer:
        for path, labels in maps.items():
            writer.write(path, labels)
    assert _everything(tmp_path) == [f"video/{i:05d}.png" for i in range(40)]
    for path, labels in maps.items():
        with Image.open(path) as image:
            assert image.mode == "P"
            assert np.array_equal(np.asarray(image), labels)
            assert image.getpalette() == davis_palette().flatten().tolist()


def test_the_array_may_be_reused_at_once(tmp_path):
    buffer = np.empty((48, 64), np.uint8)
    with MaskWriter() as writer:
        for i in range(30):
            buffer[:] = i
            writer.write(tmp_path / f"{i}.png", buffer.T)
    for i in range(30):
        with Image.open(tmp_path / f"{i}.png") as image:
            assert image.size == (48, 64)  # width, height of the transposed map
            assert set(np.asarray(image).flat) == {i}


@pytest.mark.parametrize("labels", [np.zeros((4, 4), np.int64), np.zeros((1, 4, 4), np.uint8)])
def test_anything_but_a_uint8_map_is_refused(tmp_path, labels):
    with MaskWriter() as writer, pytest.raises(ValueError, match="uint8"):
        writer.write(tmp_path / "0.png", labels)


def test_pending_masks_are_bounded(tmp_path, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(masks, "_write_png", lambda *_: gate.wait())
    accepted = []

    def produce() -> None:
        with MaskWriter(threads=2) as writer:
            for i in range(200):
                writer.write(tmp_path / f"{i}.png", _labels())
                accepted.append(i)

    producer = threading.Thread(target=produce)
    producer.start()
    time.sleep(0.3)
    accepted_while_stuck = len(accepted)
    gate.set()
    producer.join(30)
    assert accepted_while_stuck < 40
    assert len(accepted) == 200


def test_flush_waits_for_every_file(tmp_path):
    with MaskWriter() as writer:
        for i in range(10):
            writer.write(tmp_path / f"{i}.png", _labels(size=(480, 854)))
        writer.flush()
        assert len(_everything(tmp_path)) == 10


def test_an_exception_of_the_caller_keeps_what_was_scheduled(tmp_path):
    with pytest.raises(KeyboardInterrupt), MaskWriter() as writer:
        for i in range(10):
            writer.write(tmp_path / f"{i}.png", _labels(size=(480, 854)))
        raise KeyboardInterrupt
    assert len(_everything(tmp_path)) == 10


def test_a_full_disk_names_the_file_and_the_remedy(tmp_path, full_disk):
    message = r"v/0\.png: No space left.*free some space"
    with pytest.raises(OutputError, match=message), MaskWriter() as writer:
        writer.write(tmp_path / "v" / "0.png", _labels())
    assert os.listdir(tmp_path / "v") == []


def test_a_fault_surfaces_at_a_later_write(tmp_path, full_disk):
    accepted = []
    with pytest.raises(UserError, match="No space left"), MaskWriter() as writer:
        for i in range(100):
            writer.write(tmp_path / f"{i}.png", _labels())
            accepted.append(i)
    assert len(accepted) < 40
    assert os.listdir(tmp_path) == []


def test_the_callers_exception_comes_before_faults_of_the_threads(tmp_path, full_disk, caplog):
    with pytest.raises(ZeroDivisionError), MaskWriter() as writer:
        writer.write(tmp_path / "0.png", _labels())
        raise ZeroDivisionError
    assert "0.png: No space left" in caplog.text
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_place_of_the_folder_is_the_users_mistake(tmp_path):
    (tmp_path / "video").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write .*video/0\.png"), MaskWriter() as writer:
        writer.write(tmp_path / "video" / "0.png", _labels())


def test_a_failed_block_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "scores.json"
    write_json(path, {"J": 0.5})
    with pytest.raises(ZeroDivisionError), atomic_path(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == '{\n  "J": 0.5\n}\n'
    assert os.listdir(tmp_path) == ["scores.json"]


def test_an_error_about_another_file_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "copy") as partial:
        partial.write_bytes((tmp_path / "no such source").read_bytes())
    assert os.listdir(tmp_path) == []


def test_a_folder_without_permission_is_named_with_its_remedy(tmp_path, monkeypatch):
    def refuse(source: str, target: str) -> None:  # root, who runs tests in containers, may write
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(source))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match=r"a\.json: Permission denied; choose a folder"):
        write_json(tmp_path / "a.json", 1)
    assert os.listdir(tmp_path) == []


def _results(folder: Path, order: list[int]) -> Path:
    with MaskWriter() as writer:
        for i in order:
            writer.write(folder / f"v{i % 2}" / f"{i}.png", _labels(i))
    return folder


def test_equal_masks_give_equal_archives(tmp_path):
    first = _results(tmp_path / "a", [1, 2, 3, 4])
    second = _results(tmp_path / "b", [4, 3, 2, 1])
    os.utime(second / "v0" / "2.png", (1e9, 1e9))
    (second / "v0" / "2.png").chmod(0o600)
    (second / "v0" / ".2.png.1-2.tmp").write_text("left behind by a run that was killed")
    zip_results(first, tmp_path / "a.zip")
    zip_results(second, second / "own.zip")
    zip_results(second, second / "own.zip")  # does not pack its former self
    assert (tmp_path / "a.zip").read_bytes() == (second / "own.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["v0/2.png", "v0/4.png", "v1/1.png", "v1/3.png"]
        assert archive.read("v0/2.png") == (first / "v0" / "2.png").read_bytes()
        assert archive.testzip() is None


def test_only_the_members_asked_for_are_packed(tmp_path):
    folder = _results(tmp_path / "a", [1, 2, 3, 4])
    zip_results(folder, tmp_path / "a.zip", [folder / "v1" / "3.png", folder / "v0" / "2.png"])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["v0/2.png", "v1/3.png"]


def test_nothing_to_pack_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no results to pack"):
        zip_results(tmp_path, tmp_path / "a.zip")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_no_part_of_an_archive(tmp_path, request):
    folder = _results(tmp_path / "a", [1, 2])
    request.getfixturevalue("full_disk")
    with pytest.raises(OutputError, match=r"a\.zip: No space left.*free some space"):
        zip_results(folder, tmp_path / "a.zip")
    assert os.listdir(tmp_path) == ["a"]
