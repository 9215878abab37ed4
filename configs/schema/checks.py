"""What is refused in a field, whatever the section."""

import math
from typing import Literal, get_args, get_origin, get_type_hints

from mavos.utils.errors import UserError

LARGEST = 2**31 - 1  # that every library behind a field takes


class FieldError(UserError):
    """A value that a field cannot have: the field, and what is wrong with it.

    Who knows by what name the user set the field raises it again under that name.
    """

    def __init__(self, field: str, reason: str):
        super().__init__(f"{field} {reason}")
        self.field, self.reason = field, reason


def check_fields(cfg) -> None:
    """Refuse values outside a field's ``Literal``, and numbers not finite or beyond LARGEST."""
    for name, hint in get_type_hints(type(cfg)).items():
        value = getattr(cfg, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise FieldError(name, f"must be one of {choices}; got {value!r}")
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, (int, float)):
                _check_number(name, number)


def positive(cfg, *names: str) -> None:
    for name in names:
        if not getattr(cfg, name) > 0:  # nor nan
            raise FieldError(name, f"must be positive, got {getattr(cfg, name)}")


def not_negative(cfg, *names: str) -> None:
    for name in names:
        if not getattr(cfg, name) >= 0:
            raise FieldError(name, f"must not be negative, got {getattr(cfg, name)}")


def share(cfg, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(cfg, name) <= 1:
            raise FieldError(name, f"is a share, from 0 to 1; got {getattr(cfg, name)}")


def at_most(cfg, **limits: float) -> None:
    for name, limit in limits.items():
        value = getattr(cfg, name)
        if value is not None and value > limit:
            raise FieldError(name, f"must be at most {limit}, got {value}")


def _check_number(name: str, number: float) -> None:
    if isinstance(number, float) and not math.isfinite(number):
        raise FieldError(name, f"must be a finite number, got {number}")
    if abs(number) > LARGEST:
        raise FieldError(name, f"must be at most {LARGEST}, got a larger number")
