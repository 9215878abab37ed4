"""``tools/tables.py``: the paper's tables as data, what is missing, and a table run end to end."""

import csv
import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from eval_tool import labels, make_video, run, save_mask

from mavos import configs
from mavos.dataloaders.listings.eval_datasets import find_dataset
from mavos.paper import command, running
from mavos.paper.evaluation import Data, train_commands
from mavos.paper.figure import draw
from mavos.paper.jobs import Job, Measured, Setup
from mavos.paper.kinds import make_jobs
from mavos.paper.lines import Line, make_lines, met_claims, warnings
from mavos.paper.report import cell, csv_rows, markdown
from mavos.paper.running import RowFailed, run_table
from mavos.paper.schema import METRICS, Claim, Row, Table
from mavos.paper.tables import TABLES
from mavos.run.find_checkpoint import find_checkpoint, run_folder
from mavos.training.options import parse as parse_training

LENGTH = 4
OPTIONS = ("--max_resolution", "60", "--threads", "1")
ROWS = [(table, row) for table in TABLES.values() for row in table.rows]
RUNNABLE = [(table, row) for table, row in ROWS if row.model]
NAMES = [f"{table.name} {row.label}" for table, row in RUNNABLE]

TINY = Table(
    name="tiny",
    title="Table 0: moving squares",
    dataset="davis2017",
    split="val",
    videos=1,
    metrics=("J&F", "FPS"),
    rows=(
        Row("XMem", paper={"J&F": 80.0}, source="a book"),
        Row("no weights", "mavos_nano", "absent.pth", paper={"J&F": 70.0}, source="a book"),
        Row("bad weights", "mavos_nano", "bad.pth"),
        Row("nano", "mavos_nano", "nano.pth", paper={"J&F": 50.0}, source="a book", flag="Odd."),
    ),
)


def test_tables_2_to_8_and_the_figure_are_there():
    assert list(TABLES) == [*(f"table{n}" for n in range(2, 9)), "fig1"]
    assert all(table.name == name for name, table in TABLES.items())


def test_the_odd_row_is_carried_as_printed_and_flagged():
    (row,) = (row for row in TABLES["table2"].rows if row.label == "AOT-B")
    assert row.paper == {"J&F": 53.4, "J": 47.7, "F": 52.1}
    assert (row.paper["J"] + row.paper["F"]) / 2 == pytest.approx(49.9)
    assert "49.9" in row.flag
    text = markdown(TABLES["table2"], [Line(row, None, None, "not run")])
    assert "AOT-B [1]" in text and "· / 53.4" in text and "[1] Printed like this" in text


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_data_is_consistent(table):
    assert len({row.label for row in table.rows}) == len(table.rows)
    assert set(table.metrics) <= METRICS.keys()
    for row in table.rows:
        assert row.paper.keys() <= set(table.metrics)
        assert not row.paper or row.source  # no number of unknown origin
        assert not (row.checkpoint and row.experiment)
    for claim in table.claims:
        assert {claim.row, claim.against} <= {row.label for row in table.rows}
        assert claim.metric in table.metrics and claim.source


@pytest.mark.parametrize(("table", "row"), RUNNABLE, ids=NAMES)
def test_rows_load_and_their_weights_are_those_that_are_looked_for(table, row, tmp_path):
    job = make_jobs(replace(table, rows=(row,)), Setup(), Data(tmp_path))[row.label]
    assert job.policy == configs.load(row.model, overrides=row.overrides).model.memory
    if not row.checkpoint:
        return
    (tmp_path / row.checkpoint).touch()
    main = row.checkpoint.endswith("_PRE_YTB_DAV.pth")
    stage = "pre_ytb_dav" if main else find_dataset(table.dataset)[1].stage
    cfg = configs.load(row.model, stage, [*row.overrides, f"eval.dataset={table.dataset}"])
    assert find_checkpoint(cfg, tmp_path / "none", tmp_path).name == row.checkpoint


