"""Requests checked against the SDK's parameter types, and their text turned into values.

An unset value (`name=`) becomes None. Errors are worded as Stripe was recorded to word them.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import typing_extensions
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject

from plugins.stripe.sandbox.errors import ApiError, Json, missing_param
from plugins.stripe.sandbox.spec.hints import Namespace, namespace, resolve
from plugins.stripe.sandbox.spec.routes import Route

Read = Callable[[Any, str], Any]

_OPTIONS = frozenset(RequestOptions.__annotations__)
_readers: dict[str, Read] = {}

REMOVED = {"payment_method_types": list[str]}
"""Parameters that versions before endive took and the SDK's types no longer name."""
_TOOK_REMOVED = frozenset(
    f"POST /v1/{kind}{rest}"
    for kind in ("payment_intents", "setup_intents")
    for rest in ("", "/{intent}", "/{intent}/confirm")
)


def read_params(route: Route, form: Json) -> Json:
    """The typed parameters of a request.

    Raises:
        ApiError: a parameter is unknown, missing or malformed.
    """
    if route.key not in _readers:
        _readers[route.key] = _route_reader(route)
    params: Json = _readers[route.key](form, "")
    return params


def _route_reader(route: Route) -> Read:
    typed = route.params_type()
    if typed is None:
        return _typed_dict_reader({}, frozenset())
    names = namespace(typed.__module__)
    fields = {k: v for k, v in typed.__annotations__.items() if k not in _OPTIONS}
    if route.key in _TOOK_REMOVED:
        fields |= REMOVED
    readers = {name: _field_reader(hint, names) for name, hint in fields.items()}
    return _typed_dict_reader(readers, frozenset(typed.__required_keys__ & fields.keys()))


def _field_reader(hint: Any, names: Namespace) -> Read:
    hint = resolve(hint, names)
    if typing.get_origin(hint) in (typing.NotRequired, typing.Required, typing_extensions.NotRequired):
        hint = resolve(typing.get_args(hint)[0], names)
    return compile_reader(hint, names)


