"""Every damaged or unusual sequence, image and mask of the shared data, through ``tools/eval.py``.

Items are put beside one good video, so that each run also shows that others are not harmed.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from eval_tool import check_told, copy_files, ids_in, labels, make_video, nano, run, save_mask
from PIL import Image
from shared_data import shared

# item -> length of the video, and ids given in its first mask
GOOD_SEQUENCES = {
    "missing_first_mask": 5,
    "non_image_files": 5,
    "séquence 東京 (1)": 3,
    "one_frame": 1,
    "gap_in_numbers": 5,
    "unpadded_numbers": 12,
    "uppercase_ext": 3,
    "mixed_jpg_png": 4,
    "grey_frame_mid": 5,
    "object_appears_later": 6,
    "new_object_same_id": 6,
}
BAD_SEQUENCES = {
    "size_change_mid": "frame '00002' is 320x180, but frame '00000' is 428x240.*resize it",
    "no_masks_at_all": "no mask is given; expected at least one mask file",
    "empty_first_mask": "no given mask holds an object, such as .*00000.png; expected pixels",
    "mask_without_frame": r"00002\.png: .* no frame '00002'.*Rename the mask",
    "truncated_frame_mid": r"00002\.jpg: not a complete picture.*Copy or export it again",
    "zero_byte_frame_mid": r"00002\.jpg: the file is empty.*Copy or export it again",
    "duplicate_stem": r"00001\.png and 00001\.jpg: two files for one frame.*Remove one",
    "judo_mask_one_column_short": r"00005\.png: mask is 853x480, its frame 854x480.*at the size",
}
GOOD_IMAGES = (
    *("grey.jpg", "cmyk.jpg", "exif_orientation_6.jpg", "exif_orientation_none_reference.jpg"),
    *("png_content.jpg", "progressive.jpg", "rgba.png", "rgb_16bit.png", "one_pixel.jpg"),
    "tiny_23x17.jpg",
)
BAD_IMAGES = {
    "truncated.jpg": r"not a complete picture \(\d+ bytes\)",
    "header_only.jpg": r"not a complete picture \(200 bytes\)",
    "zero_byte.jpg": "the file is empty",
    "text_not_image.jpg": "not a complete picture",
}
ONE, TWO = frozenset({0, 1}), frozenset({0, 1, 2})
GOOD_MASKS = {  # and the ids written for the frame where they are given
    "good_palette_ids_1_2.png": TWO,
    "grey_ids_1_2.png": TWO,
    "mask_ids_1_2.npy": TWO,
    "palette_permuted.png": TWO,
    "rgb.png": TWO,
    "rgba.png": TWO,
    "uint16_ids_1_2.png": TWO,
    "one_bit.png": ONE,
    "grey_0_255.png": ONE,
    "grey_alpha.png": ONE,  # of 0 and 255
    "single_pixel.png": ONE,
    "full_all_one.png": {1},
    "ids_1_5_255.png": {0, 1, 5},  # void pixels are no result
    "thirty_objects.png": frozenset(range(31)),
}
BAD_MASKS = {
    "zero_byte.png": "the file is empty",
    "truncated.png": "not a complete picture",
    "uint16_ids_300_1000.png": "values are 0 to 1000, object ids must fit in 0 to 255",
    "antialiased_grey.png": "smoothed",
    "jpeg_mask.jpg": "JPEG changes pixel values",
    "other_size_214x120.png": "mask is 214x120, its frame 428x240",
    "transposed_240x428.png": "mask is 240x428, its frame 428x240",
    "empty_all_zero.png": "no given mask holds an object",
}


def segment_beside_a_good_video(root: Path, checkpoint: Path, out: Path) -> str:
    """What a run says that must fail; the good video must be done all the same."""
    make_video(root, "good", 2)
    options = [*nano(checkpoint), "--dataset", "generic", "--data_root", root, "--output", out]
    error = run(*options).error
    assert len(list((out / "Annotations/good").iterdir())) == 2
    assert (out / "finished/good.json").is_file()
    assert not list(out.glob("*.zip"))
    return error


@pytest.fixture(scope="module")
def sequences(checkpoint, tmp_path_factory) -> tuple[Path, str]:
    """Result folder and error of one run over all sequences."""
    folder = tmp_path_factory.mktemp("sequences")
    shutil.copytree(shared("data", "bad", "sequences"), folder / "data")
    error = segment_beside_a_good_video(folder / "data", checkpoint, folder / "out")
    return folder / "out", error


@pytest.mark.parametrize("name", GOOD_SEQUENCES)
def test_unusual_sequences_are_segmented(sequences, name):
    out, error = sequences
    frames = list(shared("data", "bad", "sequences", "JPEGImages", name).iterdir())
    written = {path.stem: path for path in (out / "Annotations" / name).iterdir()}
    pictures = (p for p in frames if p.suffix.lower() in (".jpg", ".png") and p.name[0] != ".")
    assert set(written) == {path.stem for path in pictures}
    assert len(written) == GOOD_SEQUENCES[name]
    assert {labels(path).shape for path in written.values()} == {(240, 428)}
    assert f"  {name}: " not in error
    record = json.loads((out / "finished" / f"{name}.json").read_text())
    assert record["frames"] == len(written)
    for mask in shared("data", "bad", "sequences", "Annotations", name).glob("*.png"):
        with Image.open(mask) as image:
            given = np.array(image)
        assert (labels(written[mask.stem])[given > 0] == given[given > 0]).all()
    if name == "missing_first_mask":
        assert all(ids_in(written[f"0000{t}"]) == {0} for t in range(3))


@pytest.mark.parametrize("name", BAD_SEQUENCES)
def test_bad_sequences_are_told_and_the_others_kept(sequences, name):
    out, error = sequences
    check_told(name, BAD_SEQUENCES[name], "", error)
    assert not (out / "finished" / f"{name}.json").exists()


def test_the_end_of_a_run_with_bad_sequences_counts_and_advises(sequences):
    out, error = sequences
    assert error.startswith("error: 8 of 20 videos failed, so no zip was made:")
    assert f"12 finished videos are kept in {out / 'Annotations'}" in error
    assert error.endswith("mend what failed and run the same command again")


@pytest.fixture(scope="module")
def images(checkpoint, tmp_path_factory) -> tuple[Path, str]:
    """Every image as both frames of a video of its own, masked at its upright size."""
    folder = tmp_path_factory.mktemp("images")
    root, source = folder / "data", shared("data", "bad", "images")
    for path in source.iterdir():
        for frame in range(2):
            copy_files(source, root / "JPEGImages" / path.name, path.name)
            (root / "JPEGImages" / path.name / path.name).rename(
                root / "JPEGImages" / path.name / f"{frame:05d}{path.suffix}"
            )
        mask = np.zeros(image_size(path.name))
        mask[: mask.shape[0] // 2 + 1] = 3
        save_mask(root / "Annotations" / path.name / "00000.png", mask)
    return folder / "out", segment_beside_a_good_video(root, checkpoint, folder / "out")


def image_size(name: str) -> tuple[int, int]:
    """(H, W)"""
    return {"one_pixel.jpg": (1, 1), "tiny_23x17.jpg": (17, 23)}.get(name, (240, 428))


@pytest.mark.parametrize("name", GOOD_IMAGES)
def test_unusual_images_are_segmented(images, name):
    out, error = images
    written = [labels(out / "Annotations" / name / f"0000{t}.png") for t in range(2)]
    assert [mask.shape for mask in written] == [image_size(name)] * 2
    assert set(np.unique(written[0])) | {0} == {0, 3}
    assert f"  {name}: " not in error


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_unreadable_images_are_told(images, name):
    check_told(name, BAD_IMAGES[name], f"{name}/00000{Path(name).suffix}", images[1])


@pytest.fixture(scope="module")
def masks(checkpoint, tmp_path_factory) -> tuple[Path, str]:
    """Every mask as that of a video of two frames."""
    folder = tmp_path_factory.mktemp("masks")
    root, source = folder / "data", shared("data", "bad", "masks")
    for path in source.iterdir():
        if path.name == "frame.jpg":
            continue
        for frame in range(2):
            (root / "JPEGImages" / path.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(source / "frame.jpg", root / f"JPEGImages/{path.name}/0000{frame}.jpg")
        (root / "Annotations" / path.name).mkdir(parents=True)
        shutil.copy(path, root / "Annotations" / path.name / f"00000{path.suffix}")
    return folder / "out", segment_beside_a_good_video(root, checkpoint, folder / "out")


@pytest.mark.parametrize("name", GOOD_MASKS)
def test_unusual_masks_are_followed(masks, name):
    first, second = (masks[0] / "Annotations" / name / f"0000{t}.png" for t in range(2))
    assert ids_in(first) == GOOD_MASKS[name]
    assert ids_in(second) <= GOOD_MASKS[name] - {255} | {0}
    assert f"  {name}: " not in masks[1]
    if GOOD_MASKS[name] == {0, 1, 2}:
        with Image.open(shared("data", "bad", "masks", "good_palette_ids_1_2.png")) as image:
            assert (labels(first) == np.array(image)).all()


@pytest.mark.parametrize("name", BAD_MASKS)
def test_bad_masks_are_told(masks, name):
    check_told(name, BAD_MASKS[name], f"Annotations/{name}/00000", masks[1])


@pytest.mark.parametrize(
    ("folder", "tested"),
    [
        ("sequences/JPEGImages", {*GOOD_SEQUENCES, *BAD_SEQUENCES}),
        ("images", {*GOOD_IMAGES, *BAD_IMAGES}),
        ("masks", {*GOOD_MASKS, *BAD_MASKS, "frame.jpg"}),
    ],
)
def test_every_item_is_tested(folder, tested):
    assert {path.name for path in shared("data", "bad", folder).iterdir()} == tested
