"""The paper's tables as data: every number as printed, every claim computed, every row runnable."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mavos import configs
from mavos.configs.models import MODELS
from mavos.configs.stages import STAGES
from mavos.dataloaders.listings.eval_datasets import find_dataset
from mavos.paper.claims import from_print
from mavos.paper.data_at_hand import Data
from mavos.paper.evaluation import train_commands
from mavos.paper.jobs import Setup
from mavos.paper.kinds import make_jobs
from mavos.paper.lines import make_lines
from mavos.paper.report import csv_rows
from mavos.paper.schema import METRICS, Row, Table
from mavos.paper.tables import TABLES
from mavos.paper.testsets import TEST_SETS
from mavos.run.find_checkpoint import find_checkpoint, run_folder
from mavos.training.options import parse as parse_training

PAPER = json.loads((Path(__file__).parent / "fixtures" / "paper" / "tables.json").read_text())
PRINTED = [table for table in TABLES.values() if table.source]
EVALUATED = [table for table in TABLES.values() if table.kind == "evaluation"]
RUNNABLE = [(table, row) for table in EVALUATED for row in table.rows if row.network]
IDS = [f"{table.name} {row.label}" for table, row in RUNNABLE]


def _printed(table: Table) -> dict[str, tuple[list, list]]:
    """Words and numbers of each row of the record of the paper, by its label."""
    rows = PAPER[table.name]["rows"]
    if table.name == "fig1":  # by metric and dataset there
        keys = [({"memory": "memory GB"}.get(c.metric, c.metric), c.on) for c in table.columns]
        return {label: ([], [row[m][on] for m, on in keys]) for label, row in rows.items()}
    words = len(PAPER[table.name]["columns"]) - len(table.columns)
    return {label: (row[:words], row[words:]) for label, row in rows.items()}


def test_all_tables_of_the_paper_are_there_and_the_curve_of_our_own():
    assert [*TABLES] == [*(f"table{n}" for n in range(1, 9)), "fig1", "length"]
    assert {table.name for table in PRINTED} == PAPER.keys() - {"source", "setup"}


@pytest.mark.parametrize("table", PRINTED, ids=lambda table: table.name)
def test_every_number_is_as_printed(table):
    printed = _printed(table)
    assert [row.label for row in table.rows] == list(printed)  # every row, in order
    for row in table.rows:
        words, numbers = printed[row.label]
        assert list(row.printed) == numbers, row.label
        if words:
            assert list(row.facts) == words, row.label


def test_misprints_are_flagged_and_nothing_else():
    """A printed J&F is the mean of the printed J and F, but for one row."""
    odd = set()
    for table in PRINTED:
        keys = [column.metric for column in table.columns]
        for row in table.rows:
            if keys[:3] == ["J&F", "J", "F"]:
                both, j, f = row.printed[:3]
                if abs(both - (j + f) / 2) > 0.1:
                    odd.add((table.name, row.label))
    flagged = {(table.name, row.label) for table in PRINTED for row in table.rows if row.flag}
    noted = {(name, row) for name in PAPER for row in _flags(name)}
    assert odd == flagged == noted == {("table2", "AOT-B")}


def _flags(name: str) -> list[str]:
    part = PAPER[name]
    return list(part.get("flags", ())) if isinstance(part, dict) else []


@pytest.mark.parametrize("table", PRINTED, ids=lambda table: table.name)
def test_claims_follow_from_the_printed_cells(table):
    for claim in table.claims:
        decimals = len(f"{claim.stated:g}".partition(".")[2])
        follows = round(from_print(table, claim), decimals) == claim.stated
        assert follows != bool(claim.flag), claim


def test_the_headline_is_of_mobilenet_against_mobilenet_on_lvos():
    speed, memory, longer, _ = TABLES["fig1"].claims
    assert from_print(TABLES["fig1"], speed) == 38.2 / 5.0
    assert from_print(TABLES["fig1"], memory) == pytest.approx(100 * (1 - 3.3 / 24.6))
    assert from_print(TABLES["fig1"], longer) == pytest.approx(100 * (1 - 4.9 / 38.6))
    facts = {row.label: row.facts for row in TABLES["fig1"].rows}
    assert facts["MAVOS"] == facts["DeAOT-L"] == ("MobileNet-V2",)


def test_what_the_rows_run_is_what_section_4_says():
    setup = PAPER["setup"]
    assert MODELS["mavos"].test_memory_gap == setup["delta_test"]
    assert MODELS["deaotl"].test_memory_gap == setup["delta_test_of_DeAOT"]
    for name in ("mavos", "r50_mavos", "swinb_mavos", "deaotl"):
        model = MODELS[name]
        assert (model.train_memory_gap, model.depth) == (setup["delta_train"], setup["blocks"])
    train = STAGES["pre_ytb_dav"].train
    assert (train.steps, train.batch_size) == (setup["steps"], setup["batch"])
    assert train.clip_length == setup["clip_length"]
    assert STAGES["pre_ytb_dav_long_lvos"].train.lr == setup["lr"]["LVOS"]
    for test_set in TEST_SETS.values():  # 480p of 16:9, as DAVIS has it
        if test_set.options:
            assert test_set.options[0] == "--max_resolution"
            assert int(float(test_set.options[1]) * 5 / 3) == 853


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_data_is_consistent(table):
    assert len({row.label for row in table.rows}) == len(table.rows)
    assert {column.metric for column in table.columns} <= METRICS.keys()
    for row in table.rows:
        assert len(row.printed) == len(table.columns)
        assert len(row.facts) in (0, len(table.words))
        if row.network and table.kind == "evaluation":  # either released or to be trained
            sets = {column.on for column in table.columns}
            released = [row.network.is_released_for(on) for on in sets]
            assert all(released) if not row.network.experiment else not any(released)
    header, *rows = csv_rows(table, make_lines(table, {}))
    assert {len(row) for row in rows} == {len(header)}


@pytest.mark.parametrize(("table", "row"), RUNNABLE, ids=IDS)
def test_rows_load_and_their_weights_are_those_that_are_looked_for(table, row, tmp_path):
    jobs = make_jobs(replace(table, rows=(row,)), Setup(), Data(tmp_path))[row.label]
    assert list(jobs) == list(dict.fromkeys(column.on for column in table.columns))
    network = row.network
    for on, job in jobs.items():
        dataset = TEST_SETS[on].dataset
        model = configs.load(network.model, overrides=network.overrides).model
        assert (job.policy, job.gap) == (model.memory, model.test_memory_gap)
        assert job.full == TEST_SETS[on].videos
        if not network.weights:
            continue
        file = network.weights[on]
        (tmp_path / file).touch()
        main = file.endswith("_PRE_YTB_DAV.pth")
        stage = "pre_ytb_dav" if main else find_dataset(dataset)[1].stage
        cfg = configs.load(network.model, stage, [*network.overrides, f"eval.dataset={dataset}"])
        assert find_checkpoint(cfg, tmp_path / "none", tmp_path).name == file


def test_each_benchmark_has_its_own_weights_and_the_ablations_their_memory():
    jobs = make_jobs(TABLES["table7"], Setup(), Data(Path("none")))
    assert {on: job.checkpoint.name for on, job in jobs["MCA (Reference + Dynamic)"].items()} == {
        "DAVIS": "mavos_davis2017.pth",
        "LTV": "mavos_longvideo.pth",
        "LVOS": "mavos_lvos.pth",
    }
    policies = {label: {job.policy for job in by_set.values()} for label, by_set in jobs.items()}
    assert policies == {
        "Reference": {"reference"},
        "Previous": {"previous"},
        "Reference + Previous": {"reference_previous"},
        "MCA (Reference + Dynamic)": {"mca"},
    }
    models = {row.network.model for row in TABLES["table5"].rows + TABLES["table7"].rows}
    assert models == {"aotl", "deaotl", "mavos"}  # all MobileNet-V2
    assert {row.network.model for row in TABLES["table6"].rows} == {"mavos"}
    assert {row.network.model for row in TABLES["table8"].rows} == {"r50_mavos"}


def test_released_weights_can_be_downloaded():
    zoo = pytest.importorskip("mavos.zoo.entries").ZOO
    files = {file for _, row in RUNNABLE for file in (row.network.weights or {}).values()}
    assert {Path(file).stem for file in files} <= zoo.keys()


def test_the_same_evaluation_has_one_folder_and_no_other_has_it(tmp_path):
    commands: dict[Path, set[str]] = {}
    number = 0
    for table in EVALUATED:
        for jobs in make_jobs(table, Setup(), Data(tmp_path)).values():
            for job in jobs.values():
                number += 1
                commands.setdefault(job.folder, set()).add(job.command)
    assert all(len(found) == 1 for found in commands.values())
    assert len(commands) < number  # MAVOS stands in five tables


def _to_train() -> list[tuple[Row, str]]:
    return [
        (row, on)
        for table, row in RUNNABLE
        if row.network.experiment
        for on in dict.fromkeys(column.on for column in table.columns)
    ]


@pytest.mark.parametrize(
    ("row", "on"), _to_train(), ids=[f"{row.label} {on}" for row, on in _to_train()]
)
def test_training_commands_make_the_weights_that_a_row_wants(row, on):
    (table,) = (table for table, other in RUNNABLE if other is row)
    network, stage = row.network, find_dataset(TEST_SETS[on].dataset)[1].stage
    *before, last = train_commands(network, stage)
    for words in (*before, last):
        assert words.startswith("bash train.sh ")
        cfg, _ = parse_training(words.split()[2:])
    assert cfg.model == configs.load(network.model, overrides=network.overrides).model
    job = make_jobs(replace(table, rows=(row,)), Setup(), Data(Path("none")))[row.label][on]
    assert job.checkpoint.parent == run_folder(cfg) / "ema_ckpt"
    chain = [parse_training(words.split()[2:])[0] for words in (*before, last)]
    assert [cfg.train.start for cfg in chain] == ["pre", *(cfg.stage for cfg in chain[:-1])]


def test_the_scores_in_readme_are_the_papers():
    """J&F and FPS of each model that the paper prints, in README's table of models."""
    text = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    lines = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    shown = {cells[1].strip(" `"): cells for cells in lines}
    titles = next(line for line in text.splitlines() if line.startswith("| `--model`")).split("|")
    where = {title.strip(): place for place, title in enumerate(titles)}
    printed: dict[tuple[str, str], float] = {}
    for name, key, title in (
        ("table4", "J&F DAVIS", "DAVIS 2017"),
        ("table2", "J&F LVOS", "LVOS"),
        ("table3", "J&F LTV", "Long-Time Video"),
        ("table2", "FPS LVOS", "their FPS"),
    ):
        for row in TABLES[name].rows:
            if row.network and row.label != "AOT-B":  # of which README shows its authors' score
                printed[row.network.model, title] = TABLES[name].printed(row.label, key)
    assert len(printed) == 19
    for (model, title), value in printed.items():
        assert shown[model][where[title]].strip() == f"{value:.1f}", (model, title)
