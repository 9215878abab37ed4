"""The section ``model``: what every method has, and what a method's class states of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mavos.configs.schema.checks import check_fields, positive
from mavos.utils.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network and its memory. Each method has a class of its own, with the fields it needs."""

    title: str  # in the names of result folders and published checkpoints
    method: str  # key in ``mavos.networks.METHODS``
    encoder_weights: str  # ImageNet file in pretrain_models; "": none
    test_resolution: float = 624.0  # long edge of frames at most 5/3 of it, pixels
    train_lr_min: float = 2e-5  # learning rate at the very start and end of training

    # Facts of the class, no settings.
    # Options of the commands, without dashes, and the field that each of them sets here.
    options: ClassVar[Mapping[str, str]] = {}
    # Options that this method has not, and what its user may want instead.
    instead: ClassVar[Mapping[str, str]] = {}
    # Overrides for videos that a user watches and corrects: tracker, demo and page have them.
    interactive: ClassVar[tuple[str, ...]] = ()
    # Overrides for the datasets that the method is evaluated on in another way than usual.
    by_dataset: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    # Fields that change the speed and nothing else.
    speed_only: ClassVar[tuple[str, ...]] = ()
    # How fields begin that do not change what weights are: training resumes with others.
    beside_weights: ClassVar[tuple[str, ...]] = ("test_", "train_", "encoder_weights")

    def __post_init__(self):
        check_fields(self)
        positive(self, "test_resolution", "train_lr_min")

    def setting(self, option: str) -> Any:
        """The value of what ``--<option>`` sets; None if this method has no such setting."""
        field = self.options.get(option)
        return None if field is None else getattr(self, field)

    def overrides_of(self, options: Mapping[str, object]) -> list[str]:
        """Options and their values as overrides; None: not given.

        Raises UserError for an option that this method does not have.
        """
        given = {option: value for option, value in options.items() if value is not None}
        return [f"model.{self._field_of(option)}={value}" for option, value in given.items()]

    def _field_of(self, option: str) -> str:
        if option in self.options:
            return self.options[option]
        hint = self.instead.get(option)
        there = ", ".join(f"--{name}" for name in self.options)
        raise UserError(
            f"--{option}: {self.title} has no such setting"
            + (f"; use {hint}" if hint else f"; it has {there}" if there else "")
        )
