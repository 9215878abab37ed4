"""Small unusual inputs score as the official scorers were seen to score them."""

import json
from pathlib import Path

import pytest
from scoring_cases import save_masks, score_root

from mavos.scoring.plans import Options
from mavos.utils.errors import UserError

# (left half, right half) of each frame


def _score(tmp_path: Path, protocol: str, truth: list, predicted: list, **options) -> dict:
    """J of every object; the scores themselves under the key None."""
    gt = save_masks(tmp_path / "gt" / "s", *truth)
    pred = save_masks(tmp_path / "pred" / "s", *predicted)
    scores = score_root(protocol, gt, pred, Options(**options))
    objects = scores.videos["s"]
    return {i: scores.of_object("s", i)["J-Mean"] for i in objects} | {None: scores}


def test_davis_knows_an_object_between_the_ids_of_the_first_mask(tmp_path):
    truth = [(1, 3)] * 4
    assert _score(tmp_path / "a", "davis2017", truth, truth).keys() == {1, 2, 3, None}
    found = _score(tmp_path / "b", "davis2017", truth, [(1, 2)] * 4)
    assert [found[i] for i in (1, 2, 3)] == [1, 0, 0]


def test_davis_takes_void_for_background(tmp_path):
    truth = [(1, 255)] * 4
    assert _score(tmp_path / "a", "davis2017", truth, [(1, 0)] * 4)[1] == 1
    assert _score(tmp_path / "b", "davis2017", truth, [(1, 1)] * 4)[1] == 0.5


def test_davis_needs_three_frames(tmp_path):
    assert _score(tmp_path / "a", "davis2017", [(1, 2)] * 3, [(1, 2)] * 3)[2] == 1
    with pytest.raises(UserError, match="nothing to score, 2 masks"):
        _score(tmp_path / "b", "davis2017", [(1, 2)] * 2, [(1, 2)] * 2)


def test_davis_ignores_a_late_object_that_nobody_predicts(tmp_path):
    truth = [(1, 0), (1, 3), (1, 3), (1, 3)]
    assert _score(tmp_path / "a", "davis2017", truth, [(1, 0)] * 4).keys() == {1, None}
    with pytest.raises(UserError, match=r"00001\.png: object 3 appears in mid-video"):
        _score(tmp_path / "b", "davis2017", truth, truth)


def test_davis_does_not_look_at_the_first_and_the_last_prediction(tmp_path):
    predicted = [(1, 7), (1, 2), (1, 2), (7, 2)]
    assert _score(tmp_path / "a", "davis2017", [(1, 2)] * 4, predicted)[1] == 1
    with pytest.raises(UserError, match=r"00002\.png: object id 7"):
        _score(tmp_path / "b", "davis2017", [(1, 2)] * 5, [*predicted[:2], (1, 7), *predicted[:2]])


def test_a_full_and_an_empty_mask_have_no_boundary(tmp_path):
    score = _score(tmp_path, "davis2017", [(1, 1)] * 4, [(1, 1), (0, 0), (1, 0), (0, 0)])[None]
    assert score.videos["s"][1].j == [0, 0.5]
    assert score.videos["s"][1].f == [1, 0]


def test_long_time_video_scores_the_last_frame_and_takes_black_and_white(tmp_path):
    truth = [(1, 0)] * 3
    assert _score(tmp_path / "a", "ltv", truth, [(0, 0), (255, 0), (0, 255)])[1] == 0.5
    (tmp_path / "a" / "pred" / "s" / "00000.png").unlink()
    score_root("ltv", tmp_path / "a" / "gt", tmp_path / "a" / "pred")  # its mask is given
    (tmp_path / "a" / "pred" / "s" / "00002.png").unlink()
    with pytest.raises(UserError, match=r"00002\.png: no such prediction; 1 of 2"):
        score_root("ltv", tmp_path / "a" / "gt", tmp_path / "a" / "pred")
    with pytest.raises(UserError, match=r"00001\.png: object id 7, but Long-Time Video"):
        _score(tmp_path / "b", "ltv", truth, [(0, 0), (1, 7), (1, 0)])
    with pytest.raises(UserError, match=r"gt/s/00000\.png: no object in the first mask"):
        _score(tmp_path / "c", "ltv", [(255, 0)] * 3, truth)


