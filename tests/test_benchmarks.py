"""Every benchmark runs at a size for tests and tells what it promises; no test looks at a time."""

import json
import re
from pathlib import Path

import eval_tool
import pytest
from benchmark_tool import BENCHMARKS, NANO, load, reported, run, start
from eval_tool import ROOT
from train_data import save_video

from mavos.speed_curves.options import parse

SMALL = ("--size", 48, 80)
TOKENS = 7 * 11  # of a frame of that size in mavos_nano
MODULES = ("frame", "components", "end_to_end", "local_attention", "gpu")


def test_frame_as_the_documentation_calls_it():
    options = [*NANO, "--objects", 1, "--dtype", "fp32", "--frames", 22, "--json"]
    result = reported(start("frame.py", *options, *SMALL))
    keys = {"cpu_ms_per_frame", "wall_ms_per_frame", "wall_ms_median", "wall_ms_p95", "fps"}
    keys |= {"peak_rss_mb", "plain_wall_ms", "update_wall_ms", "memory_state_mb"}
    assert keys | {"device", "processor", "cores", "threads", "torch"} <= result.keys()
    assert result["frame_size"] == [48, 80] and result["network_size"] == [49, 81]
    assert result["cpu_ms_per_frame"] > 0 and result["peak_rss_mb"] > 1


def test_several_frames_each_in_its_process(monkeypatch):
    frame, asked = load(monkeypatch, "frame"), []

    def child(script, options):
        asked.append(frame._parser().parse_args(list(map(str, options))))
        return {"objects": asked[-1].objects[0], "fps": 1.0, "torch": "as in the whole"}

    monkeypatch.setattr(frame.harness, "in_own_process", child)
    options = [*NANO, *SMALL, "--objects", 1, 4, "--warmup", 0, "--threads", 1, "--no_routing"]
    result = reported(run(frame, *options, "--json"))
    assert result["rows"] == [{"objects": 1, "fps": 1.0}, {"objects": 4, "fps": 1.0}]
    assert all(one.threads == 1 and one.no_routing and one.size == [48, 80] for one in asked)
    assert {"processor", "torch"} <= result.keys()


def test_a_child_that_fails_is_told_in_one_line(monkeypatch, tmp_path):
    harness = load(monkeypatch, "harness")
    child = tmp_path / "child.py"
    child.write_text("import json, sys; print(json.dumps({'options': len(sys.argv)}))")
    assert harness.in_own_process(child, ["--frames", 2]) == {"options": 4}
    child.write_text("import sys; print('error: no frames', file=sys.stderr); sys.exit(2)")
    with pytest.raises(harness.UserError, match=r"^child.py ended with status 2: no frames$"):
        harness.in_own_process(child, [])
    child.write_text("import time; time.sleep(60)")
    with pytest.raises(harness.UserError, match=r"^child.py: not done after 1 s$"):
        harness.in_own_process(child, [], timeout=1)


def test_fused_frames_are_told_apart(monkeypatch):
    frame = load(monkeypatch, "frame")
    options = [*NANO, *SMALL, "--dtype", "fp32", "bf16", "--same_process", "--no_routing"]
    rows = reported(run(frame, *options, "--warmup", 38, "--frames", 2, "--json"))["rows"]
    assert [row["dtype"] for row in rows] == ["fp32", "bf16"]
    for row in rows:
        mean = (row["plain_wall_ms"] + row["update_wall_ms"]) / 2
        assert row["wall_ms_per_frame"] == pytest.approx(mean)
        assert not row["routing"]


def test_components(monkeypatch):
    components = load(monkeypatch, "components")
    ended = run(components, *NANO, *SMALL, "--frames", 1, "--clock", "cpu", "--json")
    (one,) = reported(ended)["dtypes"]
    parts = {part["part"]: part for part in one["parts"]}
    attention = {"long-term read", "local attention", "self attention", "MCA update"}
    rest = {"encoder and projector", "other products", "decoder", "upsampling", "labels"}
    assert attention | rest | {"ID bank", "entries"} <= parts.keys()
    assert sum(part["share"] for part in parts.values()) == pytest.approx(1)
    # two frames of memory are read: scores of width 32, then values of width 256
    gflop = 2e-9 * TOKENS * 2 * TOKENS * (32 + 256)
    assert parts["long-term read"]["gflop"] == pytest.approx(gflop)
    assert one["peak_gflops"] > 0


def test_end_to_end(monkeypatch):
    end_to_end = load(monkeypatch, "end_to_end")
    options = [*NANO, *SMALL, "--videos", 2, "--frames", 3, "--threads", 1, "--json"]
    result = reported(run(end_to_end, *options))
    assert (result["videos"], result["frames"]) == (2, 6)
    assert result["end_to_end_fps"] > 0 < result["model_fps"]
    steps = ["decode", "resize and normalise", "upload", "labels and download", "write PNG", "zip"]
    assert [step["step"] for step in result["steps"]] == steps


def test_local_attention(monkeypatch):
    local_attention = load(monkeypatch, "local_attention")
    ended = run(local_attention, *NANO, *SMALL, "--calls", 1, "--dtype", "fp32", "--json")
    found = {row["backend"]: row for row in reported(ended)["rows"]}
    assert found["tiles"]["grid"] == [7, 11]
    assert found["tiles"]["difference"] == 0 and found["tiles"]["wall_ms"] > 0
    assert "CUDA" in found["triton"]["error"]


