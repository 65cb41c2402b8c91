"""Configs at the door: plain mappings checked once and turned into frozen dataclasses.

A field says what it takes by its type: ``Annotated[float, positive]``, ``Annotated[str,
one_of("own", "source")]``. Whatever does not fit is refused by its full name and the mend.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from aegan.errors import InputError

T = TypeVar("T")


class Rule(NamedTuple):
    """What the values of a field must be."""

    holds: Callable[[Any], bool]
    mend: str  # "must be above 0"


def at_least(low: float) -> Rule:
    """A finite number from ``low`` on."""
    return Rule(lambda value: math.isfinite(value) and value >= low, f"must be {low} or more")


def one_of(*options: str) -> Rule:
    """One of these words."""
    return Rule(lambda value: value in options, f"must be one of {', '.join(options)}")


def each(holds: Callable[[Any], bool], mend: str, *, empty: bool = False) -> Rule:
    """A tuple of values that all hold; at least one unless it may be ``empty``."""
    return Rule(lambda values: (empty or bool(values)) and all(map(holds, values)), mend)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


positive = Rule(lambda value: math.isfinite(value) and value > 0, "must be above 0")
part = Rule(lambda value: 0 < value <= 1, "must lie in (0, 1], or be left out")
share = Rule(lambda value: 0 <= value < 1, "must lie in [0, 1)")
widths = each(lambda width: is_whole(width) and width > 0, "must be layer widths above 0")
_c = each(lambda value: is_number(value) and value > 0, "must be positive and rising")
grid = Rule(lambda values: _c.holds(values) and list(values) == sorted(set(values)), _c.mend)
_seed = each(
    lambda seed: is_whole(seed) and 0 <= seed < 2**32,
    "must be different whole numbers from 0 to 2**32 - 1",
)
distinct_seeds = Rule(
    lambda seeds: _seed.holds(seeds) and len(set(seeds)) == len(seeds), _seed.mend
)
_SCALARS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}


def plain(config: Any) -> Any:
    """A config as plain dicts, lists and scalars."""
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    if isinstance(config, Mapping):
        return {str(name): plain(value) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [plain(value) for value in config]
    return config


def defaults(kind: type) -> dict[str, Any]:
    """The fields of a section with their defaults, as ml_collections holds them."""
    from ml_collections.config_dict import placeholder  # here, for the benchmark does without

    hints, found = get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        made = field.default_factory is not dataclasses.MISSING
        value = field.default_factory() if made else field.default
        if value is None:  # can be overridden once ml_collections knows of what type
            kind_of_value = get_args(hints[field.name])[0]
            value = placeholder(get_origin(kind_of_value) or kind_of_value)
        if isinstance(value, dict):
            value = {key: dataclasses.asdict(one) for key, one in value.items()}
        found[field.name] = value
    return found


def typed(
    kind: type[T],
    values: Mapping[str, Any],
    place: str = "config",
    places: Mapping[str, str] | None = None,
) -> T:
    """A section of a config as a ``kind``, a dataclass; what it has no field for is left out.

    ``places`` are the full names of fields that do not stand in ``place``, for the messages.
    ``InputError``: a value that does not fit its field, by its name, or a field that is missing.
    """
    hints, found = get_type_hints(kind, include_extras=True), {}
    for field in dataclasses.fields(kind):
        name = (places or {}).get(field.name, f"{place}.{field.name}")
        if field.name in values:
            found[field.name] = _value(hints[field.name], values[field.name], name)
        elif field.default is dataclasses.MISSING:
            raise InputError(f"{name}: is missing; give it a value")
    return kind(**found)


def _value(hint: Any, value: Any, name: str) -> Any:
    if get_origin(hint) is Annotated:
        base, *rules = get_args(hint)
        made = _value(base, value, name)
        for rule in rules:
            if made is not None and not rule.holds(made):
                raise InputError(f"{name}={value!r}: {rule.mend}")
        return made
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else typed(hint, value, name)
    if get_origin(hint) is tuple:
        # What stands in it is for a rule to say, which knows better words.
        return tuple(tuple(v) if isinstance(v, list) else v for v in value)
    if get_origin(hint) is dict:
        inner = get_args(hint)[1]
        return {key: _value(inner, one, f"{name}.{key}") for key, one in value.items()}
    if isinstance(hint, UnionType):  # with None
        return None if value is None else _value(get_args(hint)[0], value, name)
    if hint in _SCALARS:
        fits = isinstance(value, (int, float) if hint is float else hint)
        if not fits or (isinstance(value, bool) and hint is not bool):
            raise InputError(f"{name}={value!r}: must be {_SCALARS[hint]}")
    return value
