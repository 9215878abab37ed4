"""Runs ``tools/eval.py`` as a user does, and makes small videos for it."""

import contextlib
import io
import logging
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mavos.evaluation import command as evaluation
from mavos.run import entry
from mavos.utils.palette import davis_palette

ROOT = Path(__file__).resolve().parents[1]
SIZE = (48, 72)  # (H, W) of synthetic frames


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def archive(self) -> Path:
        """The zip of a run that went well; nothing else may be on standard output."""
        assert self.status == 0, self.stderr
        (line,) = self.stdout.splitlines()
        assert line.endswith(".zip")
        return Path(line)

    @property
    def error(self) -> str:
        """What a refused run says last: "error: ..." to the end."""
        assert self.status == 2, self.stderr
        assert self.stdout == "" and "Traceback" not in self.stderr
        assert self.stderr.count("error: ") == 1
        return self.stderr[self.stderr.index("error: ") :].strip()


def nano(checkpoint: Path | None) -> list[str]:
    """Options for the small model at a small size."""
    options = ["--model", "mavos_nano", "--max_resolution", "60", "--device", "cpu"]
    return options + (["--ckpt_path", str(checkpoint)] if checkpoint else [])


def run(*argv: object, main: Callable[[list[str]], int] = evaluation.main) -> Ended:
    """A tool, by its ``main``, in this process; bugs of ours come up as themselves."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        with (
            process_restored(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            entry.finish(main, [str(a) for a in argv])
    except SystemExit as ended:
        status = ended.code
    return Ended(status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def process_restored() -> Iterator[None]:
    """Computes in one thread; then undoes what the tool sets for its whole process."""
    root, matmul = logging.getLogger(), getattr(torch.backends.mkldnn, "matmul", None)
    handlers, level, threads = root.handlers[:], root.level, torch.get_num_threads()
    precision = matmul and matmul.fp32_precision
    torch.set_num_threads(1)  # rounding depends on their number, and the frames are small
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        torch.set_num_threads(threads)
        if matmul is not None:
            matmul.fp32_precision = precision


def start(*command: object, cwd: Path, **env: str) -> subprocess.Popen:
    """A process of its own: ``command`` after ``python``."""
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"} | env,
    )


def wait(process: subprocess.Popen) -> Ended:
    """The end of a process; killed after two minutes, so that nothing stays behind."""
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return Ended(process.returncode, out, err)


def check_told(item: str, message: str, folder: str, error: str) -> None:
    """That one line names the video, the file and what is wrong with it."""
    (line,) = (line for line in error.splitlines() if line.startswith(f"  {item}: "))
    assert folder in line and re.search(message, line)


def members(archive: Path) -> dict[str, bytes]:
    """Names in an archive and what they hold."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def labels(png: bytes | Path) -> np.ndarray:
    """(H, W) uint8 ids of a written mask, which must be a palette PNG with the DAVIS colours."""
    with Image.open(io.BytesIO(png) if isinstance(png, bytes) else png) as image:
        assert (image.format, image.mode) == ("PNG", "P")
        assert image.getpalette("RGB") == davis_palette().flatten().tolist()
        return np.array(image)


def ids_in(png: bytes | Path) -> set[int]:
    return set(np.unique(labels(png)).tolist())


def save_mask(path: Path, ids: np.ndarray) -> Path:
    image = Image.fromarray(ids.astype(np.uint8))
    image.putpalette(davis_palette().tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def make_video(
    root: Path,
    name: str,
    length: int,
    ids: tuple[int, ...] = (1,),
    size: tuple[int, int] = SIZE,
    folders: tuple[str, str] = ("JPEGImages", "Annotations"),
) -> None:
    """Bright squares that move over noise, one for each id, given in the first frame."""
    height, width = size
    noise = np.random.default_rng(len(name)).integers(0, 90, (height, width, 3), np.uint8)
    frames = root / folders[0] / name
    frames.mkdir(parents=True)
    side = width // (2 * len(ids))
    for t in range(length):
        picture, mask = noise.copy(), np.zeros(size, np.uint8)
        for k, object_id in enumerate(ids):
            left = 2 * side * k + t % side
            picture[10:40, left : left + side] = (200, 40 * k, 250 - 40 * k)
            mask[10:40, left : left + side] = object_id
        Image.fromarray(picture).save(frames / f"{t:05d}.jpg")
        if t == 0:
            save_mask(root / folders[1] / name / "00000.png", mask)


def copy_files(source: Path, target: Path, *names: str) -> None:
    """Some files of a folder, by their paths in it."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, target / name)