def test_released_weights_can_be_downloaded():
    zoo = pytest.importorskip("mavos.zoo.entries").ZOO
    assert {Path(row.checkpoint).stem for _, row in RUNNABLE if row.checkpoint} <= zoo.keys()


def test_the_same_evaluation_has_one_folder_and_no_other_has_it(tmp_path):
    commands: dict[Path, set[str]] = {}
    for table in TABLES.values():
        for job in make_jobs(table, Setup(), Data(tmp_path)).values():
            commands.setdefault(job.folder, set()).add(job.command)
    assert all(len(found) == 1 for found in commands.values())
    everywhere = sum(len(table.rows) for table in TABLES.values())
    assert len(commands) == everywhere - 4  # R50-MAVOS as it is stands in five tables


@pytest.mark.parametrize(
    ("table", "row"), [(t, r) for t, r in RUNNABLE if r.experiment], ids=lambda x: x.label
    if isinstance(x, Row) else ""
)  # fmt: skip
def test_training_commands_make_the_weights_that_a_row_wants(table, row):
    *before, last = train_commands(row, find_dataset(table.dataset)[1].stage)
    for words in (*before, last):
        assert words.startswith("bash train.sh ")
        cfg, _ = parse_training(words.split()[2:])
    assert cfg.model == configs.load(row.model, overrides=row.overrides).model
    (job,) = make_jobs(replace(table, rows=(row,)), Setup(), Data(Path("none"))).values()
    assert job.checkpoint.parent == run_folder(cfg) / "ema_ckpt"
    assert [parse_training(words.split()[2:])[0].stage for words in before] == [cfg.train.start]


@pytest.fixture
def bare(tmp_path) -> list[object]:
    """Options of a machine with nothing."""
    folders = {"--data_root": "data", "--pretrained": "weights", "--output": "out"}
    return [word for option, name in folders.items() for word in (option, tmp_path / name)]


def test_list_on_a_bare_machine_names_every_missing_file_and_the_remedy(bare, tmp_path):
    ended = run("--list", *bare, main=command.main)
    assert ended.status == 0 and not (tmp_path / "out").exists()
    for _, row in RUNNABLE:
        if row.checkpoint:
            assert f"weights {tmp_path / 'weights' / row.checkpoint}" in ended.stdout
            assert f"python tools/download.py {Path(row.checkpoint).stem} --output" in ended.stdout
        elif row.experiment:
            assert "/ema_ckpt/save_step_100000.pth" in ended.stdout
            assert f"--exp_name {row.experiment}" in ended.stdout
    for folder in ("LVOS", "LongVideo", "DAVIS2017"):
        assert str(tmp_path / "data" / folder) in ended.stdout
    assert "val/val_meta.json" in ended.stdout and "datasets/README.md" in ended.stdout
    assert "rows: 0 done" in ended.stdout


def test_list_as_json_has_commands_and_no_number_for_what_is_not_known(bare):
    ended = run("--list", "table6", "--json", *bare, main=command.main)
    (table,) = json.loads(ended.stdout)
    row = table["rows"][0]
    assert (row["label"], row["state"], row["policy"]) == ("cross-attention", "missing", "mca")
    assert row["command"].startswith("python tools/eval.py --dataset lvos --split val ")
    assert row["command"].endswith(" model.fusion=cross_attention")
    assert {missing["kind"] for missing in row["missing"]} == {"weights", "data"}
    assert set(row["paper"].values()) == {None}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run", "tabel2"], "unknown table 'tabel2'; did you mean table2"),
        (["--run", "table2", "--json"], "--json goes with --list"),
        (["--list", "--", "--dataset", "mose"], "options after --, --dataset mose"),
        (["--list", "--", "model.memory=all"], "options after --, model.memory=all"),
        (["--list", "--", "--no-score"], "options after --, --no-score"),
    ],
)
def test_mistakes_are_told(options, message):
    assert message in run(*options, main=command.main).error