def test_data_loading(tmp_path):
    save_video(tmp_path / "videos", "one")
    options = ["--data_root", tmp_path, "--dataset", "videos", "--side", 33, "--frames", 2]
    script = BENCHMARKS / "data_loading.py"
    ended = eval_tool.start(script, *options, "--clips", 1, "--workers", 0, "--json", cwd=ROOT)
    result = reported(eval_tool.wait(ended))
    stages = result["cpu_ms_per_clip"]
    assert {"read pictures", "crop", "merge", "total"} <= stages.keys()
    assert stages["total"] >= stages["crop"] > 0 < result["clips_per_second"]["0"]


def test_train_step():
    options = [*NANO, "--clips", 1, "--objects", 2, "--steps", 1, "--json"]
    result = reported(start("train_step.py", *options, "train.crop=33", "train.clip_length=3"))
    assert result["threads"] == 1 and result["side"] == 33 and result["frames"] == 3
    assert set(result["seconds"]) == {"forward", "backward", "update"}
    assert result["seconds_per_step"] > 0 < result["peak_memory_gib"]


def test_gpu_notes_failures_and_goes_on(monkeypatch, tmp_path):
    gpu = load(monkeypatch, "gpu")
    row = {"model": "mavos_nano", "fps": 12.5, "torch": "not in the table"}
    left = iter([40, 30, 1])

    def child(script, options, timeout):
        if "--frames=0" in options:
            raise gpu.UserError("too few")
        return {"rows": [row]}

    asked = {"one": [], "two": ["--frames=0"], "three": []}
    steps = [(name, "frame.py", options) for name, options in asked.items()]
    monkeypatch.setattr(gpu, "quick_steps", lambda: steps)
    monkeypatch.setattr(gpu, "_left", lambda stop: next(left))
    monkeypatch.setattr(gpu.harness, "in_own_process", child)
    result = reported(run(gpu, "--quick", "--output", tmp_path, "--json"))
    done = result["steps"]
    assert done["one"]["rows"] == [row] and done["two"]["error"] == "too few"
    assert done["three"]["error"] == "no time was left for it"
    assert json.loads((tmp_path / "gpu.json").read_text()) == result
    text = (tmp_path / "gpu.md").read_text()
    assert "| mavos_nano | 12.5 |" in text and "Not measured: no time was left for it." in text


def test_gpu_names_only_what_is_there(monkeypatch):
    gpu = load(monkeypatch, "gpu")
    for _, script, options in (*gpu.full_steps(["fp32", "bf16"]), *gpu.quick_steps()):
        options = list(map(str, options))
        if script == gpu.TOOL:
            parse(options)
        else:
            load(monkeypatch, script.removesuffix(".py"))._parser().parse_args(options)


def test_gpu_reads_the_curves_of_the_tool(monkeypatch):
    gpu = load(monkeypatch, "gpu")
    rows = [{"frame": frame, "fps": 2.0, "peak_bytes": 2**21} for frame in (50, 100, 120)]

    def output_of(script, options, timeout):
        folder = Path(options[options.index("--output") + 1])
        record = {"run": {"policy": "mca", "frames": 120}, "rows": rows}
        (folder / "benchmark.json").write_text(json.dumps({"length": [record]}))

    monkeypatch.setattr(gpu.harness, "output_of", output_of)
    reported = gpu._measure(gpu.TOOL, ["--frames", 120], 60)
    assert [row["frame"] for row in reported["rows"]] == [100, 120]
    assert reported["rows"][0] == {"policy": "mca", "frame": 100, "fps": 2.0, "peak_mb": 2.0}
    reported |= {"script": gpu.TOOL}
    assert "| mca    | 120   | 2   | 2       |" in gpu._section(reported)


def test_tables(monkeypatch):
    harness = load(monkeypatch, "harness")
    rows = [{"a": 1, "b": 0.25}, {"a": None, "c": [1, 2]}]
    assert harness.table(rows).splitlines()[2:] == ["| 1 | 0.25 | -   |", "| - | -    | 1 2 |"]
    wide = harness.table([{str(i): i for i in range(11)}]).splitlines()
    assert len(wide) == 12 and re.fullmatch(r"\| 10 \| 10 \|", wide[-1])


MISTAKES = {
    ("--model", "mavoss"): "unknown model 'mavoss'",
    ("--dtype", "half"): "unknown dtype 'half'",
    ("--device", "tpu"): "device 'tpu' is not available here",
    ("--threads", 0): "--threads must be at least 1",
    ("--resolution", 481): "--resolution must be one of 480, 720",
}


@pytest.mark.parametrize("name", MODULES)
def test_mistakes_are_one_line(name, monkeypatch):
    module, tried = load(monkeypatch, name), 0
    for options, message in MISTAKES.items():
        if options[0] in module._parser().format_help():
            ended = run(module, *options)
            assert message in ended.error and len(ended.stderr.splitlines()) == 1
            tried += 1
    assert tried >= 2
