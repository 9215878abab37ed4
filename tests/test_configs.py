"""Configs: typed overrides, choices, nearest names."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, get_args, get_type_hints

import pytest

from mavos import configs
from mavos.configs.models import MODELS
from mavos.configs.overrides import override
from mavos.configs.schema import LongShortTermConfig, ModelConfig
from mavos.dataloaders.listings.eval_datasets import find_dataset
from mavos.evaluation import options
from mavos.networks import METHODS
from mavos.networks.encoders import ENCODERS
from mavos.networks.lstt.memory import POLICIES
from mavos.speed_curves.runs import choose_models, update_marks
from mavos.utils.errors import UserError


@pytest.mark.parametrize(
    "assignment, section, field, value",
    [
        ("model.focal_levels=3", "model", "focal_levels", 3),
        ("model.drop_path=0.2", "model", "drop_path", 0.2),
        ("model.memory=all", "model", "memory", "all"),
        ("eval.flip=true", "eval", "flip", True),
        ("eval.ema=no", "eval", "ema", False),
        ("eval.ema=none", "eval", "ema", None),
        ("eval.scales=0.75,1", "eval", "scales", (0.75, 1.0)),
        ("eval.scales=(1.5,)", "eval", "scales", (1.5,)),
        ("data.root=/a=b", "data", "root", "/a=b"),
    ],
)
def test_overrides_are_parsed_as_their_field(assignment, section, field, value):
    cfg = configs.load("mavos", overrides=[assignment])
    assert getattr(getattr(cfg, section), field) == value


@pytest.mark.parametrize(
    "assignment, message",
    [
        ("model.focal_level=3", "unknown config field 'model.focal_level'; did you mean model.foc"),
        ("modle.dim=3", "did you mean model"),
        ("model.depth=three", "model.depth=three: expected int"),
        ("eval.flip=maybe", "eval.flip=maybe: expected bool"),
        ("model.memory=mac", "memory must be one of mca, reference"),
        ("model.depth=0", "depth must be positive"),
        ("model.short_term_window=4", "must be odd"),
        ("model.fusion=attention", "fusion must be one of mca, cross_attention"),
        ("model.heads=3", "half of dim, 128, must be a multiple of heads, 3"),
        ("model=3", "model is a section"),
        ("stage=pre", "use --model and --stage"),
        ("model.depth.x=3", "model.depth is a field"),
        ("model.depth", "not of the form"),
        ("eval.scales=a,b", "eval.scales=a,b: expected"),
        ("eval.scales=", "eval.scales"),
    ],
)
def test_a_wrong_override_says_what_is_right(assignment: str, message: str):
    with pytest.raises(UserError) as error:
        configs.load("mavos", overrides=[assignment])
    assert message in str(error.value)


def test_unknown_model_and_stage_name_the_nearest():
    with pytest.raises(UserError, match="did you mean r50_mavos"):
        configs.load("r50mavos")
    with pytest.raises(UserError, match="did you mean pre_ytb_dav"):
        configs.load("mavos", "pre_ytb_davis")


def test_an_override_leaves_the_original_alone():
    cfg = configs.load("mavos")
    assert override(cfg, "model.dim=128").model.dim == 128
    assert cfg.model.dim == MODELS["mavos"].dim == 256


@pytest.mark.parametrize("field, table", [("encoder", ENCODERS), ("memory", POLICIES)])
def test_choices_in_the_schema_are_those_that_can_be_built(field: str, table: dict):
    assert set(get_args(get_type_hints(LongShortTermConfig)[field])) == set(table)


def test_every_method_has_a_config_class_and_a_model():
    classes = {model.method: type(model) for model in MODELS.values()}
    assert classes.keys() == METHODS.keys() and len(set(classes.values())) == len(classes)


@pytest.mark.parametrize("name", MODELS)
def test_what_a_method_says_of_its_fields_is_true_of_its_fields(name: str):
    """Options, overrides and lists of names speak of fields that are there."""
    model = MODELS[name]
    names = [field.name for field in fields(model)]
    assert set(model.options.values()) <= set(names)
    assert not model.options.keys() & model.instead.keys()
    assert set(model.speed_only) <= set(names)
    configs.load(name, interactive=True)
    for dataset, overrides in model.by_dataset.items():
        assert find_dataset(dataset)[0] == dataset
        configs.load(name, overrides=overrides)


def test_a_field_that_a_method_has_no_use_for_is_unknown():
    with pytest.raises(UserError, match=r"unknown config field 'model\.focal_levels'"):
        configs.load("aott", overrides=["model.focal_levels=3"])


@dataclass(frozen=True, kw_only=True)
class OtherConfig(ModelConfig):
    """A method of another kind."""

    method: str = "other"
    encoder_weights: str = ""
    mem_every: int = 5
    size: int = 480

    options: ClassVar[Mapping[str, str]] = {"lt_gap": "mem_every"}
    instead: ClassVar[Mapping[str, str]] = {"max_id_num": "nothing, it takes any number of objects"}
    interactive: ClassVar[tuple[str, ...]] = ("model.mem_every=3",)
    by_dataset: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "longvideo": ("model.size=-1", "model.mem_every=10")
    }


@pytest.fixture
def other(monkeypatch) -> None:
    monkeypatch.setitem(MODELS, "other", OtherConfig(title="Other"))


@pytest.mark.parametrize(
    "asked, mem_every, size",
    [
        ({}, 5, 480),
        ({"dataset": "davis2017"}, 5, 480),
        ({"dataset": "longvideo"}, 10, -1),
        ({"interactive": True}, 3, 480),
        ({"dataset": "longvideo", "options": {"lt_gap": 7}}, 7, -1),
        ({"interactive": True, "options": {"lt_gap": 7}}, 7, 480),
        ({"dataset": "longvideo", "options": {"lt_gap": None}}, 10, -1),
        ({"dataset": "longvideo", "overrides": ["model.size=600"]}, 10, 600),
    ],
)
def test_what_the_user_says_wins_over_what_the_method_says(other, asked, mem_every, size):
    model = configs.load("other", **asked).model
    assert (model.mem_every, model.size) == (mem_every, size)


@pytest.mark.parametrize(
    "option, message",
    [
        ("st_skip", "--st_skip: Other has no such setting; it has --lt_gap"),
        ("max_id_num", "--max_id_num: Other has no such setting; use nothing, it takes any"),
    ],
)
def test_an_option_of_another_method_is_refused(other, option: str, message: str):
    with pytest.raises(UserError, match=message):
        configs.load("other", options={option: 2})


def test_the_commands_ask_the_method_for_the_field(other):
    cfg, _ = options.parse(["--model", "other", "--dataset", "ltv", "--lt_gap", "2"])
    assert (cfg.model.mem_every, cfg.model.size) == (2, -1)
    with pytest.raises(UserError, match="--st_skip: Other has no such setting"):
        options.parse(["--model", "other", "--st_skip", "2"])
    (run,) = choose_models(["other"], ["default"], [], {"lt_gap": 4})
    assert run.config().model.mem_every == 4 and update_marks(run) == (5, 13)
    with pytest.raises(UserError, match="--policy all: --policy: Other has no such setting"):
        choose_models(["other"], ["all"], [], {})
