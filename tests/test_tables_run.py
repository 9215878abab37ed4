"""``tools/tables.py``: what is missing, and tables run end to end."""

import csv
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from eval_tool import labels, make_video, run, save_mask

from mavos.paper import command, datasets, running
from mavos.paper.claims import from_ours, sentences
from mavos.paper.data_at_hand import Data
from mavos.paper.drawing import draw
from mavos.paper.jobs import Job, Measured, Setup
from mavos.paper.kinds import make_jobs
from mavos.paper.lines import Line, Part, make_lines, warnings
from mavos.paper.report import cell, markdown
from mavos.paper.running import RowFailed, run_table
from mavos.paper.schema import Claim, Column, Network, Row, Table
from mavos.paper.tables import TABLES

LENGTH = 4
OPTIONS = ("--max_resolution", "60", "--threads", "1")


def _file(name: str) -> Mapping[str, str]:
    return dict.fromkeys(("DAVIS", "LTV"), name)


TINY = Table(
    name="tiny",
    title="Table 0: moving squares",
    source="a book",
    columns=(Column("J&F", "DAVIS"), Column("J&F", "LTV"), Column("FPS", "LTV")),
    words=("backbone",),
    rows=(
        Row("XMem", (80.0, 81.0, 22.0), ("a net",)),
        Row(
            "no weights",
            (70.0, None, None),
            network=Network("mavos_nano", weights=_file("absent.pth")),
        ),
        Row("bad weights", (None,) * 3, network=Network("mavos_nano", weights=_file("bad.pth"))),
        Row(
            "nano",
            (50.0, "out of memory", None),
            ("nano",),
            Network("mavos_nano", weights=_file("nano.pth")),
            flag="Odd.",
            note="Ours.",
        ),
    ),
)


@pytest.fixture
def bare(tmp_path) -> list[object]:
    """Options of a machine with nothing."""
    folders = {"--data_root": "data", "--pretrained": "weights", "--output": "out"}
    return [word for option, name in folders.items() for word in (option, tmp_path / name)]


def test_list_on_a_bare_machine_names_every_missing_file_and_the_remedy(bare, tmp_path):
    ended = run("--list", *bare, main=command.main)
    assert ended.status == 0 and not (tmp_path / "out").exists()
    networks = [row.network for table in TABLES.values() for row in table.rows if row.network]
    for network in networks:
        for file in (network.weights or {}).values():
            if file.startswith("swinb_mavos_davis"):  # stands in Table 4 alone
                assert f"weights {tmp_path / 'weights' / file}" in ended.stdout
            assert f"python tools/download.py {Path(file).stem} --output" in ended.stdout
        if network.experiment:
            assert f"--exp_name {network.experiment}" in ended.stdout
    assert "/ema_ckpt/save_step_100000.pth" in ended.stdout
    for folder in ("LVOS", "LongVideo", "DAVIS2017"):
        assert str(tmp_path / "data" / folder) in ended.stdout
    assert ended.stdout.count("val/val_meta.json") == 1  # each way to get something once
    assert "rows: 0 done, 0 partly, 4 ready, " in ended.stdout  # a curve needs no file