def test_mose_counts_a_false_alarm_before_the_object_comes(tmp_path):
    truth = [(1, 0)] * 3 + [(1, 3)] * 5
    predicted = [truth[0], (1, 3), *truth[2:]]
    found = _score(tmp_path / "a", "mose", truth, predicted)
    assert found[1] == 1
    assert found[3] == pytest.approx(5 / 6)
    never = _score(tmp_path / "b", "mose", truth, [(1, 0)] * 8)
    assert never[3] == 0 and len(never[None].videos["s"][3].j) == 4
    assert (
        len(_score(tmp_path / "c", "mose", truth, truth, all_frames=True)[None].videos["s"][1].j)
        == 8
    )


def _lvos(folder: Path, predicted: list, truth: list | None = None) -> tuple[Path, Path]:
    """A dataset of one object over frames 1, 6, 11, 16, and predictions."""
    gt = save_masks(folder / "gt" / "Annotations" / "s", *(truth or [(1, 0)] * 4))
    pred = save_masks(folder / "pred" / "s", *predicted)
    for root in (gt, pred):
        for path in sorted((root / "s").glob("?????.png")):
            path.rename(path.with_name(f"{1 + 5 * int(path.stem):08d}.png"))
    entry = {"frame_range": {"start": "00000001", "end": "00000016", "frame_nums": 4}}
    meta = {"videos": {"s": {"objects": {"1": entry}}}}
    (gt.parent / "valid_meta.json").write_text(json.dumps(meta))
    return gt.parent, pred


def test_lvos_ignores_other_ids_and_void_and_asks_only_for_scored_frames(tmp_path):
    for name, right in (("other id", 9), ("void", 255)):
        gt, pred = _lvos(tmp_path / name, [(1, 0), (1, right), (1, 0), (1, 0)])
        assert score_root("lvos", gt, pred).total()["J-Mean"] == 1, name
    for frame in ("00000001", "00000016"):
        (pred / "s" / f"{frame}.png").unlink()
    assert score_root("lvos", gt, pred).total()["V-Mean"] == 0
    (pred / "s" / "00000006.png").unlink()
    with pytest.raises(UserError, match=r"00000006\.png: no such prediction; 1 of 2"):
        score_root("lvos", gt, pred)
    (gt / "Annotations" / "s" / "00000011.png").unlink()
    with pytest.raises(UserError, match=r"00000011\.png: no such mask, but .* a range; 1 are"):
        score_root("lvos", gt, pred)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_nums": "four"}, r"objects/1/frame_range: frame_nums is 'four', no number"),
        ({"frame_nums": 2, "end": "00000006"}, r"nothing to score in a range of 2 frames"),
        ({"start": None}, r"start is None, no number"),
    ],
)
def test_a_meta_file_of_lvos_that_makes_no_sense_is_told(tmp_path, change, message):
    gt, pred = _lvos(tmp_path, [(1, 0)] * 4)
    meta = json.loads((gt / "valid_meta.json").read_text())
    meta["videos"]["s"]["objects"]["1"]["frame_range"] |= change
    (gt / "valid_meta.json").write_text(json.dumps(meta))
    with pytest.raises(UserError, match=r"valid_meta\.json: videos/s.*" + message):
        score_root("lvos", gt, pred)


def test_youtube_vos_needs_the_mask_of_the_first_frame_of_an_object(tmp_path):
    gt = save_masks(tmp_path / "gt" / "Annotations" / "s", *[(1, 0)] * 3).parent
    pred = save_masks(tmp_path / "pred" / "s", *[(1, 0)] * 3)
    for first, number in (("00000", 2), ("00001", 1)):
        objects = {"1": {"category": "dog", "frames": [first]}}
        objects["2"] = {"category": "cat", "frames": ["00002"]}  # given with the last frame
        (gt / "meta.json").write_text(json.dumps({"videos": {"s": {"objects": objects}}}))
        scores = score_root("ytvos", gt, pred)
        assert {i: len(score.j) for i, score in scores.videos["s"].items()} == {1: number}
    objects["1"]["frames"] = ["00007"]
    (gt / "meta.json").write_text(json.dumps({"videos": {"s": {"objects": objects}}}))
    with pytest.raises(UserError, match=r"00007\.png: no such mask, but object 1 is given there"):
        score_root("ytvos", gt, pred)
