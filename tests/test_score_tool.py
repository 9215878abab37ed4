"""``tools/score.py`` as a user calls it: what it prints and writes, and what it refuses."""

import csv
import json
import re
import shutil
import zipfile
from pathlib import Path

import eval_tool
import pytest
from eval_tool import ROOT, Ended
from scoring_cases import EXACT, recorded, save_masks
from shared_data import shared

import mavos
from mavos.scoring.command import main
from mavos.utils.errors import UserError

SIX = ("blackswan", "bmx-trees", "car-shadow", "dance-twirl", "dog", "parkour")


def score(*argv: object) -> Ended:
    return eval_tool.run(*argv, main=main)


def davis(pred: Path | str, *videos: str) -> list[object]:
    """Options for predictions of DAVIS, by path or by the name of recorded ones."""
    pred = pred if isinstance(pred, Path) else shared("metrics", "davis", *pred.split("/"))
    gt = shared("data", "DAVIS17", "Annotations", "480p")
    return ["--protocol", "davis2017", "--gt", gt, "--pred", pred, "--videos", *videos]


@pytest.fixture
def small(tmp_path) -> tuple[Path, Path]:
    """Truth and perfect predictions of one video of two objects."""
    frames = [(1, 2), (1, 2), (2, 1), (0, 1), (1, 2)]
    return save_masks(tmp_path / "gt" / "v", *frames), save_masks(tmp_path / "pred" / "v", *frames)