def compile_reader(hint: Any, names: Namespace) -> Read:
    """A function from wire text to a value of this hint."""
    hint = resolve(hint, names)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if typing_extensions.is_typeddict(hint):
        return _nested_reader(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_reader([resolve(a, names) for a in arguments], names)
    if _is_literal(hint):
        return _choice_reader(arguments)
    if origin is list:
        return _list_reader(compile_reader(arguments[0], names))
    base = origin or hint
    if base is dict or (isinstance(base, type) and issubclass(base, UntypedStripeObject)):
        return _map_reader(compile_reader(arguments[-1], names) if arguments else _as_is)
    return {bool: _boolean, int: _integer, float: _number, Decimal: _decimal, str: _text}.get(base, _as_is)


def _nested_reader(typed: Any) -> Read:
    """Compiled when first used: parameter types nest deeply and most branches are never sent."""
    compiled: list[Read] = []

    def read(value: Any, path: str) -> Any:
        if not compiled:
            names = namespace(typed.__module__)
            readers = {k: _field_reader(h, names) for k, h in typed.__annotations__.items()}
            compiled.append(_typed_dict_reader(readers, frozenset(typed.__required_keys__)))
        return compiled[0](value, path)

    return read


def _typed_dict_reader(fields: dict[str, Read], required: frozenset[str]) -> Read:
    def read(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            if value == "":
                raise _empty(path)
            raise ApiError(400, "Invalid object", param=path)
        if unknown := [_join(path, k) for k in value if k not in fields]:
            plural = "s" if len(unknown) > 1 else ""
            raise ApiError(
                400,
                f"Received unknown parameter{plural}: {', '.join(unknown)}",
                code="parameter_unknown",
                param=unknown[0],
            )
        for name in fields:
            if name in required and name not in value:
                raise missing_param(_join(path, name))
            if name in required and value[name] == "":
                raise _empty(_join(path, name))
        return {k: fields[k](v, _join(path, k)) for k, v in value.items()}

    return read


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _union_reader(hints: list[Any], names: Namespace) -> Read:
    """Pick the branch by the shape of what was sent; text tries every scalar branch."""
    choices = tuple(c for h in hints if _is_literal(h) for c in typing.get_args(h))
    # The SDK writes `Literal[...] | str` so that old clients take new values; the server itself is strict.
    free = str not in hints or not any(choices)
    readers = [(h, compile_reader(h, names)) for h in hints if not _is_literal(h) and (free or h is not str)]
    if choices:
        readers.append((typing.Literal, _choice_reader(choices)))
    nested = [r for h, r in readers if _is_nested(h)]
    scalars = [r for h, r in readers if not _is_nested(h)]

    def read(value: Any, path: str) -> Any:
        branches = nested if isinstance(value, dict) else scalars
        failure: ApiError | None = None
        for branch in branches or nested:
            try:
                return branch(value, path)
            except ApiError as error:
                failure = failure or error
        raise failure or ApiError(400, "Invalid value", param=path)

    return read


def _is_literal(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Literal, typing_extensions.Literal)


def _is_nested(hint: Any) -> bool:
    base = typing.get_origin(hint) or hint
    return typing_extensions.is_typeddict(hint) or (
        isinstance(base, type) and issubclass(base, (dict, list, UntypedStripeObject))
    )


def _choice_reader(choices: tuple[Any, ...]) -> Read:
    table = {_wire(c): c or None for c in choices}
    words = [str(c) for c in choices if c != ""]

    def read(value: Any, path: str) -> Any:
        if isinstance(value, str) and value in table:
            return table[value]
        if value == "":
            raise _empty(path)
        name = path.rsplit("[", 1)[-1].rstrip("]")
        raise ApiError(400, f"Invalid {name}: must be one of {_either(words)}", param=path)

    return read


def _wire(choice: Any) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def _either(words: list[str]) -> str:
    if len(words) < 3:
        return " or ".join(words)
    return f"{', '.join(words[:-1])}, or {words[-1]}"


def _list_reader(item: Read) -> Read:
    def read(value: Any, path: str) -> Any:
        if value == "":
            return []
        if not isinstance(value, dict) or not all(k.isdecimal() for k in value):
            raise ApiError(400, "Invalid array", param=path)
        return [item(value[k], f"{path}[{k}]") for k in sorted(value, key=int)]

    return read


def _map_reader(item: Read) -> Read:
    def read(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise ApiError(400, "Invalid object", param=path)
        return {k: "" if v == "" else item(v, _join(path, k)) for k, v in value.items()}

    return read


def _boolean(value: Any, path: str) -> bool:
    if value in ("true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise _empty(path) if value == "" else ApiError(400, f"Invalid boolean: {value}", param=path)


def _integer(value: Any, path: str) -> int:
    if value == "":
        raise _empty(path)
    if isinstance(value, str) and value.lstrip("+-").isdecimal() and len(value) <= 20:
        return int(value)
    raise ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)


def _number(value: Any, path: str) -> float:
    return float(_decimal(value, path))


def _decimal(value: Any, path: str) -> str:
    """Decimals stay text: that is how answers carry them."""
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise ApiError(400, f"Invalid decimal: {value}", param=path) from None
    if not number.is_finite():
        raise ApiError(400, f"Invalid decimal: {value}", param=path)
    return format(number.normalize(), "f")


def _text(value: Any, path: str) -> str | None:
    if isinstance(value, dict):
        raise ApiError(400, f"Invalid string: {value}", param=path)
    return value or None


def _as_is(value: Any, _path: str) -> Any:
    return value


def _empty(path: str) -> ApiError:
    return ApiError(
        400,
        f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a "
        "parameter; "
        f"however '{path}' cannot be unset. You should remove '{path}' from your request or supply a "
        "non-empty value.",
        code="parameter_invalid_empty",
        param=path,
    )
