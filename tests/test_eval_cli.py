"""``tools/eval.py`` on two synthetic videos: what it leaves behind, going on, options."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from eval_tool import SIZE, ids_in, labels, make_video, members, nano, run

from mavos import configs
from mavos.dataloaders.listings.eval_datasets import list_videos
from mavos.dataloaders.media.video_reader import VideoReader
from mavos.evaluation import resolved
from mavos.evaluation.options import parse
from mavos.networks.segmenter import call
from mavos.run import build
from mavos.tracking.frame_loop import segment_video
from mavos.tracking.stopwatch import Stopwatch

IDS = {"left": (2, 7, 90), "right": (1,)}
LENGTHS = {"left": 6, "right": 4}
NAMES = {f"{video}/{t:05d}.png" for video, n in LENGTHS.items() for t in range(n)}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name, ids in IDS.items():
        make_video(root, name, LENGTHS[name], ids)
    return root


@pytest.fixture(scope="module")
def options(data, checkpoint) -> list[str]:
    return [*nano(checkpoint), "--dataset", "generic", "--data_root", str(data)]


@pytest.fixture(scope="module")
def first_run(options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "out"
    return folder, run(*options, "--output", folder)


@pytest.fixture
def out(first_run, tmp_path) -> Path:
    """A copy of a finished result folder, times of files included."""
    return shutil.copytree(first_run[0], tmp_path / "out")


def times(folder: Path) -> dict[str, int]:
    """When each mask was written."""
    paths = sorted(folder.glob("Annotations/*/*.png"))
    return {f"{path.parent.name}/{path.name}": path.stat().st_mtime_ns for path in paths}


def test_stdout_is_the_archive_and_it_holds_every_mask_with_the_ids_of_the_data(first_run, data):
    folder, ended = first_run
    assert ended.archive == folder / "out.zip"
    packed = members(ended.archive)
    assert set(packed) == NAMES
    for name, png in packed.items():
        assert png == (folder / "Annotations" / name).read_bytes()
        assert labels(png).shape == SIZE
        assert ids_in(png) <= {0, *IDS[name.partition("/")[0]]}
    for video, ids in IDS.items():
        first = labels(packed[f"{video}/00000.png"])
        assert set(ids) <= set(np.unique(first).tolist())
        assert (first == labels(data / "Annotations" / video / "00000.png")).all()


def test_the_masks_are_those_of_the_network(first_run, data, checkpoint):
    cfg = configs.load("mavos_nano", overrides=["eval.max_resolution=60"])
    device = torch.device("cpu")
    model, input_rule = build.build(cfg, checkpoint, device)
    for video in list_videos("generic", None, data):
        reader = VideoReader(video, input_rule)
        for name, expected in segment_video(model, reader, device, Stopwatch(device)):
            written = labels(first_run[0] / "Annotations" / video.name / f"{name}.png")
            # all but: the tool may compute its products in another order
            assert (written == reader.ids.restore(expected.numpy())).mean() > 0.99


def test_speed_is_reported_for_every_video_and_in_total(first_run):
    folder, ended = first_run
    speed = json.loads((folder / "speed.json").read_text())
    assert speed["device"] == "cpu"
    total, videos = speed["total"], speed["videos"]
    assert (total["videos"], total["frames"], total["objects"]) == (2, 10, 4)
    assert {v: (f["frames"], f["objects"]) for v, f in videos.items()} == {
        "left": (6, 3),
        "right": (4, 1),
    }
    for figures in (*videos.values(), total):
        assert figures["end_to_end_fps"] > 0 and figures["peak_memory_bytes"] > 10 << 20
    slowest, fastest = sorted(figures["fps"] for figures in videos.values())
    assert slowest <= total["all_frame_fps"] <= fastest
    assert slowest <= total["all_sequence_fps"] <= fastest
    record = json.loads((folder / "finished" / "left.json").read_text())
    assert record["predicted_frames"] == 5 and record["model_seconds"] < record["wall_seconds"]
    assert f"{total['all_frame_fps']:.2f} FPS over all frames" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_run_skips_what_is_finished_and_gives_the_same_archive(first_run, out, options):
    before = times(out)
    again = run(*options, "--output", out)
    assert "2 finished videos are skipped" in again.stderr
    assert times(out) == before
    assert again.archive.read_bytes() == first_run[1].archive.read_bytes()


@pytest.mark.parametrize("lost", ["Annotations/right/00002.png", "finished/right.json"])
def test_only_a_video_that_lacks_something_is_done_again(first_run, out, options, lost):
    before = times(out)
    (out / lost).unlink()
    again = run(*options, "--output", out)
    changed = {name for name, time in times(out).items() if time != before[name]}
    assert changed == {name for name in NAMES if name.startswith("right/")}
    assert again.archive.read_bytes() == first_run[1].archive.read_bytes()


def test_a_damaged_record_means_not_finished(first_run, out, options):
    for broken in (b"", b'{"frames": 6}', b"\xff\xfe", b"[1]"):
        (out / "finished" / "left.json").write_bytes(broken)
        again = run(*options, "--output", out)
        assert again.archive.read_bytes() == first_run[1].archive.read_bytes()


@pytest.mark.parametrize("kept", [0, 40, -3])
def test_a_mask_that_was_cut_is_made_again(first_run, out, options, kept):
    path = next((out / "Annotations" / "left").glob("*.png"))
    path.write_bytes(path.read_bytes()[:kept])
    again = run(*options, "--output", out)
    assert f"{path.name} was cut; the video is done again" in again.stderr
    assert again.archive.read_bytes() == first_run[1].archive.read_bytes()


def test_overwrite_does_everything_again(first_run, out, options):
    before = times(out)
    again = run(*options, "--output", out, "--overwrite")
    assert "skipped" not in again.stderr
    assert all(time != before[name] for name, time in times(out).items())
    assert again.archive.read_bytes() == first_run[1].archive.read_bytes()


def test_an_archive_never_outlives_its_masks(out, options, data, tmp_path):
    other = shutil.copytree(data, tmp_path / "other")
    (other / "JPEGImages/left/00003.jpg").write_bytes(b"")
    error = run(*options, "--output", out, "--overwrite", "--data_root", other).error
    assert "00003.jpg: the file is empty" in error
    assert not list(out.glob("*.zip"))


def test_other_settings_do_not_mix_with_old_masks(out, options):
    before = times(out)
    error = run(*options, "--output", out, "--lt_gap", 2).error
    assert str(out) in error and "model.test_memory_gap: 20 then, 2 now" in error
    assert "--overwrite" in error and "--output" in error
    assert times(out) == before
    assert run(*options, "--output", out, "--lt_gap", 2, "--overwrite").status == 0
    assert json.loads((out / "config.json").read_text())["model"]["test_memory_gap"] == 2


def test_another_spelling_is_no_other_setting(out, options, data, monkeypatch):
    monkeypatch.chdir(data.parent)
    spelled = ["--split", "all", "--dataset", "Generic", "--data_root", data.name]
    again = run(*options, *spelled, "--output", out, "data.threads=1", "--no-ema")
    assert "2 finished videos are skipped" in again.stderr


def test_videos_of_the_same_names_elsewhere_are_other_videos(out, options, data, tmp_path):
    other = shutil.copytree(data, tmp_path / "other")
    error = run(*options, "--data_root", other, "--output", out).error
    assert "data.root" in error and str(other) in error


def test_results_of_a_version_without_a_setting_go_on(out, options):
    """As long as the setting has its default; another value is another run."""
    path, before = out / "config.json", times(out)
    settings = json.loads(path.read_text())
    del settings["model"]["late_masks"]
    path.write_text(json.dumps(settings))
    error = run(*options, "--output", out, "model.late_masks=reference").error
    assert "model.late_masks: 'store' then, 'reference' now" in error
    assert run(*options, "--output", out).status == 0 and times(out) == before


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_masks_of_the_data_are_never_taken_for_results(data, options, tmp_path, overwrite):
    root = shutil.copytree(data, tmp_path / "root")
    before = (root / "Annotations/left/00000.png").read_bytes()
    error = run(*options, "--data_root", root, "--output", root, *overwrite).error
    assert "Annotations" in error and "--output" in error
    assert sorted(p.name for p in root.glob("Annotations/*/*")) == ["00000.png"] * 2
    assert (root / "Annotations/left/00000.png").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "section", "fields"),
    [
        (["--flip", "--ms"], "eval", {"flip": True, "multiscale": True, "scales": [1.2, 1.3, 1.4]}),
        (["--ms", "eval.scales=0.8,1.0"], "eval", {"multiscale": True, "scales": [0.8, 1.0]}),
        (["--flip"], "eval", {"flip": True, "multiscale": False}),
        (["--amp"], "eval", {"dtype": "bf16"}),
        (["--dtype", "bf16"], "eval", {"dtype": "bf16"}),
        (["--max_resolution", "30"], "eval", {"max_resolution": 30.0}),
        (["--lt_gap", "2", "--st_skip", "2"], "model", {"test_memory_gap": 2}),
        (["model.memory=previous", "--lt_gap", "1"], "model", {"memory": "previous"}),
        (["model.test_memory_gap=1"], "model", {"test_memory_gap": 1}),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_options_reach_the_network(first_run, options, tmp_path, given, section, fields):
    ended = run(*options, "--output", tmp_path / "out", *given)
    packed = members(ended.archive)
    assert set(packed) == NAMES
    for name, png in packed.items():
        assert labels(png).shape == SIZE and ids_in(png) <= {0, *IDS[name.partition("/")[0]]}
    settings = json.loads((tmp_path / "out" / "config.json").read_text())
    assert settings[section].items() >= fields.items()
    assert packed != members(first_run[1].archive)


def test_the_precision_decides_the_masks(out, options):
    error = run(*options, "--output", out, "--amp").error
    assert "eval.dtype: 'fp32' then, 'bf16' now" in error


def test_speed_alone_does_not_decide_them(out, options, monkeypatch):
    asked = []
    monkeypatch.setattr(build, "build_runner", lambda device: asked.append(device) or call)
    more = ["--threads", 1, "--compile", "data.threads=3", "data.ahead=2"]
    (out / "finished" / "right.json").unlink()
    again = run(*options, "--output", out, *more)
    assert "1 finished videos are skipped" in again.stderr
    assert "cpu, fp32, 1 CPU threads, compile on" in again.stderr
    assert set(members(again.archive)) == NAMES and asked == [torch.device("cpu")]


def test_what_computes_is_told_once(first_run):
    said = first_run[1].stderr
    assert said.count("cpu, fp32, 1 CPU threads, compile off") == 1
    assert said.count("fp32 products: ") == 1


def test_spellings_and_defaults_are_resolved_before_anything_runs(options, data):
    cpu = torch.device("cpu")
    one = resolved.resolve(parse(options)[0], cpu)
    other = resolved.resolve(parse([*options, "--dataset", "Generic", "--split", "all"])[0], cpu)
    assert (one.data.split, one.where, one.precision) == ("all", "generic", "fp32")
    assert one.settings() == other.settings() and one.folder == other.folder
    assert [video.name for video in one.data.videos] == sorted(IDS)
    assert one.settings()["model"].keys() <= one.default_settings()["model"].keys() | {"title"}


def test_results_go_to_a_folder_named_after_the_run(options, tmp_path, monkeypatch):
    monkeypatch.setattr(resolved, "RESULTS", tmp_path)
    name = "paper_MAVOS_Nano_pre_ytb_nano_flip"
    ended = run(*options, "--flip", "--exp_name", "paper", "--stage", "pre_ytb")
    assert ended.archive == tmp_path / "generic" / name / f"{name}.zip"


def test_the_current_folder_can_take_the_results(first_run, options, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    ended = run(*options, "--output", ".")
    assert ended.archive == Path("here.zip")
    assert ended.archive.read_bytes() == first_run[1].archive.read_bytes()
