"""Every protocol gives the numbers of the official scorer, on each frame where they are known."""

import json

import pytest
from PIL import Image
from scoring_cases import EXACT, recorded, score_davis, score_root
from shared_data import shared

from mavos.dataloaders.media.mask_files import read_mask
from mavos.scoring.metrics import statistics, variability
from mavos.scoring.plans import Options
from mavos.scoring.scores import Scores
from mavos.utils.errors import UserError

CASES = (
    *("osvos", "perfect", "empty", "full", "shift", "dilate", "erode", "single_pixel"),
    *("ids_swapped", "object_missing", "lag", "first_frame_copy"),
)


def _split(name: str) -> tuple[str, int]:
    video, _, object_id = name.rpartition("_")
    return video, int(object_id)


def _videos(objects: dict) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_split(name)[0] for name in objects))


@pytest.mark.parametrize("case", CASES)
def test_davis_2017(case):
    expected = recorded("davis", "expected", f"{case}.json")
    scores = score_davis(f"pred/{case}", _videos(expected["objects"]))
    assert sum(map(len, scores.videos.values())) == len(expected["objects"])
    for name, entry in expected["objects"].items():
        video, object_id = _split(name)
        score, ours = scores.videos[video][object_id], scores.of_object(video, object_id)
        for letter, values in (("J", score.j), ("F", score.f)):
            assert values == pytest.approx(entry[letter]["per_frame"], **EXACT), (name, letter)
            for what in ("mean", "recall", "decay"):
                measured = ours[f"{letter}-{what.title()}"]
                assert measured == pytest.approx(entry[letter][what], **EXACT), (name, what)
        assert ours["J&F-Mean"] == pytest.approx(entry["J&F"], **EXACT)
    for title, means in expected["global"].items():
        chosen = {
            video: objects
            for video, objects in scores.videos.items()
            if title.startswith("all") or (video == "composite-3obj") == (title == "composite-3obj")
        }
        assert Scores(chosen, scores.measures).total() == pytest.approx(means, **EXACT), title


def test_davis_2016():
    expected = recorded("davis", "expected", "osvos_davis2016_convention.json")["sequences"]
    gt, pred = shared("data", "DAVIS"), shared("metrics", "davis", "pred", "osvos")
    scores = score_root("davis2016", gt, pred, videos=list(expected))  # the truth is 0/255
    for video, entry in expected.items():
        score = scores.videos[video][1]
        for letter, values in (("J", score.j), ("F", score.f)):
            assert values == pytest.approx(entry[letter]["per_frame"], **EXACT)
            got = [scores.of_object(video, 1)[f"{letter}-{w}"] for w in ("Recall", "Decay")]
            assert got == pytest.approx([entry[letter]["recall"], entry[letter]["decay"]], **EXACT)


def test_davis_2016_merges_objects_and_takes_black_and_white():
    video = ("car-shadow",)
    plain = score_davis("pred/osvos", video, "davis2016")
    assert plain.videos == score_davis("pred/osvos", video).videos
    black_and_white = score_davis("pred_errors/values_0_255", video, "davis2016")
    assert black_and_white.total()["J-Mean"] > 0.9
    merged = score_davis("pred/ids_swapped", ("composite-3obj",), "davis2016")
    assert list(merged.videos["composite-3obj"]) == [1]
    assert merged.total()["J-Mean"] > 0.85  # ids do not matter


@pytest.mark.parametrize("case", ["tracker", "shift", "perfect", "empty"])
def test_lvos(case, tmp_path):
    expected, gt = recorded("lvos", "expected", f"{case}.json"), shared("metrics", "lvos", "gt")
    scores = score_root("lvos", gt, _lvos_predictions(case, tmp_path))
    assert scores.total() == pytest.approx(expected["global"], **EXACT)
    assert list(scores.total()) == list(expected["global"])
    for name, entry in expected["objects"].items():
        video, object_id = _split(name)
        score, ours = scores.videos[video][object_id], scores.of_object(video, object_id)
        assert len(score.j) == entry["n_frames_evaluated"]
        for letter, values in (("J", score.j), ("F", score.f)):
            assert values == pytest.approx(entry.get(f"{letter}_per_frame", values), **EXACT)
        for letter in "JFV":
            assert ours[f"{letter}-Mean"] == pytest.approx(entry[letter], **EXACT), (name, letter)