def test_list_as_json_has_datasets_commands_missing_files_and_the_papers_numbers(bare):
    ended = run("--list", "table5", "--json", *bare, main=command.main)
    (table,) = json.loads(ended.stdout)
    row = table["rows"][0]
    assert (row["label"], row["state"], row["model"]) == ("AOT-L-2F", "missing", "aotl")
    assert row["paper"] == {
        "J&F DAVIS": 81.7,
        "J&F LTV": 61.8,
        "J&F LVOS": 49.8,
        "FPS LVOS": 29.5,
        "memory LVOS": 3.4,
    }
    assert set(row["ours"].values()) == {None}
    assert [one["where"] for one in row["runs"]] == ["davis2017 val", "longvideo x1", "lvos val"]
    for one in row["runs"]:
        assert one["policy"] == "reference_previous" and one["memory gap"] == 5
        assert one["command"].startswith("python tools/eval.py ")
        assert one["command"].endswith(" model.memory=reference_previous")
        assert {missing["kind"] for missing in one["missing"]} == {"weights", "data"}
    at_480p = ["--max_resolution 512" in one["command"] for one in row["runs"]]
    assert at_480p == [False, True, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run", "tabel2"], "unknown table 'tabel2'; did you mean table2"),
        (["--run", "table2", "--json"], "--json goes with --list"),
        (["--run", "table2", "--videos", "-1"], "--videos must not be negative"),
        (["--list", "--", "--dataset", "mose"], "options after --, --dataset mose"),
        (["--list", "--", "--videos", "3"], "options after --, --videos 3"),
        (["--list", "--", "model.memory=all"], "options after --, model.memory=all"),
        (["--list", "--", "--no-score"], "options after --, --no-score"),
    ],
)
def test_mistakes_are_reported(options, message):
    assert message in run(*options, main=command.main).error


