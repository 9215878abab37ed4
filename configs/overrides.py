"""``section.field=value`` on the command line."""

import ast
from dataclasses import fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mavos.configs.schema.checks import FieldError
from mavos.utils.errors import UserError, unknown_name

T = TypeVar("T")

# Of types and ast.literal_eval: the last two for what is nested too deep.
NOT_OF_THE_TYPE = (
    *(ValueError, SyntaxError, TypeError, OverflowError),
    *(MemoryError, RecursionError),
)


def override(cfg: T, assignment: str, path: str = "") -> T:
    """``cfg`` with one ``section.field=value`` applied, parsed as that field's own type."""
    name, separator, text = assignment.partition("=")
    if not separator:
        raise UserError(f"{assignment!r} is not of the form section.field=value")
    head, _, rest = name.partition(".")
    names = [f.name for f in fields(cfg)]
    if head not in names:
        raise unknown_name("config field", path + head, [path + n for n in names])
    old = getattr(cfg, head)
    if is_dataclass(old):
        if not rest:
            raise UserError(f"{path}{head} is a section; set its fields: {path}{head}.field=value")
        return replace(cfg, **{head: override(old, f"{rest}={text}", f"{path}{head}.")})
    if rest:
        raise UserError(f"{path}{head} is a field, it has no field {rest!r}")
    hint = get_type_hints(type(cfg))[head]
    try:
        return replace(cfg, **{head: parse(text, hint)})
    except FieldError as error:
        raise FieldError(f"{path}{error.field}", error.reason) from None
    # ast.literal_eval: MemoryError and RecursionError for what is nested too deep
    except (
        ValueError,
        SyntaxError,
        TypeError,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as error:
        raise UserError(f"{path}{head}={text}: expected {_describe(hint)}") from error


def parse(text: str, hint: Any) -> Any:
    """``text`` as a value of the type ``hint``. Raises ValueError, SyntaxError, TypeError."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if text.lower() in ("none", "null", ""):
            return None
        return parse(text, next(h for h in get_args(hint) if h is not NoneType))
    if origin is Literal:
        return type(get_args(hint)[0])(text)
    if origin is tuple:
        item = get_args(hint)[0]
        if item is str:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        values = ast.literal_eval(text if text.startswith(("(", "[")) else f"({text},)")
        return tuple(item(v) for v in values)
    if hint is bool:
        choices = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in choices:
            raise ValueError(text)
        return choices[text.lower()]
    return hint(text)


def _describe(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)