def test_no_number_of_ours_where_nothing_was_run(bare, tmp_path):
    ended = run("--run", "table2", "table6", *bare, main=command.main)
    assert ended.status == 0, ended.stderr  # nothing failed, nothing could be run
    for name in ("table2", "table6"):
        with (tmp_path / "out" / f"{name}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(TABLES[name].rows)
        for row in rows:
            assert row["status"].startswith("not run, missing: weights ")
            assert not any(v for k, v in row.items() if k.endswith((" ours", " difference")))
        assert (tmp_path / "out" / f"{name}.md").is_file()
        assert str(tmp_path / "out" / f"{name}.png") in ended.stdout


def make_line(ours: float | None, paper: float | None) -> Line:
    row = Row("row", "mavos", paper={} if paper is None else {"J&F": paper})
    return Line(row, None, None if ours is None else Measured({"J&F": ours}, "cpu"), "")


@pytest.mark.parametrize(
    ("ours", "paper", "shown"),
    [
        (63.14, 63.3, "63.1 / 63.3 (-0.2)"),
        (63.26, 63.3, "63.3 / 63.3 (+0.0)"),
        (64.0, 63.3, "64.0 / 63.3 (+0.7)"),
        (0.0, 63.3, "0.0 / 63.3 (-63.3)"),
        (64.0, None, "64.0 / —"),
        (None, 63.3, "· / 63.3"),
        (None, None, "· / —"),
    ],
)
def test_cells_show_the_difference_of_what_they_show(ours, paper, shown):
    assert cell(make_line(ours, paper), "J&F") == shown


def test_claims_are_ratios_of_two_measured_rows():
    claims = (
        Claim("FPS", "a", "b", "times", 7.6, "somewhere"),
        Claim("memory", "a", "b", "percent less", 87, "somewhere"),
    )
    table = replace(TINY, claims=claims)
    fast = Line(Row("a", "mavos"), None, Measured({"FPS": 40.0, "memory": 1.0}, "cpu"), "")
    slow = Line(Row("b", "mavos"), None, Measured({"FPS": 5.0, "memory": 4.0}, "cpu"), "")
    assert [ours for _, ours, _ in met_claims(table, [fast, slow])] == [8.0, 75.0]
    assert not list(warnings(TABLES["fig1"], [fast, slow], ()))
    unknown = replace(slow, measured=None)
    assert [ours for _, ours, _ in met_claims(table, [fast, unknown])] == [None, None]


def test_rows_of_two_machines_have_no_ratio_and_the_table_says_so(tmp_path):
    values = {"FPS": 40.0, "memory": 1.0}
    devices = {"R50-MAVOS": "a GPU", "R50-DeAOT-L": "abacus"}
    job = SimpleNamespace(policy="mca", weights="random", finished=lambda: "2026-01-31")
    lines = [
        replace(line, job=job, measured=device and Measured(values, device))
        for line in make_lines(TABLES["fig1"], {})
        for device in (devices.get(line.row.label),)
    ]
    text = markdown(TABLES["fig1"], lines)
    told = "FPS of R50-MAVOS against R50-DeAOT-L: · (no ratio of two machines, a GPU and abacus) /"
    assert told in text and "Measured on 2 machines, a GPU, abacus: speed and memory" in text
    assert draw(TABLES["fig1"], lines, (), tmp_path / "fig1.png")


def test_the_figure_has_speed_memory_and_their_ratios(bare, tmp_path, monkeypatch):
    rows = {"r50_mavos": (40.0, 1, None), "r50_deaotl": (5.0, 4, None), "mavos": (50.0, 1, "full")}

    def measure(tool: str, arguments: list[str]) -> str:
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        if options["--model"] not in rows:
            raise RowFailed("no such machine")
        fps, gigabytes, ended = rows[options["--model"]]
        figures = [{"fps": 1.0, "peak_bytes": 1}, {"fps": fps, "peak_bytes": gigabytes * 2**30}]
        machine = {"device": "cpu", "processor": "abacus"}
        record = {"machine": machine, "rows": figures, "ended": ended}
        folder = Path(options["--output"])
        (folder / "benchmark.json").write_text(json.dumps({"length": [record]}))
        return ""

    monkeypatch.setattr(running, "run_tool", measure)
    ended = run("--run", "fig1", *bare, "--", "--frames", "100", main=command.main)
    assert ended.status == 2 and "3 rows failed" in ended.stderr
    assert str(tmp_path / "out" / "fig1.png") in ended.stdout
    text = (tmp_path / "out" / "fig1.md").read_text(encoding="utf-8")
    assert "| R50-MAVOS | mca | 40.0 / — | 1.00 / — | random | abacus, 20" in text
    assert "FPS of R50-MAVOS against R50-DeAOT-L: 8.0 / 7.6 times" in text
    assert "memory, GiB of R50-MAVOS against R50-DeAOT-L: 75.0 / 87 % less" in text
    assert "| MAVOS | mca | · / — | · / — | random | failed: what is in " in text  # it gave up
    assert "Measured with options of our own: --frames 100" in text


def test_a_figure_of_another_device_is_measured_and_overwrite_measures_again(tmp_path, monkeypatch):
    table = replace(TABLES["fig1"], rows=TABLES["fig1"].rows[:1], claims=())
    started: list[str] = []

    def measure(tool: str, arguments: list[str]) -> str:
        started.append(" ".join(arguments))
        folder = Path(arguments[arguments.index("--output") + 1])
        row = {"fps": 1.0, "peak_bytes": 1}
        record = {"machine": {"device": "some"}, "rows": [row], "ended": None}
        (folder / "benchmark.json").write_text(json.dumps({"length": [record]}))
        return ""

    monkeypatch.setattr(running, "run_tool", measure)
    for device in ("cpu", "cpu", "cuda", "cuda"):
        assert not run_table(table, Setup(output=tmp_path, device=device)).failures
    assert ["--device cpu" in one for one in started] == [True, False]
    run_table(table, Setup(output=tmp_path, device="cuda", overwrite=True))
    assert len(started) == 3 and started[-1].endswith("--overwrite")


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


@pytest.fixture(scope="module")
def done(tmp_path_factory, checkpoint) -> tuple[Setup, running.Ran]:
    """A table of every kind of row, run over a data set of one video."""
    root = tmp_path_factory.mktemp("tables")
    folders = ("JPEGImages/480p", "Annotations/480p")
    make_video(root / "data", "moving", LENGTH, ids=(1, 2), folders=folders)
    truth = root / "data" / folders[1] / "moving"
    for frame in range(1, LENGTH):
        save_mask(truth / f"{frame:05d}.png", np.roll(labels(truth / "00000.png"), frame, axis=1))
    (root / "data" / "ImageSets" / "2017").mkdir(parents=True)
    (root / "data" / "ImageSets" / "2017" / "val.txt").write_text("moving\n")
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
    only_job(moved).note("2026-01-31")
    return moved


GOOD = replace(TINY, rows=TINY.rows[-1:])


def refuse(tool, arguments):
    raise RowFailed(f"started {tool} {' '.join(arguments)}")


def only_job(setup: Setup) -> Job:
    (job,) = make_jobs(GOOD, setup, Data(setup.data_root)).values()
    return job


def test_rows_are_run_and_the_others_say_why_not(done):
    setup, ran = done
    assert ran.files == [setup.output / f"tiny{suffix}" for suffix in (".md", ".csv", ".png")]
    assert list(ran.failures) == ["bad weights"]
    assert "tools/eval.py ended with status 2" in ran.failures["bad weights"]
    assert "bad.pth" in ran.failures["bad weights"]
    with ran.files[1].open(encoding="utf-8") as file:
        xmem, absent, bad, nano = csv.DictReader(file)
    assert xmem["status"] == "not part of this framework" and xmem["J&F paper"] == "80.0"
    assert absent["status"] == f"not run, missing: weights {setup.pretrained / 'absent.pth'}"
    assert bad["status"].startswith("failed: ")
    assert [row["J&F ours"] for row in (xmem, absent, bad)] == ["", "", ""]
    scores = json.loads((only_job(setup).folder / "scores.json").read_text())
    ours = round(100 * scores["J&F-Mean"], 1)
    assert nano["status"] == "done" and nano["machine"] == "cpu" and nano["videos"] == "1"
    assert float(nano["J&F ours"]) == ours
    assert float(nano["J&F difference"]) == round(ours - 50.0, 1)
    assert float(nano["FPS ours"]) > 0 and nano["FPS paper"] == nano["FPS difference"] == ""


def test_the_markdown_says_everything_a_reader_must_know(done):
    setup, ran = done
    text = ran.files[0].read_text(encoding="utf-8")
    job = only_job(setup)
    ours = round(100 * json.loads((job.folder / "scores.json").read_text())["J&F-Mean"], 1)
    assert text.startswith("# Table 0: moving squares\n")
    assert f"| nano [2] | mca | {ours:.1f} / 50 ({ours - 50:+.1f}) | " in text
    assert f" / — | nano.pth | cpu, {job.finished()} |" in text
    assert "| XMem [1] |  | · / 80 | · / — |  | not part of this framework |" in text
    assert "— printed number not carried yet" in text and "[2] Odd. The paper's: a book." in text
    assert "Measured with options of our own: --max_resolution 60 --threads 1" in text
    assert "Not the benchmark" not in text
    lines = make_lines(TINY, make_jobs(TINY, setup, Data(setup.data_root)))
    fewer = markdown(replace(TINY, videos=30), lines)
    assert "Not the benchmark: 1 of its 30 videos were evaluated" in fewer


def test_a_finished_row_is_used_again(again):
    assert run_table(GOOD, again).failures == {}
    assert run_table(GOOD, replace(again, device="auto", gpu_num=2)).failures == {}  # same masks


def test_other_settings_weights_or_more_videos_are_no_reuse(again):
    assert run_table(GOOD, replace(again, options=(*OPTIONS, "--flip"))).failures
    text = (again.output / "tiny.csv").read_text(encoding="utf-8")
    assert "failed: started eval" in text  # and none of the numbers that are there
    assert next(csv.DictReader(text.splitlines()))["J&F ours"] == ""
    listed = again.data_root / "ImageSets" / "2017" / "val.txt"
    listed.write_text("moving\nmore\n")
    try:
        assert make_lines(GOOD, make_jobs(GOOD, again, Data(again.data_root)))[0].measured is None
    finally:
        listed.write_text("moving\n")


def test_weights_that_changed_are_told_until_overwrite(again, tmp_path):
    (tmp_path / "weights").mkdir()
    shutil.copy(again.pretrained / "nano.pth", tmp_path / "weights" / "nano.pth")
    moved = replace(again, pretrained=tmp_path / "weights")
    only_job(moved).note("2026-01-31")
    assert run_table(GOOD, moved).failures == {}
    (tmp_path / "weights" / "nano.pth").write_bytes(b"other")
    failures = run_table(GOOD, moved).failures
    assert "other weights; --overwrite replaces them" in failures["nano"]
    failures = run_table(GOOD, replace(moved, overwrite=True)).failures
    assert failures["nano"].startswith("started eval ") and "--overwrite" in failures["nano"]
    # that run was not finished: the next one goes on with it, and replaces nothing
    failures = run_table(GOOD, replace(moved, overwrite=True)).failures
    assert "--overwrite" not in failures["nano"]


def test_a_run_without_scores_is_a_failure_and_tells_why(again, monkeypatch):
    monkeypatch.setattr(running, "run_tool", lambda *_: "12:00:00 INFO not scored: no truth\n")
    only_job(again).note()
    assert run_table(GOOD, again).failures == {"nano": "not scored: no truth"}


def test_without_matplotlib_the_text_is_written(again, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    ran = run_table(GOOD, again)
    assert [path.suffix for path in ran.files] == [".md", ".csv"]
    assert "pip install -e .[demo]" in caplog.text


def test_every_csv_row_has_every_column():
    for table in TABLES.values():
        header, *rows = csv_rows(table, make_lines(table, {}))
        assert {len(row) for row in rows} == {len(header)}