def _lvos_predictions(case, folder):
    """Recorded masks, or what has no folder of its own: the truth, or nothing at all."""
    if case in ("tracker", "shift"):
        return shared("metrics", "lvos", "pred", case)
    truth = shared("metrics", "lvos", "gt", "Annotations")
    if case == "perfect":
        return truth
    for path in truth.glob("*/*.png"):
        copy = folder / path.parent.name / path.name
        copy.parent.mkdir(exist_ok=True)
        with Image.open(path) as image:
            Image.new("L", image.size).save(copy, compress_level=1)
    return folder


def _changed_meta(tmp_path, **changes: str):
    """The meta file of LVOS with another range of object 3 of composite-appear."""
    meta = recorded("lvos", "gt", "valid_meta.json")
    meta["videos"]["composite-appear"]["objects"]["3"]["frame_range"] |= changes
    path = tmp_path / "meta.json"
    path.write_text(json.dumps(meta))
    return path


VARIANTS = {
    "end_plus_one": {"end": "00000197"},
    "frame_nums_too_large_by_5": {"frame_nums": "29"},
    "object_3_range_starts_at_first_frame": {"start": "00000001", "frame_nums": "40"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_lvos_with_other_ranges(variant, tmp_path):
    expected = recorded("lvos", "expected", "meta_variants_tracker.json")[variant]
    gt, pred = shared("metrics", "lvos", "gt"), shared("metrics", "lvos", "pred", "tracker")
    meta = _changed_meta(tmp_path, **VARIANTS[variant])
    if "too_large" in variant:
        with pytest.raises(UserError, match=r"objects/3: frame_nums is 29, .* only 24 frames"):
            score_root("lvos", gt, pred, meta=meta)
    scores = score_root("lvos", gt, pred, Options(like_toolkit=True), meta=meta)
    assert scores.total() == pytest.approx(expected["global"], **EXACT)
    third = expected["object_3_of_appear_clip"]
    ours = scores.of_object("composite-appear", 3)
    assert [ours[f"{m}-Mean"] for m in "JFV"] == pytest.approx([third[m] for m in "JFV"], **EXACT)
    assert len(scores.videos["composite-appear"][3].j) == third["n_frames_evaluated"]


def test_lvos_with_a_range_that_counts_visible_frames_only(tmp_path):
    meta = _changed_meta(tmp_path, start="00000001", frame_nums="24")
    gt, pred = shared("metrics", "lvos", "gt"), shared("metrics", "lvos", "pred", "tracker")
    with pytest.raises(UserError, match=r"meta.json: videos/.*objects/3: frame_nums is 24, .* 39"):
        score_root("lvos", gt, pred, meta=meta)


def test_long_time_video(tmp_path):
    gt = shared("metrics", "ltv", "gt")
    of_ids = shared("metrics", "davis", "pred", "osvos")
    for truth in gt.glob("Annotations/*/*.png"):
        video = truth.parent.name
        black_and_white = 255 * read_mask(of_ids / video / truth.name)
        (tmp_path / video).mkdir(exist_ok=True)
        Image.fromarray(black_and_white).save(tmp_path / video / truth.name)
    runs = recorded("ltv", "expected", "osvos.json")["runs"]
    assert runs.keys() == {"osvos", "osvos_values_0_255"}
    for run, expected in runs.items():
        scores = score_root("ltv", gt, tmp_path if "255" in run else of_ids)
        assert scores.total() == pytest.approx(expected["global"], **EXACT)
        for video, entry in expected["sequences"].items():
            score, ours = scores.videos[video][1], scores.of_object(video, 1)
            assert score.frames == entry["frames_evaluated"]
            for letter, values in (("J", score.j), ("F", score.f)):
                assert values == pytest.approx(entry[letter]["per_frame"], **EXACT)
                for what in ("mean", "recall", "decay"):
                    measured = ours[f"{letter}-{what.title()}"]
                    assert measured == pytest.approx(entry[letter][what], **EXACT)


def test_youtube_vos():
    expected = recorded("ytvos", "expected", "tracker.json")
    gt = shared("metrics", "ytvos", "gt")
    scores = score_root("ytvos", gt, shared("metrics", "ytvos", "pred", "tracker"))
    total, means = scores.total(), expected["global"]
    assert total["J&F-Mean"] == pytest.approx(means["overall_G"], **EXACT)
    for letter in "JF":
        for group in ("seen", "unseen"):
            ours = total[f"{letter}-{group}-Mean"]
            assert ours == pytest.approx(means[f"{letter}_{group}"], **EXACT)
    shorter = {group: [] for group in expected["global_without_last_frame"]}
    for name, entry in expected["objects"].items():
        video, object_id = _split(name)
        score = scores.videos[video][object_id]
        for letter, values in (("J", score.j), ("F", score.f)):
            assert values == pytest.approx(entry[f"{letter}_per_frame"], **EXACT), name
            assert sum(values) / len(values) == pytest.approx(entry[letter], **EXACT)
            without_last = sum(values[:-1]) / len(values[:-1])
            assert without_last == pytest.approx(entry[f"{letter}_without_last_frame"], **EXACT)
            shorter[f"{letter}_{scores.groups[video, object_id]}"].append(without_last)
    means = [sum(values) / len(values) for values in shorter.values() if values]
    of_groups = [
        expected["global_without_last_frame"][group] for group in shorter if shorter[group]
    ]
    assert means == pytest.approx(of_groups, **EXACT)
    assert len(means) == 4


RUNS = (
    *("ytvos/tracker", "davis/osvos", "davis/ids_swapped", "davis/object_missing"),
    *("davis/pred_errors/extra_id", "davis/pred_errors/void_255_in_prediction"),
    *("davis/empty", "davis/full"),
)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("frames", ["skip_first_and_last", "all_frames"])
def test_mose_is_scored_as_vos_benchmark_does(run, frames):
    expected = recorded("vos_benchmark", "expected.json")["runs"][run][frames]
    options = Options(all_frames=frames == "all_frames")
    if run.startswith("ytvos"):
        gt, pred = shared("metrics", "ytvos", "gt"), shared("metrics", "ytvos", "pred", "tracker")
        scores = score_root("mose", gt, pred, options)
    else:
        place = run.removeprefix("davis/")
        place = place if "/" in place else f"pred/{place}"
        scores = score_davis(place, _videos(expected["objects"]), "mose", options)
    total = scores.total()
    assert sum(map(len, scores.videos.values())) == len(expected["objects"])
    for name, key in (("J&F-Mean", "J&F"), ("J-Mean", "J"), ("F-Mean", "F")):
        assert total[name] == pytest.approx(expected[key] / 100, **EXACT)
    for name, entry in expected["objects"].items():
        ours = scores.of_object(*_split(name))
        got = [ours["J-Mean"], ours["F-Mean"]]
        assert got == pytest.approx([entry["J"] / 100, entry["F"] / 100], **EXACT), name


def test_decay_of_the_toolkit_can_be_asked_for():
    for vector in recorded("statistics", "davis.json")["vectors"]:
        values = [float("nan") if value is None else value for value in vector["values"]]
        decay = float("nan") if vector["decay"] is None else vector["decay"]
        expected = (vector["mean"], vector["recall"], decay)
        got = statistics(values, eight_bit=True)
        assert got == pytest.approx(expected, nan_ok=True, **EXACT), vector["n"]


def test_variability():
    for vector in recorded("statistics", "lvos_v.json")["vectors"]:
        assert variability(vector["J"], vector["F"]) == pytest.approx(vector["V"], **EXACT)
    with pytest.raises(ValueError, match="no values"):
        variability([], [])
