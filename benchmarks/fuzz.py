"""Damaged files of every kind through their readers: right, a clear error, or otherwise.

    python benchmarks/fuzz.py --inputs 3000 --seed 1

A clear error is a UserError that names the file. "Silent" is a content with a checksum that came
back as another one; a traceback is any other exception. Exits with status 1 if there is either.
"""

import argparse
import io
import json
import random
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mavos.dataloaders.listings.listing import read_list, read_meta
from mavos.dataloaders.media.mask_files import decode_mask
from mavos.scoring.predictions import ZipOfMasks
from mavos.utils.checkpoint import read_checkpoint
from mavos.utils.errors import UserError
from mavos.utils.reading import read_json

RIGHT, CLEAR, SILENT, TRACEBACK = "right", "clear error", "silent", "traceback"
ODD = (b"", b"\0" * 100, b"PK\x03\x04junk", b"[" * 50_000, b"NaN", b"[1, 2]", b'{"videos": 3}')


@dataclass(frozen=True)
class Kind:
    """A kind of file: a whole one, and what reads it."""

    name: str
    whole: bytes
    read: Callable[[Path], Any]  # a value that can be compared
    has_checksum: bool = False


def kinds() -> list[Kind]:
    """Every kind that is read outside pictures and video files."""
    weights = io.BytesIO()
    torch.save({"state_dict": {f"l{i}": torch.arange(300.0) for i in range(3)}}, weights)
    array = io.BytesIO()
    np.save(array, np.arange(200, dtype=np.int32).reshape(10, 20))
    meta = json.dumps({"videos": {"bear": {"objects": {"1": {"frame_range": {"start": "0"}}}}}})
    return [
        Kind("weights.pth", weights.getvalue(), _read_weights, True),
        *(
            Kind(f"masks_{method}.zip", _zip(method), _read_zip, True)
            for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
        ),
        Kind("masks_lzma.zip", _zip(zipfile.ZIP_LZMA), _read_zip, True),
        Kind("mask.npy", array.getvalue(), lambda p: decode_mask(p.read_bytes(), p).tobytes()),
        Kind("meta.json", meta.encode(), read_meta),
        Kind("settings.json", b'{"model": {"dim": 256}}', lambda p: read_json(p, "mend it")),
        Kind("val.txt", b"bear\ncows\n", lambda p: read_list([p])),
    ]


def damage(whole: bytes, rng: random.Random) -> bytes:
    """Flipped bits, a cut, an odd file, or bytes put in between."""
    how = rng.randrange(5)
    if how == 0:
        return rng.choice(ODD)
    place = rng.randrange(len(whole))
    if how == 1:
        return whole[:place]
    if how == 2:
        return whole[:place] + rng.randbytes(rng.randrange(1, 20)) + whole[place:]
    changed = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def outcome(kind: Kind, data: bytes, folder: Path, expected: Any) -> tuple[str, str]:
    """One of RIGHT, CLEAR, SILENT, TRACEBACK, and what was raised."""
    path = folder / kind.name
    path.write_bytes(data)
    try:
        value = kind.read(path)
    except UserError as error:
        return (CLEAR, "") if kind.name in str(error) else (TRACEBACK, f"no name: {error}")
    except Exception as error:  # this is what is looked for
        return TRACEBACK, repr(error)[:200]
    return (SILENT, "other content") if kind.has_checksum and value != expected else (RIGHT, "")


def campaign(inputs: int, seed: int, report: Callable[[str], None] = print) -> Counter:
    """How many of ``inputs`` damaged files, in turn of each kind, came out how."""
    rng, counts = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder, every = Path(name), kinds()
        expected = {}
        for kind in every:
            (folder / kind.name).write_bytes(kind.whole)
            expected[kind.name] = kind.read(folder / kind.name)
        for number in range(inputs):
            kind = every[number % len(every)]
            result, why = outcome(kind, damage(kind.whole, rng), folder, expected[kind.name])
            counts[result] += 1
            if why:
                report(f"{result}: input {number}, {kind.name}: {why}")
    return counts


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=3000, help="(default: 3000)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    counts = campaign(args.inputs, args.seed)
    print(f"{args.inputs} inputs: {', '.join(f'{counts[k]} {k}' for k in (RIGHT, CLEAR))}")
    print(f"{counts[SILENT]} silent, {counts[TRACEBACK]} tracebacks")
    return int(bool(counts[SILENT] or counts[TRACEBACK]))


def _zip(method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for frame in range(2):
            archive.writestr(f"bear/{frame:05}.png", bytes(range(256)) * 2)
    return packed.getvalue()


def _read_zip(path: Path) -> dict[str, bytes]:
    masks = ZipOfMasks(path)
    found = masks.masks("bear")
    for frame in ("00000", "00001"):
        if frame not in found:  # as the scorer does
            raise UserError(f"{path}: no mask of frame {frame}")
    return {frame: masks.read(found[frame]) for frame in ("00000", "00001")}


def _read_weights(path: Path) -> dict[str, list[float]]:
    return {name: value.tolist() for name, value in read_checkpoint(path).items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
