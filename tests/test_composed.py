"""Composed clips: exact masks, the same pixels for the same seed, bad folders told by name."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mavos.dataloaders.synthetic.composed import scene as composed_scene
from mavos.dataloaders.synthetic.composed.bends import Joint, draw_joints, draw_warp
from mavos.dataloaders.synthetic.composed.clips import compose, write_clips
from mavos.dataloaders.synthetic.composed.looks import Look, morph, moving_look
from mavos.dataloaders.synthetic.composed.material import (
    Cutout,
    find_material,
    held_out,
    read_cutout,
)
from mavos.dataloaders.synthetic.composed.motion import draw_path, leave_for_a_while, smooth
from mavos.dataloaders.synthetic.composed.things import Thing, make_thing
from mavos.utils.errors import UserError

LENGTH, SIDE = 6, 64


def cutout(colour: tuple[int, int, int], size: tuple[int, int] = (60, 40)) -> np.ndarray:
    """BGRA: an ellipse."""
    picture = np.zeros((*size, 4), np.uint8)
    centre = (size[1] // 2, size[0] // 2)
    cv2.ellipse(picture, centre, (size[1] // 3, size[0] // 3), 0, 0, 360, (*colour, 255), -1)
    return picture


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two still cut-outs, one that moves, two photographs."""
    root = tmp_path_factory.mktemp("material")
    for name in ("cutouts/walker", "photographs"):
        (root / name).mkdir(parents=True)
    for k, colour in enumerate([(0, 0, 255), (0, 255, 0)]):
        cv2.imwrite(str(root / f"cutouts/thing{k}.png"), cutout(colour))
    for t in range(5):
        frame = cv2.copyMakeBorder(cutout((255, 0, 0), (60, 30 + 4 * t)), 0, 0, 0, 20 - 4 * t, 0)
        cv2.imwrite(str(root / f"cutouts/walker/{t}.png"), frame)
    rng = np.random.default_rng(0)
    for k in range(2):
        noise = rng.integers(0, 255, (12, 16, 3), np.uint8)
        cv2.imwrite(str(root / f"photographs/{k}.jpg"), cv2.resize(noise, (160, 120)))
    return root


@pytest.fixture(scope="module")
def material(folders):
    return find_material([f"{folders}/cutouts"], [f"{folders}/photographs"])


def test_the_same_seed_and_index_give_the_same_pixels(material):
    one, same, other = (compose(material, 3, k, LENGTH, SIDE) for k in (5, 5, 6))
    assert np.array_equal(one.frames, same.frames) and np.array_equal(one.labels, same.labels)
    assert one.frames.shape != other.frames.shape or not np.array_equal(one.frames, other.frames)


@pytest.mark.parametrize("index", range(12))
def test_clips_show_their_objects(material, index):
    clip = compose(material, 0, index, LENGTH, SIDE, most_objects=3)
    assert clip.frames.shape == (*clip.labels.shape, 3)
    assert len(clip.frames) == LENGTH and min(clip.labels.shape[1:]) == SIDE
    assert clip.labels.max() <= 3
    assert ((clip.labels > 0).sum((1, 2)) > 0).mean() >= 0.5


def test_labels_are_where_the_thing_was_drawn():
    picture = np.ones((20, 30, 4), np.float32)
    path = draw_path(np.random.default_rng(0), 2, (80, 80), at=(40, 40), calm=0)
    path.scale[:], path.angle[:], path.yaw[:], path.pitch[:] = 1, 0, 0, 0
    path.x[:], path.y[:] = 40, 40
    patch = Thing(Look([picture]), path, 1).draw(0, (80, 80))
    whole = np.zeros((80, 80))
    height, width = patch.rgba.shape[:2]
    whole[patch.top : patch.top + height, patch.left : patch.left + width] = patch.rgba[..., 3]
    assert abs(whole.sum() - 600) < 60
    rows, columns = np.nonzero(whole > 0.5)
    assert abs(rows.mean() - 39.5) < 1 and abs(columns.mean() - 39.5) < 1


@pytest.mark.parametrize("place", [(-500, 40), (40, 600), (-17, 40), (40, 97), (95, -12)])
def test_things_beyond_the_border_do_no_harm(place):
    path = draw_path(np.random.default_rng(1), 4, (80, 80), at=place)
    path.x[:], path.y[:] = place
    thing = make_thing(np.random.default_rng(2), Look([np.ones((20, 30, 4), np.float32)]), path, 1)
    thing.shutter = 0.5
    for t in range(4):
        patch = thing.draw(t, (80, 80))
        assert patch is None or min(patch.rgba.shape) > 0


def test_a_joint_turns_what_lies_beyond_it_and_leaves_the_rest():
    centre, towards = np.array([10.0, 10.0], np.float32), np.array([1.0, 0.0], np.float32)
    joint = Joint(centre, towards, 2.0, 8.0, np.array([0.0, 0.5], np.float32))
    y, x = np.mgrid[0:20, 0:20].astype(np.float32)
    places = np.dstack([x, y])
    for t, moved in ((0, 0), (1, 1)):
        moves = np.zeros_like(places)
        joint.add(moves, places, t)
        assert not moves[:, :10].any()
        assert (np.abs(moves[10, 15:]).max() > 1) == bool(moved)


