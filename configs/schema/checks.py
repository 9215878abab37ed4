"""What is refused in a field, whatever the section."""

from typing import Literal, get_args, get_origin, get_type_hints

from mavos.utils.errors import UserError


def check_choices(cfg) -> None:
    """Refuse values outside a field's ``Literal``."""
    for name, hint in get_type_hints(type(cfg)).items():
        if get_origin(hint) is Literal and getattr(cfg, name) not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise UserError(f"{name} must be one of {choices}; got {getattr(cfg, name)!r}")


def positive(cfg, *names: str) -> None:
    for name in names:
        if not getattr(cfg, name) > 0:  # nor nan
            raise UserError(f"{name} must be positive, got {getattr(cfg, name)}")


def not_negative(cfg, *names: str) -> None:
    for name in names:
        if getattr(cfg, name) < 0:
            raise UserError(f"{name} must not be negative, got {getattr(cfg, name)}")


def share(cfg, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(cfg, name) <= 1:
            raise UserError(f"{name} is a share, from 0 to 1; got {getattr(cfg, name)}")
