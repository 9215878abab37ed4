"""Reading frames: every odd file is either read as the reference reads it or refused by name."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from shared_data import shared

from mavos.dataloaders.media.images import list_images, read_image
from mavos.utils.errors import UserError

UPRIGHT = (240, 428, 3)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cmyk.jpg", UPRIGHT),
        ("exif_orientation_6.jpg", UPRIGHT),
        ("exif_orientation_none_reference.jpg", UPRIGHT),
        ("grey.jpg", UPRIGHT),
        ("one_pixel.jpg", (1, 1, 3)),
        ("png_content.jpg", UPRIGHT),
        ("progressive.jpg", UPRIGHT),
        ("rgb_16bit.png", UPRIGHT),
        ("rgba.png", UPRIGHT),
        ("tiny_23x17.jpg", (17, 23, 3)),
    ],
)
def test_unusual_pictures_are_read(name: str, shape: tuple[int, ...]) -> None:
    image = read_image(shared("data", "bad", "images", name))
    assert image.shape == shape and image.dtype == np.uint8 and image.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("header_only.jpg", "not a complete picture"),
        ("text_not_image.jpg", "not a complete picture"),
        ("truncated.jpg", "not a complete picture"),
        ("zero_byte.jpg", "empty"),
    ],
)
def test_damaged_pictures_are_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(UserError, match=f"{name}.*{message}"):
        read_image(shared("data", "bad", "images", name))


def test_every_bad_image_has_a_test() -> None:
    assert len(list(shared("data", "bad", "images").iterdir())) == 14


def test_exif_orientation_turns_the_picture_upright() -> None:
    folder = shared("data", "bad", "images")
    turned = read_image(folder / "exif_orientation_6.jpg").astype(int)
    reference = read_image(folder / "exif_orientation_none_reference.jpg")
    assert np.abs(turned - reference).mean() < 4  # two JPEG encodings of one picture


def test_channels_are_rgb_as_opencv_decodes_them() -> None:
    path = shared("data", "DAVIS", "JPEGImages", "480p", "dog", "00000.jpg")
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path))[..., ::-1])


def test_bytes_after_the_end_of_a_jpeg_are_harmless(tmp_path: Path) -> None:
    source = shared("data", "bad", "images", "progressive.jpg")
    padded = tmp_path / "padded.jpg"
    padded.write_bytes(source.read_bytes() + b"\0" * 100)
    np.testing.assert_array_equal(read_image(padded), read_image(source))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tif", ".jpg"])
def test_a_cut_file_of_any_format_is_refused(suffix: str, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    data = cv2.imencode(suffix, picture)[1].tobytes()
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    whole.write_bytes(data)
    cut.write_bytes(data[: len(data) * 6 // 10])
    assert read_image(whole).shape == picture.shape
    with pytest.raises(UserError, match="cut"):
        read_image(cut)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_image(tmp_path / "none.jpg")


def test_frames_are_listed_in_natural_order_without_other_files(tmp_path: Path) -> None:
    for name in ("10.jpg", "2.JPG", "1.png", ".hidden.jpg", "._1.jpg", "Thumbs.db", "3.jpg.part"):
        (tmp_path / name).touch()
    (tmp_path / "4.jpg.d").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["1.png", "2.JPG", "10.jpg"]


def test_natural_order_of_mixed_names(tmp_path: Path) -> None:
    names = ["5.jpg", "frame 2.jpg", "frame 10.jpg", "é.jpg"]
    for name in reversed(names):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == names


def test_two_files_of_one_stem_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "00001.jpg").touch()
    (tmp_path / "00001.png").touch()
    with pytest.raises(UserError, match=r"00001\.png and 00001\.jpg"):
        list_images(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image file"):
        list_images(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        list_images(tmp_path / "absent")
