"""Overlays, sheets, PNGs and curves hold what was asked for."""

import builtins

import numpy as np
import pytest

from mavos.dataloaders.media.images import read_image
from mavos.pictures.drawing import contact_sheet, object_color, overlay, write_png
from mavos.pictures.plots import loss_curve, moving_mean
from mavos.utils.errors import OutputError, UserError


def _image(height: int = 60, width: int = 80, value: int = 100) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def _labels(object_id: int) -> np.ndarray:
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 20:60] = object_id
    return labels


@pytest.mark.parametrize("object_id", [1, 2, 9, 254])
def test_objects_are_tinted_outlined_and_the_rest_stays(object_id):
    image, color = _image(), np.array(object_color(object_id))
    out = overlay(image, _labels(object_id), opacity=0.5)
    assert (image == 100).all()
    assert np.abs(out[30, 40] - (100 + color) / 2).max() <= 1
    assert (out[20, 40] == color).all() and (out[30, 59] == color).all()
    assert (out[19, 40] == 255).all()  # the line around it
    assert (out[:18] == 100).all() and (out[:, 63:] == 100).all()
    assert (overlay(image, _labels(object_id), opacity=1)[30, 40] == color).all()


def test_nothing_to_see_and_void():
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    assert (overlay(noise, _labels(0)) == noise).all()
    void = overlay(_image(), _labels(255), opacity=1)[24:36, 24:56]
    assert len(np.unique(void)) == 2  # two greys: stripes
    assert (void[..., 0] == void[..., 1]).all() and (void[..., 1] == void[..., 2]).all()


def test_neighbouring_ids_have_different_colors():
    colors = [object_color(i) for i in range(1, 8)]
    assert len(set(colors)) == 7
    assert object_color(8) == colors[0]


def test_overlay_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(60, 81, 3\)"):
        overlay(_image(width=81), _labels(1))


def test_ids_above_255_have_the_colours_of_smaller_ones():
    small = _labels(2)
    large = np.where(small > 0, 7 * 1000 + 2, 0).astype(np.uint16)
    assert (overlay(_image(), small) == overlay(_image(), large)).all()
    both = np.zeros((60, 80), np.uint16)
    both[20:40, 20:40], both[20:40, 40:60] = 1, 701  # one colour, two objects
    out = overlay(_image(), both, opacity=0.5)
    assert (out[30, 40] == object_color(1)).all()  # the outline between them
    void = np.full((60, 80), 255, np.uint16)
    assert len(np.unique(overlay(_image(), void, opacity=1)[..., 0])) == 1  # no stripes
    with pytest.raises(ValueError, match="int64"):
        overlay(_image(), both.astype(np.int64))


def _tag(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the overlay differs by its tags: rows and columns."""
    image = _image(*labels.shape)
    plain, tagged = overlay(image, labels), overlay(image, labels, show_ids=True)
    return np.nonzero((plain != tagged).any(-1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tag_is_on_the_largest_part_of_its_object(dtype):
    labels = np.zeros((480, 640), dtype)
    labels[100:300, 400:600], labels[20:60, 20:60] = 5, 5
    rows, columns = _tag(labels)
    assert abs(rows.mean() - 200) < 3 and abs(columns.mean() - 500) < 3
    assert 15 < np.ptp(rows) < 60
    labels[130:270, 430:570] = 0  # a ring: its middle is not in it
    rows, columns = _tag(labels)
    y, x = round(rows.mean()), round(columns.mean())
    assert (labels[y - 4 : y + 5, x - 4 : x + 5] == 5).any()


@pytest.mark.parametrize(("top", "is_above"), [(200, True), (2, False), (470, True)])
def test_a_tag_does_not_hide_a_small_object_nor_leave_the_image(top, is_above):
    labels = np.zeros((480, 640), np.uint8)
    labels[top : top + 8, 630:638] = 123
    rows, columns = _tag(labels)
    assert rows.min() >= 0 and columns.max() <= 639 and len(rows) > 400
    assert rows.max() < top if is_above else rows.min() >= top + 8


def test_nothing_is_tagged_where_there_is_no_object():
    assert len(_tag(_labels(0))[0]) == len(_tag(_labels(255))[0]) == 0


def test_contact_sheet_has_one_cell_for_each_image():
    rows = [[_image(value=10), _image(15, 20, 20)], [_image(60, 40, 30)]]
    sheet = contact_sheet(rows, thumbnail_width=160)
    with_text = contact_sheet(rows, [["a", "b" * 100], ["c"]], ["one", "two"], thumbnail_width=160)
    assert sheet.shape == (2 * 120 + 3 * 6, 2 * 160 + 3 * 6, 3)
    for value, area in [
        (10, 160 * 120),
        (20, 160 * 120),
        (30, 80 * 120),
    ]:  # the last one is upright
        assert (sheet == value).all(-1).sum() == area
        assert (with_text == value).all(-1).sum() == area
    assert (with_text.min(-1) < 100).sum() > (sheet.min(-1) < 100).sum()  # there is text
    assert with_text.shape[1] == sheet.shape[1]  # a long caption is cut


def test_contact_sheet_wants_images_and_as_many_texts():
    with pytest.raises(ValueError, match="an image"):
        contact_sheet([[], []])
    with pytest.raises(ValueError, match="one for each image"):
        contact_sheet([[_image()]], [["a", "b"]])
    with pytest.raises(ValueError, match="2 row titles for 1 rows"):
        contact_sheet([[_image()]], row_titles=["a", "b"])


def test_png_comes_back_as_it_was(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    write_png(tmp_path / "new" / "a.png", noise)
    assert (read_image(tmp_path / "new" / "a.png") == noise).all()
    assert len(list((tmp_path / "new").iterdir())) == 1
    with pytest.raises(OutputError):
        write_png(tmp_path / "new" / "a.png" / "b.png", noise)


def test_moving_mean_is_the_mean_around_each_value():
    values = np.array([1, 2, np.nan, 4, 8])
    assert moving_mean(values, 1) == pytest.approx(values, nan_ok=True)
    assert moving_mean(values, 3) == pytest.approx([1.5, 1.5, 3, 6, 6])
    assert moving_mean(values, 100) == pytest.approx([3.75] * 5)
    assert len(moving_mean(np.array([]), 3)) == 0


def test_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    steps = list(range(100))
    series = {"train": (steps, [1 / (1 + s) for s in steps]), "val": ([0, 50], [0.5, float("nan")])}
    loss_curve(tmp_path / "a.png", series, "Loss")
    loss_curve(tmp_path / "b.png", series, "Loss", log_scale=True)
    linear, log = read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png")
    assert linear.shape == log.shape and (linear != log).any()
    with pytest.raises(ValueError, match=r"val: \(2,\) steps for \(1,\)"):
        loss_curve(tmp_path / "a.png", {"val": ([0, 1], [1])}, "Loss")


def test_without_matplotlib_the_remedy_is_told(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install -e \.\[demo\]"):
        loss_curve(tmp_path / "a.png", {"train": ([0], [1])}, "Loss")
