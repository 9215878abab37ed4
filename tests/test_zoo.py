"""The list of published weights: its names, and that everything finds the files under them."""

import re
from collections import Counter

import pytest
from eval_tool import ROOT

from mavos import configs
from mavos.configs.models import MODELS
from mavos.dataloaders.listings.eval_datasets import EVAL_DATASETS
from mavos.demo import options as demo_options
from mavos.evaluation import options as eval_options
from mavos.run.find_checkpoint import find_checkpoint, find_start
from mavos.run.shipped import SHIPPED
from mavos.utils.errors import UserError
from mavos.zoo.entries import ZOO, select

OWN_VIDEO = ("--input", "clip.mp4", "--mask", "first.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every file of the zoo, empty."""
    folder = tmp_path_factory.mktemp("pretrain_models")
    for entry in ZOO.values():
        (folder / entry.file).touch()
    return folder


def found(folder, *options: str) -> str:
    command = demo_options if set(OWN_VIDEO) <= set(options) else eval_options
    cfg, _ = command.parse(list(options))
    return find_checkpoint(cfg, folder / "nothing trained", folder).name


def test_every_published_file_is_listed_once():
    assert Counter(e.group for e in ZOO.values()) == dict(mavos=12, aot=12, deaot=12, encoders=3)
    assert len({name.lower() for name in ZOO}) == len(ZOO)  # names are found in any case
    drive = [e for e in ZOO.values() if e.drive_id]
    assert len(drive) == 36 and all(re.fullmatch(r"1[\w-]{32}", e.drive_id) for e in drive)
    assert all(e.link == f"https://drive.google.com/file/d/{e.drive_id}/view" for e in drive)
    same = {}
    for entry in ZOO.values():
        same.setdefault(entry.link, set()).add(entry.name)
    # MAVOS starts from the static-image stage of DeAOT-L: its authors link to those files.
    assert [names for names in same.values() if len(names) > 1] == [
        {"MAVOS_PRE", "DeAOTL_PRE"},
        {"R50_MAVOS_PRE", "R50_DeAOTL_PRE"},
        {"SwinB_MAVOS_PRE", "SwinB_DeAOTL_PRE"},
    ]
    prefixes = [e.hash_prefix for e in ZOO.values() if e.hash_prefix]
    assert prefixes == ["b0353104", "0676ba61"]


@pytest.mark.parametrize("model", ["mavos", "r50_mavos", "swinb_mavos"])
@pytest.mark.parametrize("dataset", ["lvos", "longvideo", "davis2017"])
def test_evaluation_finds_the_weights_of_a_benchmark(folder, model, dataset):
    assert found(folder, "--model", model, "--dataset", dataset) == f"{model}_{dataset}.pth"
    assert found(folder, "--model", model, *OWN_VIDEO) == f"{model}_davis2017.pth"
    for other in ("davis2016", "youtubevos2019", "mose", "generic"):
        assert found(folder, "--model", model, "--dataset", other) == f"{model}_davis2017.pth"


@pytest.mark.parametrize("group", ["aot", "deaot"])
def test_evaluation_finds_the_weights_of_aot_and_deaot_for_every_dataset(folder, group):
    for entry in ZOO.values():
        if entry.group == group and entry.holds == "network":
            for dataset in EVAL_DATASETS:
                options = ("--model", entry.model, "--dataset", dataset, "--stage", "pre_ytb_dav")
                assert found(folder, *options) == entry.file
            assert found(folder, "--model", entry.model, *OWN_VIDEO) == entry.file


def test_training_finds_what_it_starts_from(folder):
    starts = [e for e in ZOO.values() if e.holds == "start"]
    assert len(starts) == 15
    for entry in starts:
        cfg = configs.load(entry.model, "pre_ytb_dav")
        assert find_start(cfg, folder / "nothing trained", folder).name == entry.file
    encoders = {e.file for e in ZOO.values() if e.holds == "encoder"}
    published = {name: m for name, m in MODELS.items() if name not in SHIPPED}
    assert encoders == {m.encoder_weights for m in published.values() if m.encoder_weights}
    for entry in (e for e in ZOO.values() if e.holds == "encoder"):
        assert MODELS[entry.model].encoder_weights == entry.file


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("r50_mavos_lvos", {"r50_mavos_lvos"}),
        ("R50_MAVOS_LVOS.pth", {"r50_mavos_lvos"}),
        ("r50_mavos_pre", {"R50_MAVOS_PRE"}),
        ("swinb_aotl", {"SwinB_AOTL_PRE", "SwinB_AOTL_PRE_YTB_DAV"}),
        ("mavos_*", {"MAVOS_PRE", "mavos_lvos", "mavos_longvideo", "mavos_davis2017"}),
        ("*_lvos", {"mavos_lvos", "r50_mavos_lvos", "swinb_mavos_lvos"}),
        ("r50_mavos", {f"r50_mavos_{d}" for d in ("lvos", "longvideo", "davis2017")}
         | {"R50_MAVOS_PRE"}),
    ],
)  # fmt: skip
def test_words_choose_files(word, names):
    assert {entry.name for entry in select([word])} == names


def test_groups_are_whole_and_nothing_comes_twice():
    assert [e.name for e in select(["all"])] == list(ZOO)
    assert {e.group for e in select(["mavos"])} == {"mavos"} and len(select(["mavos"])) == 12
    assert len(select(["encoders", "resnet50*", "all"])) == len(ZOO)
    assert select(["aott_pre", "encoders"])[0].name == "AOTT_PRE"


@pytest.mark.parametrize(
    ("word", "near"), [("r50_mavo_lvos", "r50_mavos_lvos"), ("encoder", "encoders"), ("x*", "")]
)
def test_unknown_names_get_the_nearest_ones(word, near):
    with pytest.raises(UserError, match=rf"unknown weights '{re.escape(word)}'.*--list") as told:
        select([word])
    assert near in str(told.value) and len(str(told.value)) < 150


def test_the_document_lists_every_file_with_its_link():
    text = (ROOT / "docs/model_zoo.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for entry in ZOO.values():
        (row,) = (row for row in rows if f"`{entry.name}`" in row)
        assert f"]({entry.link})" in row
    linked = re.findall(r"\]\((https://(?:drive|download|github)[^)]*)\)", "\n".join(rows))
    assert set(linked) == {entry.link for entry in ZOO.values()}
