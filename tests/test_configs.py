"""Configs: typed overrides, choices, nearest names."""

from typing import get_args, get_type_hints

import pytest

from mavos import configs
from mavos.configs.models import MODELS
from mavos.configs.overrides import override
from mavos.configs.schema import ModelConfig
from mavos.networks import METHODS
from mavos.networks.encoders import ENCODERS
from mavos.networks.lstt.memory import POLICIES
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


@pytest.mark.parametrize(
    "field, table", [("encoder", ENCODERS), ("memory", POLICIES), ("method", METHODS)]
)
def test_choices_in_the_schema_are_those_that_can_be_built(field: str, table: dict):
    assert set(get_args(get_type_hints(ModelConfig)[field])) == set(table)
