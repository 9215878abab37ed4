"""Reading masks: ids come out right, or the file is refused with a reason."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared_data import shared

from mavos.dataloaders.media.mask_files import read_mask
from mavos.utils.errors import UserError
from mavos.utils.palette import davis_palette


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("good_palette_ids_1_2.png", [0, 1, 2]),
        ("grey_ids_1_2.png", [0, 1, 2]),
        ("mask_ids_1_2.npy", [0, 1, 2]),
        ("palette_permuted.png", [0, 1, 2]),
        ("rgb.png", [0, 1, 2]),
        ("rgba.png", [0, 1, 2]),
        ("grey_alpha.png", [0, 1]),
        ("uint16_ids_1_2.png", [0, 1, 2]),
        ("one_bit.png", [0, 1]),
        ("grey_0_255.png", [0, 1]),
        ("ids_1_5_255.png", [0, 1, 5, 255]),
        ("other_size_214x120.png", [0, 1, 2]),
        ("transposed_240x428.png", [0, 1, 2]),
        ("empty_all_zero.png", [0]),
        ("full_all_one.png", [1]),
        ("single_pixel.png", [0, 1]),
        ("thirty_objects.png", list(range(31))),
    ],
)
def test_masks_are_read_as_ids(name: str, ids: list[int]) -> None:
    labels = read_mask(shared("data", "bad", "masks", name))
    assert labels.dtype == np.uint8 and labels.ndim == 2
    assert np.unique(labels).tolist() == ids


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("antialiased_grey.png", "smoothed"),
        ("jpeg_mask.jpg", "JPEG"),
        ("frame.jpg", "JPEG"),
        ("uint16_ids_300_1000.png", "0 to 1000"),
        ("zero_byte.png", "empty"),
        ("truncated.png", "not a complete picture"),
    ],
)
def test_bad_masks_are_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(UserError, match=f"{name}.*{message}"):
        read_mask(shared("data", "bad", "masks", name))


def test_every_bad_mask_has_a_test() -> None:
    assert len(list(shared("data", "bad", "masks").iterdir())) == 23


@pytest.mark.parametrize(
    "name",
    [
        "grey_ids_1_2.png",
        "mask_ids_1_2.npy",
        "palette_permuted.png",
        "rgb.png",
        "rgba.png",
        "uint16_ids_1_2.png",
    ],
)
def test_every_form_of_one_mask_holds_the_same_ids(name: str) -> None:
    folder = shared("data", "bad", "masks")
    np.testing.assert_array_equal(
        read_mask(folder / name), read_mask(folder / "good_palette_ids_1_2.png")
    )


def test_davis_and_dense_palette_masks() -> None:
    davis = shared("data", "DAVIS", "Annotations", "480p", "dog", "00000.png")
    assert np.unique(read_mask(davis)).tolist() == [0, 1]
    vspw = "1001_3iEIq5HBY1s"
    dense = next(shared("data", "YouTubeVOS", "valid", "Annotations", vspw).iterdir())
    assert np.unique(read_mask(dense)).tolist() == list(range(45))


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def squares(ids: list[int]) -> np.ndarray:
    """A 4x4 square per id, in a row, on background."""
    labels = np.zeros((8, 6 * len(ids) + 2), np.uint8)
    for i, value in enumerate(ids):
        labels[2:6, 6 * i + 2 : 6 * i + 6] = value
    return labels


def test_many_ids_in_a_grey_file_are_no_smoothing(tmp_path: Path) -> None:
    labels = squares([*range(1, 100), 254])
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", labels)), labels)


def test_a_slightly_smoothed_mask_is_refused_in_grey_and_rgb(tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :40]
    disc = np.clip((15 - np.hypot(x - 20, y - 20)) * 127 + 128, 0, 255).astype(np.uint8)
    for mode in ("L", "RGB"):
        with pytest.raises(UserError, match="smoothed"):
            read_mask(save(tmp_path / f"{mode}.png", disc, mode))


@pytest.mark.parametrize(("bits", "ids"), [(2, [1, 2, 3]), (4, [1, 2, 15])])
def test_grey_of_few_bits_is_not_stretched(bits: int, ids: list[int], tmp_path: Path) -> None:
    labels = squares(ids)[:, : 8 * (squares(ids).shape[1] // 8)]
    per_byte = 8 // bits
    packed = sum(
        labels[:, k::per_byte].astype(int) << (8 - bits * (k + 1)) for k in range(per_byte)
    ).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", labels.shape[1], labels.shape[0], bits, 0, 0, 0, 0)
    path = tmp_path / "few_bits.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(read_mask(path), labels)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_colours_of_the_palette_file_of_davis(tmp_path: Path) -> None:
    labels = squares([9, 11, 13])
    colours = davis_palette()[labels]
    colours[colours == 192] = 191
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", colours)), labels)


def test_an_unknown_colour_is_named(tmp_path: Path) -> None:
    colours = davis_palette()[squares([1, 2])]
    colours[0, 0] = (1, 2, 3)
    with pytest.raises(UserError, match=r"RGB \(1, 2, 3\)"):
        read_mask(save(tmp_path / "a.png", colours))


def test_a_palette_file_of_0_and_255_holds_object_1(tmp_path: Path) -> None:
    image = Image.fromarray(squares([255]))
    image.putpalette(davis_palette().tobytes())
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), squares([1]))


@pytest.mark.parametrize(
    ("array", "ids"), [(squares([1]) > 0, [0, 1]), (squares([7]).astype(np.int64), [0, 7])]
)
def test_arrays_of_booleans_and_integers(array: np.ndarray, ids: list[int], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    assert np.unique(read_mask(tmp_path / "a.npy")).tolist() == ids


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), np.float32), "float32"),
        (np.zeros((4, 4, 3), np.uint8), "shape"),
        (np.full((4, 4), -1), "-1 to -1"),
        (np.full((4, 4), 256), "256"),
        (np.zeros((0, 4), np.uint8), "no pixel"),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=message):
        read_mask(tmp_path / "a.npy")


def test_a_cut_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", squares([1]))
    (tmp_path / "b.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:150])
    with pytest.raises(UserError, match=r"b\.npy"):
        read_mask(tmp_path / "b.npy")


def test_palette_starts_with_the_colours_of_davis_and_has_no_twins() -> None:
    palette = davis_palette()
    assert palette.shape == (256, 3) and palette.dtype == np.uint8
    assert palette[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256