def test_where_no_row_has_its_files_the_tables_are_written_and_the_status_is_2(bare, tmp_path):
    ended = run("--run", "table2", "table6", *bare, main=command.main)
    assert ended.status == 2 and "nothing could run: files of every row are missing" in ended.stderr
    for name in ("table2", "table6"):
        with (tmp_path / "out" / f"{name}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(TABLES[name].rows)
        for row in rows:
            runs = bool(row["model"])
            assert row["status"].startswith("not run, missing: " if runs else "printed numbers")
            assert not any(v for k, v in row.items() if k.endswith((" ours", " difference")))
            assert row["J&F LVOS paper"] and row["source of the paper's"]
        assert (tmp_path / "out" / f"{name}.md").is_file()
        assert str(tmp_path / "out" / f"{name}.png") in ended.stdout


def test_the_odd_row_is_shown_as_printed_and_flagged():
    text = markdown(TABLES["table2"], make_lines(TABLES["table2"], {}), Setup())
    assert "AOT-B [1] [2]" in text and "· / 53.4" in text and "[1] Misprint: " in text


COLUMN = Column("J&F", "LTV")
ONE_ROW = replace(TINY, columns=(COLUMN,), words=(), claims=())


def make_line(
    label: str,
    ours: float | str | None,
    paper: float | str | None = None,
    device: str = "cpu",
    columns: tuple[Column, ...] = (COLUMN,),
) -> Line:
    """A row of one job; the same number in every column."""
    row = Row(label, (paper,) * len(columns), network=Network("mavos"))
    job = Job(row, columns[0].on, "eval", (), (), Path("nowhere"))
    values = {column.figure: ours for column in columns}
    measured = None if ours is None else Measured(values, device)
    table = replace(ONE_ROW, columns=columns, rows=(row,))
    return Line(table, row, {job.on: Part(job, measured, "done" if measured else "not run")})


@pytest.mark.parametrize(
    ("ours", "paper", "shown"),
    [
        (63.14, 63.3, "63.1 / 63.3 (-0.2)"),
        (63.26, 63.3, "63.3 / 63.3 (+0.0)"),
        (64.0, 63.3, "64.0 / 63.3 (+0.7)"),
        (0.0, 63.3, "0.0 / 63.3 (-63.3)"),
        (64.0, None, "64.0 / —"),
        (4.0, "out of memory", "4.0 / out of memory"),
        ("out of memory", 4.0, "out of memory / 4.0"),
        (None, 63.3, "· / 63.3"),
        (None, None, "· / —"),
    ],
)
def test_cells_show_the_difference_of_what_they_show(ours, paper, shown):
    assert cell(make_line("row", ours, paper), COLUMN) == shown


def test_claims_are_of_two_measured_cells_of_one_machine():
    column = Column("FPS", "LTV")
    claim = Claim(("a", column.key), ("b", column.key), "times", 7.6, "somewhere", flag="Wrong")
    fast, slow = (make_line(*row, columns=(column,)) for row in (("a", 40.0), ("b", 5.0)))
    table = replace(ONE_ROW, columns=(column,), claims=(claim,))
    assert from_ours(table, claim, [fast, slow]) == (8.0, "")
    less = replace(claim, kind="percent less", one=claim.other, other=claim.one)
    assert from_ours(table, less, [fast, slow]) == (87.5, "")
    unknown = make_line("b", None, columns=(column,))
    assert from_ours(table, claim, [fast, unknown]) == (None, "not measured")
    elsewhere = make_line("b", 5.0, device="abacus", columns=(column,))
    assert from_ours(table, claim, [fast, elsewhere])[0] is None
    printed = tuple(replace(line.row, printed=(n,)) for line, n in ((fast, 38.2), (slow, 5.0)))
    (text,) = sentences(replace(table, rows=printed), [fast, elsewhere])
    assert "· (no ratio of two machines, cpu and abacus) / 7.6 times" in text
    assert "the printed cells give 7.6" in text and "**Wrong.**" in text
    (warning,) = (text for text in warnings([fast, elsewhere], Setup()) if "machines" in text)
    assert warning.startswith("Measured on 2 machines, abacus, cpu")


def _benchmark_json(folder: Path, rows: list[dict], ended: str | None = None) -> None:
    machine = {"device": "cpu", "processor": "abacus"}
    run = {"marks": [100, 1000, 10_000]}
    record = {"machine": machine, "run": run, "rows": rows, "ended": ended}
    record["frame_size"] = (480, 854)
    (folder / "benchmark.json").write_text(json.dumps({"length": [record]}))


def _mark(frame: int, fps: float, gib: float) -> dict:
    return {"frame": frame, "predicted": frame, "seconds": frame / fps, "peak_bytes": gib * 2**30}


def test_the_curve_of_length_tells_where_memory_ended(bare, tmp_path, monkeypatch):
    def measure(tool: str, arguments: list[str]) -> str:
        model, folder = (arguments[arguments.index(o) + 1] for o in ("--model", "--output"))
        folder = Path(folder)
        if model == "mavos":
            _benchmark_json(folder, [_mark(100, 40.0, 0.8), _mark(10_000, 39.0, 0.8)])
        elif model == "deaotl":
            _benchmark_json(folder, [_mark(100, 30.0, 2.0), _mark(1000, 4.0, 30.0)], "out of it")
        else:
            raise RowFailed("no such machine")
        return ""

    monkeypatch.setattr(running, "run_tool", measure)
    ended = run("--run", "length", *bare, "--", "--size", "480", "854", main=command.main)
    assert ended.status == 2 and "2 failed" in ended.stderr
    assert str(tmp_path / "out" / "length.png") in ended.stdout
    text = (tmp_path / "out" / "length.md").read_text(encoding="utf-8")
    assert "| MAVOS | MobileNet-V2 | 40.0 | · | 39.0 | 0.8 | · | 0.8 | done |" in text
    assert "| 30.0 | 4.0 | out of memory | 2.0 | 30.0 | out of memory | done |" in text
    assert "Measured with options of our own: --size 480 854" in text


def test_a_curve_of_another_device_is_measured_and_overwrite_measures_again(tmp_path, monkeypatch):
    table = replace(TABLES["length"], rows=TABLES["length"].rows[:1])
    started: list[str] = []

    def measure(tool: str, arguments: list[str]) -> str:
        started.append(" ".join(arguments))
        folder = Path(arguments[arguments.index("--output") + 1])
        _benchmark_json(folder, [_mark(100, 1.0, 1.0)])
        return ""

    monkeypatch.setattr(running, "run_tool", measure)
    for device in ("cpu", "cpu", "cuda", "cuda"):
        assert not run_table(table, Setup(output=tmp_path, device=device)).failures
    assert ["--device cpu" in one for one in started] == [True, False]
    run_table(table, Setup(output=tmp_path, device="cuda", overwrite=True))
    assert len(started) == 3 and started[-1].endswith("--overwrite")


def test_the_figure_is_drawn_with_what_there_is(tmp_path):
    table = TABLES["fig1"]
    assert draw(table, make_lines(table, {}), (), tmp_path / "none") == [tmp_path / "none.png"]
    lines = [
        replace(line, parts=make_line(line.row.label, 9.0, columns=table.columns[:1]).parts)
        for line in make_lines(table, {})
    ]
    assert draw(table, lines, ("Careful.",), tmp_path / "some")[0].stat().st_size > 10_000


def test_datasets_are_counted_in_the_splits_that_are_there(tmp_path):
    folders = ("JPEGImages/480p", "Annotations/480p")
    make_video(tmp_path / "data", "moving", 3, ids=(1, 2), folders=folders)
    truth = tmp_path / "data" / folders[1] / "moving"
    save_mask(truth / "00001.png", np.where(labels(truth / "00000.png") == 1, 1, 0))
    (tmp_path / "data" / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "data" / "ImageSets" / "2017" / "val.txt").write_text("moving\n")
    table = replace(TABLES["table1"], rows=TABLES["table1"].rows[:1])
    setup = Setup(tmp_path / "data", output=tmp_path / "out")
    ran = run_table(table, setup)
    assert [path.suffix for path in ran.files] == [".md", ".csv"] and not ran.all_missing
    text = ran.files[0].read_text(encoding="utf-8")
    assert "| 1 / 90 (-89) | 3 / 69 (-66) | 2 / 205 (-203) | 3 / 13543 (-13540) | done |" in text
    assert "DAVIS 2017: without train, which is not there." in text
    (tmp_path / "data" / "ImageSets" / "2017" / "train.txt").write_text("moving\n")
    (job,) = make_jobs(table, setup, Data(setup.data_root))["DAVIS 2017"].values()
    assert datasets.measured(job) is None  # there is more to count now


def test_sigterm_ends_the_tool_of_a_row_too(tmp_path, monkeypatch):
    (tmp_path / "tools").mkdir()
    noted = "import os, time\nopen('pid.part', 'w').write(str(os.getpid()))\n"
    (tmp_path / "tools" / "eval.py").write_text(
        f"{noted}os.rename('pid.part', 'pid')\ntime.sleep(60)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "PROJECT", tmp_path)
    monkeypatch.setattr(command, "run_table", lambda *_: running.run_tool("eval", []))

    def end_it() -> None:
        while not Path("pid").is_file():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_it, daemon=True).start()
    ended = run("--run", "table2", "--output", tmp_path, main=command.main)
    assert ended.status == 143 and "finished work is kept" in ended.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid").read_text()), 0)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


# One table for real, in processes of their own, as a user runs it.


def make_davis(root: Path, *names: str) -> None:
    folders = ("JPEGImages/480p", "Annotations/480p")
    for name in names:
        make_video(root, name, LENGTH, ids=(1, 2), folders=folders)
        truth = root / folders[1] / name
        for frame in range(1, LENGTH):
            moved = np.roll(labels(truth / "00000.png"), frame, axis=1)
            save_mask(truth / f"{frame:05d}.png", moved)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("".join(f"{n}\n" for n in names))


@pytest.fixture(scope="module")
def done(tmp_path_factory, checkpoint) -> tuple[Setup, running.Ran]:
    """A table of every kind of row, over two data sets of one video; the third is not there."""
    root = tmp_path_factory.mktemp("tables")
    make_davis(root / "data" / "DAVIS", "moving")
    shutil.copytree(root / "data" / "DAVIS" / "JPEGImages" / "480p", root / "data/LTV/JPEGImages")
    shutil.copytree(root / "data" / "DAVIS" / "Annotations" / "480p", root / "data/LTV/Annotations")
    (root / "weights").mkdir()
    shutil.copy(checkpoint, root / "weights" / "nano.pth")
    (root / "weights" / "bad.pth").write_bytes(b"no weights")
    setup = Setup(
        root / "data", root / "weights", root / "none", root / "out", OPTIONS, device="cpu"
    )
    return setup, run_table(TINY, setup)


@pytest.fixture
def again(done, tmp_path, monkeypatch) -> Setup:
    """A copy of the results of the good row, on a machine where no tool may be started."""
    setup, _ = done
    shutil.copytree(setup.output, tmp_path / "out")
    monkeypatch.setattr(running, "run_tool", refuse)
    # commands name the output folder, so a copy is not this row's until it is noted
    moved = replace(setup, output=tmp_path / "out")
    note(moved)
    return moved


GOOD = replace(TINY, rows=TINY.rows[-1:])


def note(setup: Setup) -> None:
    """Its results count as finished."""
    for job in jobs_of(setup):
        job.note("2026-01-31")


def refuse(tool, arguments):
    raise RowFailed(f"started {tool} {' '.join(arguments)}")


def jobs_of(setup: Setup) -> list[Job]:
    return list(make_jobs(GOOD, setup, Data(setup.data_root))["nano"].values())


def jf(job: Job) -> float:
    scores = json.loads((job.folder / "scores.json").read_text())
    return round(100 * scores["J&F-Mean"], 1)


def test_rows_are_run_and_the_others_say_why_not(done):
    setup, ran = done
    assert ran.files == [setup.output / f"tiny{suffix}" for suffix in (".md", ".csv", ".png")]
    assert list(ran.failures) == [("bad weights", "DAVIS"), ("bad weights", "LTV")]
    assert not ran.all_missing
    for failure in ran.failures.values():
        assert "tools/eval.py ended with status 2" in failure and "bad.pth" in failure
    with ran.files[1].open(encoding="utf-8") as file:
        xmem, absent, bad, nano = csv.DictReader(file)
    assert xmem["status"] == "printed numbers only" and xmem["J&F DAVIS paper"] == "80.0"
    assert absent["status"] == f"not run, missing: weights {setup.pretrained / 'absent.pth'}"
    assert bad["status"].startswith("failed: ")
    assert [row["J&F LTV ours"] for row in (xmem, absent, bad)] == ["", "", ""]
    davis, longvideo = map(jf, jobs_of(setup))
    assert nano["status"] == "done" and nano["machine"] == "cpu"
    assert nano["videos"] == "DAVIS 1; LTV 1" and nano["memory gap"] == "20"
    assert float(nano["J&F DAVIS ours"]) == davis and float(nano["J&F LTV ours"]) == longvideo
    assert float(nano["J&F DAVIS difference"]) == round(davis - 50.0, 1)
    assert float(nano["FPS LTV ours"]) > 0 and nano["FPS LTV difference"] == ""
    assert nano["J&F LTV paper"] == "out of memory" and nano["J&F LTV difference"] == ""


def test_the_markdown_says_everything_a_reader_must_know(done):
    setup, ran = done
    text = ran.files[0].read_text(encoding="utf-8")
    davis, longvideo = jobs_of(setup)
    assert text.startswith("# Table 0: moving squares\n") and "The paper's: a book." in text
    first = f"| nano [1] [2] | nano | {jf(davis):.1f} / 50.0 ({jf(davis) - 50:+.1f}) | "
    assert f"{first}{jf(longvideo):.1f} / out of memory | " in text
    assert "| XMem | a net | · / 80.0 | · / 81.0 | · / 22.0 | printed numbers only |" in text
    assert "[1] Odd." in text and "[2] Ours." in text
    ran_on = f"| nano.pth | 1 of 3 | cpu, {longvideo.finished()} | done |"
    memory = "| mavos_nano | mca, updated every 20 frames "
    assert f"| nano | longvideo x1 {memory}{ran_on}" in text
    assert "Measured with options of our own: --max_resolution 60 --threads 1" in text
    few = "1 of the 30 videos of davis2017 val, 1 of the 3 videos of longvideo x1 were evaluated"
    assert f"Not the benchmark: {few}" in text


def test_a_look_is_marked_and_leaves_the_results_alone(done, tmp_path, monkeypatch):
    setup, _ = done
    make_davis(tmp_path / "data" / "DAVIS", "a", "b", "c")
    look = replace(setup, data_root=tmp_path / "data", output=tmp_path / "out", videos=2)
    table = replace(GOOD, columns=TINY.columns[:1], rows=(replace(GOOD.rows[0], printed=(50.0,)),))
    ran = run_table(table, look)
    assert [path.name for path in ran.files] == [f"tiny_first2{x}" for x in (".md", ".csv", ".png")]
    text = ran.files[0].read_text(encoding="utf-8")
    assert "A look, not the benchmark: only the first 2 of each test set's videos." in text
    assert "| 2 of 30 |" in text
    (job,) = make_jobs(table, look, Data(look.data_root))["nano"].values()
    done_videos = sorted(path.stem for path in (job.folder / "finished").iterdir())
    assert done_videos == ["a", "b"] and "_first2" in str(job.folder)
    (whole,) = make_jobs(table, replace(look, videos=0), Data(look.data_root))["nano"].values()
    assert not whole.finished() and whole.folder != job.folder


def test_a_finished_row_is_used_again(again):
    assert run_table(GOOD, again).failures == {}
    assert run_table(GOOD, replace(again, device="auto", gpu_num=2)).failures == {}  # same masks


def test_other_settings_weights_or_more_videos_are_no_reuse(again):
    assert run_table(GOOD, replace(again, options=(*OPTIONS, "--flip"))).failures
    text = (again.output / "tiny.csv").read_text(encoding="utf-8")
    assert "failed: started eval" in text  # and none of the numbers that are there
    assert next(csv.DictReader(text.splitlines()))["J&F DAVIS ours"] == ""
    listed = again.data_root / "DAVIS" / "ImageSets" / "2017" / "val.txt"
    listed.write_text("moving\nmore\n")
    try:
        (line,) = make_lines(GOOD, make_jobs(GOOD, again, Data(again.data_root)))
        assert line.parts["DAVIS"].measured is None and line.parts["LTV"].measured is not None
    finally:
        listed.write_text("moving\n")


def test_weights_that_changed_are_reported_until_overwrite(again, tmp_path):
    (tmp_path / "weights").mkdir()
    shutil.copy(again.pretrained / "nano.pth", tmp_path / "weights" / "nano.pth")
    moved = replace(again, pretrained=tmp_path / "weights")
    note(moved)
    assert run_table(GOOD, moved).failures == {}
    (tmp_path / "weights" / "nano.pth").write_bytes(b"other")
    failures = run_table(GOOD, moved).failures
    assert "other weights; --overwrite replaces them" in failures["nano", "LTV"]
    failures = run_table(GOOD, replace(moved, overwrite=True)).failures
    assert failures["nano", "LTV"].startswith("started eval ")
    assert "--overwrite" in failures["nano", "LTV"]
    # that run was not finished: the next one resumes it, and replaces nothing
    failures = run_table(GOOD, replace(moved, overwrite=True)).failures
    assert "--overwrite" not in failures["nano", "LTV"]


def test_a_run_without_scores_is_a_failure_and_says_why(again, monkeypatch):
    monkeypatch.setattr(running, "run_tool", lambda *_: "12:00:00 INFO not scored: no truth\n")
    for job in jobs_of(again):
        job.note()
    assert run_table(GOOD, again).failures["nano", "DAVIS"] == "not scored: no truth"


def test_without_matplotlib_the_text_is_written(again, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    ran = run_table(GOOD, again)
    assert [path.suffix for path in ran.files] == [".md", ".csv"]
    assert "plots need matplotlib" in caplog.text
