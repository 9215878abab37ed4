"""Runs as typed values: ``load`` picks a model and a stage and applies overrides."""

from mavos.old_names import moved

if __name__ == "configs":
    raise moved(__name__)

from collections.abc import Iterable, Mapping

from mavos.configs.models import MODELS
from mavos.configs.overrides import override
from mavos.configs.schema import Config, ModelConfig
from mavos.configs.schema.checks import FieldError
from mavos.configs.stages import STAGES
from mavos.utils.errors import UserError, unknown_name


def load(
    model: str,
    stage: str = "pre_ytb_dav",
    overrides: Iterable[str] = (),
    *,
    options: Mapping[str, object] | None = None,
    dataset: str = "",
    interactive: bool = False,
    named: Mapping[str, str] | None = None,
) -> Config:
    """The config of ``model`` at ``stage``; overrides are ``section.field=value`` strings.

    options: values of commands' options that set a field of the model, by name without dashes;
    the method says which field that is. None: not given. dataset, interactive: with what the
    method does otherwise there, or for a user who watches. named: ``section.field`` -> the option
    that the user set it by, for messages; those in ``options`` are known without. Overrides win
    over options, and both over what the method says.
    Raises UserError for an unknown name, field or value, or an option that the model does not have.
    """
    network = find_model(model)
    if stage not in STAGES:
        raise unknown_name("stage", stage, list(STAGES))
    named = dict(named or {}) | {
        f"model.{network.options[option]}": f"--{option}"
        for option, value in (options or {}).items()
        if value is not None and option in network.options
    }
    cfg = Config(name=model, stage=stage, model=network, train=STAGES[stage].train)
    for assignment in (
        *network.by_dataset.get(dataset, ()),
        *(network.interactive if interactive else ()),
        *network.overrides_of(options or {}),
        *overrides,
    ):
        try:
            cfg = override(cfg, assignment)
        except FieldError as error:
            raise FieldError(named.get(error.field, error.field), error.reason) from None
    if (cfg.name, cfg.stage) != (model, stage):
        raise UserError("name and stage are no overrides; use --model and --stage")
    return cfg


def find_model(name: str) -> ModelConfig:
    """The network ``name`` as it is without overrides. Raises UserError for an unknown name."""
    if name not in MODELS:
        raise unknown_name("model", name, list(MODELS))
    return MODELS[name]
