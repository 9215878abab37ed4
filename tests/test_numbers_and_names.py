"""Numbers of options and fields, and names that come from files: one check each."""

import math
from dataclasses import fields, replace

import pytest

from mavos import configs
from mavos.configs.models import MODELS
from mavos.configs.schema import Config
from mavos.dataloaders.listings.listing import read_list, read_meta
from mavos.evaluation import options as evaluation
from mavos.training import options as training
from mavos.utils.errors import UserError
from mavos.utils.names import check_name
from mavos.utils.reading import parse_json, reading

SECTIONS = ("model", "data", "train", "eval")
PATHS = ["../x", "..", ".", "", "/a", "a/b", "a\\b", "C:x", "a\nb", "a\0", "x" * 230, "\udc00x", 3]


def numbers(cfg: Config) -> list[str]:
    return [
        f"{section}.{field.name}"
        for section in SECTIONS
        for field in fields(getattr(cfg, section))
        if isinstance(getattr(getattr(cfg, section), field.name), (int, float))
        and not isinstance(getattr(getattr(cfg, section), field.name), bool)
    ]


@pytest.mark.parametrize("model", MODELS)
def test_no_field_takes_what_is_not_finite_or_huge(model):
    for path in numbers(configs.load(model)):
        for value in ("nan", "inf", "-inf", "9" * 20, "1e300", "9" * 5000):
            with pytest.raises(UserError, match=path.replace(".", r"\.")):
                configs.load(model, overrides=[f"{path}={value}"])


def test_no_field_takes_nan_from_code():
    cfg = configs.load("mavos")
    for path in numbers(cfg):
        section, name = path.split(".")
        with pytest.raises(UserError, match=name):
            replace(getattr(cfg, section), **{name: math.nan})


@pytest.mark.parametrize("field", ["cross_entropy_weight", "jaccard_weight", "aux_weight"])
def test_a_loss_has_no_negative_weight(field):
    with pytest.raises(UserError, match=f"train.{field} must not be negative, got -1"):
        configs.load("mavos", overrides=[f"train.{field}=-1"])


@pytest.mark.parametrize(
    "parse, option, value",
    [
        (evaluation.parse, "--lt_gap", "-3"),
        (evaluation.parse, "--st_skip", "0"),
        (evaluation.parse, "--max_resolution", "-1"),
        (evaluation.parse, "--threads", "-1"),
        (training.parse, "--batch_size", "0"),
        (training.parse, "--lr", "-1"),
        (training.parse, "--max_id_num", "0"),
    ],
)
def test_a_number_is_named_by_the_option_that_was_given(parse, option, value):
    with pytest.raises(UserError, match=f"^{option} must"):
        parse([option, value])


@pytest.mark.parametrize("value", ["nan", "9" * 20, "9" * 5000, "x"])
@pytest.mark.parametrize("option", ["--batch_size", "--lr", "--seed", "--gpu_num", "--total_step"])
def test_what_no_option_takes(option, value, capsys):
    if (option, value) == ("--lr", "9" * 20):
        pytest.skip("finite; the field refuses it")
    with pytest.raises(SystemExit) as ended:
        training.parse([option, value])
    assert ended.value.code == 2
    assert f"argument {option}" in capsys.readouterr().err


@pytest.mark.parametrize("name", PATHS, ids=lambda name: ascii(name)[:12])
def test_a_name_is_one_part_of_a_path(name):
    with pytest.raises(UserError, match=r"list\.txt, line 1"):
        check_name(name, "list.txt, line 1")


@pytest.mark.parametrize("name", ["bear", "00001", "Tür 3.mov", "猫", "a..b", "-x", "cam_0.04"])
def test_a_usual_name_is_itself(name):
    assert check_name(name, "") == name


def test_lists_and_meta_files_cannot_name_a_path(tmp_path):
    (tmp_path / "val.txt").write_text("bear\n../../photos\n")
    with pytest.raises(UserError, match=r"val\.txt, line 2: '\.\./\.\./photos' is no name but a"):
        read_list([tmp_path / "val.txt"])
    (tmp_path / "meta.json").write_text('{"videos": {"../x": {}}}')
    with pytest.raises(UserError, match=r"meta\.json: videos: '\.\./x'"):
        read_meta(tmp_path / "meta.json")


@pytest.mark.parametrize("data", [b"", b"{", b"[NaN]", b"\xff\xfe", b"[" * 100_000, b"9" * 5000])
def test_what_is_no_json_is_named(data):
    with pytest.raises(UserError, match=r"cannot read f\.json as JSON: .*; mend it"):
        parse_json(data, "f.json", "mend it")


@pytest.mark.parametrize("error", [KeyError, OverflowError, RecursionError])
def test_the_door_turns_whatever_a_parser_raises(error):
    with pytest.raises(UserError, match="cannot read f as x"), reading("f", "x", "mend it"):
        raise error