def test_csv_files_are_those_of_the_davis_toolkit(tmp_path):
    ended = score(*davis("pred/osvos", *SIX), "--output", tmp_path / "out")
    assert ended.status == 0, ended.stderr
    expected = shared("metrics", "davis", "expected")
    for name in ("global_results-val.csv", "per-sequence_results-val.csv"):
        official = (expected / f"official_csv_osvos_{name}").read_text()
        assert (tmp_path / "out" / name).read_text() == official
    assert "DAVIS 2017: 6 videos, 6 objects" in ended.stdout and "0.779" in ended.stdout
    told = json.loads((tmp_path / "out" / "scores.json").read_text())
    with (expected / "per_object.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["case"] == "osvos"]
    for row in rows:
        if row["sequence"] not in SIX:
            continue
        entry = told["videos"][row["sequence"]]["objects"][row["object"]]
        assert len(entry["frames"]["J"]) == len(entry["frames"]["names"]) == int(row["n_frames"])
        for key in ("J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay"):
            letter, what = key.split("_")
            assert entry[f"{letter}-{what.title()}"] == pytest.approx(float(row[key]), **EXACT)
        assert entry["J&F-Mean"] == pytest.approx(float(row["J&F"]), **EXACT)


def test_lvos_and_youtube_vos_by_their_roots(tmp_path):
    for protocol, whole in (("lvos", "J&F-Mean"), ("ytvos", "overall_G")):
        gt = shared("metrics", protocol, "gt")
        pred = shared("metrics", protocol, "pred", "tracker")
        out = tmp_path / protocol
        ended = score("--protocol", protocol, "--gt", gt, "--pred", pred, "--output", out)
        assert ended.status == 0, ended.stderr
        assert ("derived" in ended.stdout) == (protocol == "ytvos")
        told = json.loads((out / "scores.json").read_text())
        expected = recorded(protocol, "expected", "tracker.json")["global"]
        assert told["J&F-Mean"] == pytest.approx(expected[whole], **EXACT)
        assert told["videos"]["sav-manual"]["objects"]["2"]["group"] == "unseen"


@pytest.mark.parametrize("top", ["", "Annotations/"])
def test_a_zip_scores_as_its_folder_and_in_processes_as_in_one(small, tmp_path, top):
    gt, pred = small
    for folder in (gt, pred):
        shutil.copytree(folder / "v", folder / "w")
    save_masks(pred / "w", (0, 1), first=2)
    archive = tmp_path / "masks.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(pred.glob("*/*.png")):
            opened.write(path, f"{top}{path.relative_to(pred)}")
        opened.writestr("__MACOSX/v/._00000.png", b"")
    options = ["--protocol", "davis2017", "--gt", gt]
    folder = score(*options, "--pred", pred)
    assert folder.status == 0 and "v_1" in folder.stdout and "1.000" in folder.stdout
    for processes in (1, 2) if top else (1,):
        zipped = score(*options, "--pred", archive, "--processes", processes)
        assert (zipped.status, zipped.stdout) == (0, folder.stdout), zipped.stderr


def test_the_script_in_a_process_of_its_own(small):
    gt, pred = small
    options = ["--protocol", "mose", "--gt", gt, "--pred", pred, "--all_frames"]
    ended = eval_tool.wait(eval_tool.start(ROOT / "tools" / "score.py", *options, cwd=gt))
    assert ended.status == 0, ended.stderr
    assert ended.stdout.startswith("MOSE: 1 videos, 2 objects")
    assert "frame" in ended.stderr  # progress
    (gt / "v" / "00002.png").write_bytes(b"")
    ended = eval_tool.wait(eval_tool.start(ROOT / "tools" / "score.py", *options, cwd=gt))
    assert "gt/v/00002.png: the file is empty" in ended.error


def test_in_python_it_is_the_same(tmp_path, small):
    gt, pred = small
    save_masks(pred / "v", (0, 1), first=2)
    for protocol in ("davis2017", "generic"):
        options = ("--protocol", protocol, "--gt", gt, "--pred", pred, "--output", tmp_path / "out")
        assert score(*options).status == 0
        written = json.loads((tmp_path / "out" / "scores.json").read_text())
        found = mavos.score(str(pred), str(gt), protocol)
        assert found.to_json().items() <= written.items() and found.total()["J&F-Mean"] < 1
    with pytest.raises(UserError, match="unknown protocol 'davis'"):
        mavos.score(pred, gt, "davis")


def test_the_list_of_the_split_says_which_videos(small):
    gt, pred = small
    root = gt.parent / "root"
    shutil.copytree(gt, root / "Annotations" / "480p")
    save_masks(root / "Annotations" / "480p" / "of_train", (1, 2))
    save_masks(root / "ImageSets" / "2017" / "x").joinpath("val.txt").write_text("v\n")
    ended = score("--protocol", "davis2017", "--gt", root, "--pred", pred)
    assert ended.status == 0 and "1 videos" in ended.stdout
    ended = score("--protocol", "davis2017", "--gt", root, "--pred", pred, "--split", "train")
    assert "of_train" in ended.error


RECORDED_FAULTS = {
    "extra_id": (
        "bmx-trees",
        r"extra_id/bmx-trees/000\d\d.png: object id \d+, but DAVIS 2017 .* 1",
    ),
    "frame_missing": ("car-shadow", r"car-shadow/00020.png: no such prediction; 1 of 38"),
    "rgb": ("car-shadow", r"rgb/car-shadow/00001.png: an RGB picture"),
    "values_0_255": ("car-shadow", r"car-shadow/00001.png: only the values 0 and 255"),
    "void_255_in_prediction": ("car-shadow", r"car-shadow/000\d\d.png: value 255 beside object"),
    "wrong_size": ("car-shadow", r"wrong_size/car-shadow/00001.png: 427x240 pixels, .* 854x480"),
}


@pytest.mark.parametrize("case", RECORDED_FAULTS)
def test_what_stops_the_davis_toolkit_is_told(case):
    video, message = RECORDED_FAULTS[case]
    error = score(*davis(f"pred_errors/{case}", video)).error
    assert re.search(message, error), error


def test_first_and_last_prediction_may_be_missing():
    ended = score(*davis("pred_errors/first_and_last_missing", "car-shadow"))
    assert ended.status == 0 and "0.928" in ended.stdout and "0.917" in ended.stdout


def test_black_and_white_truth_and_late_objects_are_told():
    options = davis("pred/osvos", "car-shadow")
    options[3] = shared("data", "DAVIS", "Annotations", "480p")
    error = score(*options).error
    assert "car-shadow/00000.png: no object in the first mask, only 0 or 255" in error
    assert "davis2016" in error
    options = ["--gt", shared("metrics", "lvos", "gt"), "--videos", "composite-appear"]
    options += ["--pred", shared("metrics", "lvos", "pred", "tracker")]
    error = score("--protocol", "davis2017", *options).error
    assert "object 3 appears in mid-video" in error


def _no_frames(gt: Path, pred: Path) -> None:
    for path in sorted((gt / "v").iterdir())[2:]:
        path.unlink()


def _no_video(gt: Path, pred: Path) -> None:
    shutil.rmtree(pred / "v")


def _only_void(gt: Path, pred: Path) -> None:
    save_masks(pred / "v", *[(0, 255)] * 5)


def _only_void_in_truth(gt: Path, pred: Path) -> None:
    save_masks(gt / "v", *[(0, 255)] * 5)


def _cut(gt: Path, pred: Path) -> None:
    path = pred / "v" / "00002.png"
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("protocol", "damage", "message"),
    [
        ("davis2017", _no_frames, "gt/v: nothing to score, 2 masks and the first and the last"),
        ("davis2016", _no_frames, "gt/v: nothing to score, 2 masks"),
        ("mose", _no_frames, "gt/v: nothing to score, 2 masks"),
        ("mose", _no_video, "pred/v: no such folder"),
        ("mose", _only_void, "pred/v/00001.png: only the values 0 and 255; MOSE"),
        ("mose", _only_void_in_truth, "gt/v/00001.png: only the values 0 and 255; MOSE"),
        ("ltv", _only_void_in_truth, "gt/v/00000.png: no object in the first mask"),
        ("ltv", _cut, "pred/v/00002.png: not a complete picture"),
        ("lvos", _cut, "no val_meta.json or valid_meta.json or meta.json there"),
    ],
)
def test_faults_name_the_file(small, protocol, damage, message):
    damage(*small)
    assert message in score("--protocol", protocol, "--gt", small[0], "--pred", small[1]).error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol", "davis2018"], "unknown protocol 'davis2018'; did you mean davis2017"),
        (["--all_frames"], "--all_frames means nothing to protocol davis2017"),
        (["--meta", "x"], "--meta means nothing to protocol davis2017"),
        (["--protocol", "lvos", "--unseen", "x"], "--unseen x: no such file"),
        (["--protocol", "mose", "--like_toolkit"], "--like_toolkit means nothing to protocol mose"),
        (["--pred", "nowhere"], "--pred nowhere: no such folder or zip"),
        (["--gt", "nowhere"], "--gt nowhere: no such folder"),
        (["--videos", "w"], "gt/w: no such folder"),
        (["--processes", "0"], "--processes must be at least 1"),
    ],
)
def test_options_are_checked(small, options, message):
    gt, pred = small
    basic = ["--protocol", "davis2017", "--gt", gt, "--pred", pred]
    assert message in score(*basic, *options).error


def test_damaged_archives(small, tmp_path):
    gt, pred = small
    archive = tmp_path / "masks.zip"
    options = ["--protocol", "davis2017", "--gt", gt, "--pred", archive]
    archive.write_bytes(b"no zip")
    assert "masks.zip as a zip" in score(*options).error
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("readme.txt", "nothing")
    assert "masks.zip: no masks in it" in score(*options).error
    with zipfile.ZipFile(archive, "w") as opened:
        for top in ("a", "b"):
            opened.write(pred / "v" / "00001.png", f"{top}/v/00001.png")
    assert "masks.zip/b/v/00001.png: a second mask" in score(*options).error
    with zipfile.ZipFile(archive, "w") as opened:
        for path in (pred / "v").iterdir():
            opened.write(path, f"v/{path.name}")
    data = bytearray(archive.read_bytes())
    data[data.index(b"IDAT")] ^= 255
    archive.write_bytes(data)
    assert "cannot be unpacked" in score(*options).error
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(pred / "v" / "00001.png", "other/00001.png")
    assert "masks.zip: no masks of video 'v' in it" in score(*options).error


def test_a_group_without_objects_is_told(tmp_path):
    gt, pred = shared("metrics", "lvos", "gt"), shared("metrics", "lvos", "pred", "tracker")
    options = ["--protocol", "lvos", "--gt", gt, "--pred", pred, "--videos", "composite-appear"]
    assert "no unseen object among the 1 videos" in score(*options).error


def test_without_a_list_of_the_unseen_means_are_over_all_objects(tmp_path):
    gt = shared("metrics", "lvos", "gt")
    (tmp_path / "Annotations").symlink_to(gt / "Annotations")
    shutil.copy(gt / "valid_meta.json", tmp_path)
    pred = shared("metrics", "lvos", "pred", "tracker")
    options = ["--gt", tmp_path, "--pred", pred, "--videos", "composite-appear"]
    ended = score("--protocol", "lvos", *options)
    assert ended.status == 0 and "seen" not in ended.stdout
    assert "means are over all objects" in ended.stderr
