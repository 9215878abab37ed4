"""Runs as typed values: ``load`` picks a model and a stage and applies overrides."""

from mavos.old_names import moved

if __name__ == "configs":
    raise moved(__name__)

from collections.abc import Iterable

from mavos.configs.models import MODELS
from mavos.configs.overrides import override
from mavos.configs.schema import Config
from mavos.configs.stages import STAGES
from mavos.utils.errors import UserError, unknown_name


def load(model: str, stage: str = "pre_ytb_dav", overrides: Iterable[str] = ()) -> Config:
    """The config of ``model`` at ``stage``; overrides are ``section.field=value`` strings.

    Raises UserError for an unknown name, field or value.
    """
    if model not in MODELS:
        raise unknown_name("model", model, list(MODELS))
    if stage not in STAGES:
        raise unknown_name("stage", stage, list(STAGES))
    cfg = Config(name=model, stage=stage, model=MODELS[model], train=STAGES[stage].train)
    for assignment in overrides:
        cfg = override(cfg, assignment)
    if (cfg.name, cfg.stage) != (model, stage):
        raise UserError("name and stage are no overrides; use --model and --stage")
    return cfg