def test_bends_and_warps_keep_to_the_length(material):
    rng = np.random.default_rng(0)
    joints = draw_joints(rng, LENGTH, read_cutout(material.cutouts[0].frames[0])[..., 3] / 255)
    assert joints and all(len(joint.angles) == LENGTH for joint in joints)
    assert draw_warp(rng, LENGTH, (40, 60), 1.0).grids.shape[0] == LENGTH
    assert draw_joints(rng, LENGTH, np.zeros((9, 9))) == []


def test_a_moving_cutout_moves(material):
    walker = next(c for c in material.cutouts if c.moves)
    look = moving_look(np.random.default_rng(0), walker, LENGTH, 20)
    areas = {int((p[..., 3] > 0.5).sum()) for p in look.pictures}
    assert len(look.pictures) == LENGTH and len(areas) > 1
    assert len({p.shape for p in look.pictures}) == 1


def test_a_morph_goes_from_one_outline_to_the_other():
    first, second = (np.zeros((30, 30, 4), np.float32) for _ in range(2))
    first[5:25, 5:10], second[5:10, 5:25] = 1, 1
    look = morph(np.random.default_rng(0), first, second, 12)
    assert np.abs(look.at(0)[..., 3] - look.at(11)[..., 3]).sum() > 20


def test_a_long_absence_is_out_of_the_picture():
    rng = np.random.default_rng(4)
    path = draw_path(rng, 24, (60, 80), at=(40, 30), calm=0)
    leave_for_a_while(rng, path, (60, 80))
    out = (path.x < 0) | (path.x > 80) | (path.y < 0) | (path.y > 60)
    assert out.sum() >= 3 and not out[0] and not out[-1]


def test_smooth_paths_are_smooth():
    path = smooth(np.random.default_rng(0), 200, 1.0, 20)
    assert np.abs(path).max() <= 1.5 and np.abs(np.diff(path, 2)).max() < 0.05


def test_written_clips_can_be_read_and_are_not_made_twice(material, tmp_path, monkeypatch):
    folders = write_clips(tmp_path, material, 0, range(2), length=LENGTH, side=SIDE)
    clip = compose(material, 0, 1, LENGTH, SIDE)
    with Image.open(tmp_path / "Annotations" / folders[1].name / "00003.png") as mask:
        assert np.array_equal(mask, clip.labels[3])
    assert len(list(folders[1].iterdir())) == LENGTH
    monkeypatch.setattr(composed_scene, "draw_look", None)
    assert write_clips(tmp_path, material, 0, range(2), length=LENGTH, side=SIDE) == folders


def test_held_out_sources_are_apart(tmp_path):
    for k in range(40):
        for mirror in ("", "_mirror"):
            cv2.imwrite(
                str(tmp_path / f"thing-{'abcdefgh'[k % 8]}{k}{mirror}.png"), cutout((9, 9, 9))
            )
    material = find_material([str(tmp_path)], [str(tmp_path)])
    train, held = held_out(material, share=0.3)
    names = [{c.frames[0].stem[:7] for c in m.cutouts} for m in (train, held)]
    assert names[0] and names[1] and not names[0] & names[1]
    assert len(train.cutouts) + len(held.cutouts) == len(material.cutouts)


def test_bad_folders_are_told(folders, tmp_path):
    good = [f"{folders}/cutouts"], [f"{folders}/photographs"]
    cv2.imwrite(str(tmp_path / "opaque.png"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(UserError, match="1 cut-out found, at least 2"):
        find_material([str(tmp_path)], good[1])
    cv2.imwrite(str(tmp_path / "other.png"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(UserError, match=r"opaque.png.*other.png.*alpha"):
        find_material([str(tmp_path)], good[1])
    with pytest.raises(UserError, match="no such folder"):
        find_material([str(tmp_path / "nowhere")], good[1])
    with pytest.raises(UserError, match=r"write .*4"):
        find_material([f"{folders}/cutouts*many"], good[1])
    broken = tmp_path / "photographs"
    broken.mkdir()
    (broken / "half.jpg").write_bytes((folders / "photographs/0.jpg").read_bytes()[:9])
    with pytest.raises(UserError, match="1 photograph found"):
        find_material(good[0], [str(broken)])
    (broken / "text.jpg").write_text("no picture")
    with pytest.raises(UserError, match=r"half.jpg.*text.jpg.*cannot be read"):
        find_material(good[0], [str(broken)])


def test_cutouts_of_which_nothing_shows_are_told(tmp_path):
    for name, alpha, told in (("full", 255, "transparent; expected"), ("empty", 0, "all of it")):
        picture = np.full((20, 20, 4), alpha, np.uint8)
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
        with pytest.raises(UserError, match=told):
            read_cutout(tmp_path / f"{name}.png")


def test_frames_of_different_sizes_are_told(tmp_path):
    for t, width in enumerate((40, 50)):
        cv2.imwrite(str(tmp_path / f"{t}.png"), cutout((9, 9, 9), (60, width)))
    frames = tuple(sorted(tmp_path.iterdir()))
    with pytest.raises(UserError, match="of one size"):
        moving_look(np.random.default_rng(0), Cutout(frames), LENGTH, 20)


def test_mistakes_are_told(material):
    for mistake in ({"length": 1}, {"side": 8}, {"most_objects": 0}):
        with pytest.raises(UserError, match="expected"):
            compose(material, 0, 0, **mistake)
