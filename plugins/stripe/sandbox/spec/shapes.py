"""Answers checked against the SDK's classes. Each type is compiled once to a plain function."""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import typing_extensions
from stripe._list_object import ListObject
from stripe._search_result_object import SearchResultObject
from stripe._stripe_object import StripeObject, UntypedStripeObject

from plugins.stripe.sandbox.spec.hints import Namespace, namespace, resolve
from plugins.stripe.sandbox.spec.routes import Route

Check = Callable[[Any, str, list[str]], None]

TOLERATED = {
    "charge": {"dispute", "destination", "order", "refunds", "shipping"},
    "dispute": {"balance_transaction"},
    "payment_intent": {"shared_payment_granted_token", "payment_record"},
    "payment_method": {"shared_payment_granted_token"},
    "product": {"attributes"},
    "subscription": {"plan", "quantity"},
    "list": {"count", "total_count"},
}
"""Fields that Stripe was recorded to send though the SDK's types lack them."""

_DECIMAL = re.compile(r"-?\d+(\.\d+)?")


def problems(route: Route, body: Any, *, partial: bool = False) -> list[str]:
    """What in an answer contradicts the SDK. `partial`: top-level fields may be left out."""
    found: list[str] = []
    _answer_check(route.key, route)(body, "$", found)
    return [p for p in found if not (partial and re.fullmatch(r"\$\.\w+: missing", p))]


def object_problems(body: Any) -> list[str]:
    """What in an object of a known kind contradicts its SDK class."""
    cls = object_classes().get(body.get("object", ""))
    found: list[str] = []
    if cls is not None:
        _class_check(cls)(body, str(body["object"]), found)
    return found


@functools.cache
def object_classes() -> dict[str, type[StripeObject]]:
    """SDK classes by the value of `object`."""
    from stripe._object_classes import OBJECT_CLASSES, get_object_class  # noqa: PLC0415 - a slow import

    return {name: get_object_class("V1", name) for name in OBJECT_CLASSES}


@functools.cache
def event_types() -> frozenset[str]:
    """Every snapshot event that Stripe sends."""
    hint = next(h for f, h, _ in _annotations(object_classes()["event"]) if f == "type")
    choices = (hint, *typing.get_args(hint))
    return frozenset(c for h in choices for c in typing.get_args(h) if isinstance(c, str))


_answer_checks: dict[str, Check] = {}


def _answer_check(key: str, route: Route) -> Check:
    if key not in _answer_checks:
        _answer_checks[key] = compile_check(route.return_type(), namespace(route.module))
    return _answer_checks[key]


def compile_check(hint: Any, names: Namespace) -> Check:
    """A function that writes the contradictions between a value and this hint into a list."""
    hint = resolve(hint, names)
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return _anything
    if origin in (typing.Union, types.UnionType):
        return _union_check([resolve(a, names) for a in arguments], names)
    if origin in (typing.Literal, typing_extensions.Literal):
        return _literal_check(arguments)
    if origin is list:
        return _list_check(compile_check(arguments[0], names))
    if origin is dict:
        return _dict_check(compile_check(arguments[1], names))
    return _plain_check(origin or hint, arguments, names)


def _plain_check(base: Any, arguments: tuple[Any, ...], names: Namespace) -> Check:
    if isinstance(base, type) and issubclass(base, UntypedStripeObject):
        return _dict_check(compile_check(arguments[0], names) if arguments else _anything)
    if isinstance(base, type) and issubclass(base, (ListObject, SearchResultObject)):
        return _page_check(compile_check(arguments[0], names) if arguments else _anything)
    if isinstance(base, type) and issubclass(base, StripeObject):
        # Classes refer to each other in circles, so the check is looked up when it runs.
        return _later_check(base)
    return _scalar_check(base)


def _anything(_value: Any, _path: str, _out: list[str]) -> None:
    return


def _later_check(cls: type[StripeObject]) -> Check:
    def check(value: Any, path: str, out: list[str]) -> None:
        _class_check(cls)(value, path, out)

    return check


def _scalar_check(base: Any) -> Check:
    def check(value: Any, path: str, out: list[str]) -> None:
        if not _is_scalar(base, value):
            out.append(f"{path}: expected {getattr(base, '__name__', base)}, got {value!r}"[:200])

    return check


def _is_scalar(base: Any, value: Any) -> bool:
    if base is bool:
        return isinstance(value, bool)
    if base is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if base is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if base is Decimal:
        return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None
    if base is str:
        return isinstance(value, str)
    return True


def _literal_check(allowed: tuple[Any, ...]) -> Check:
    def check(value: Any, path: str, out: list[str]) -> None:
        if value not in allowed:
            out.append(f"{path}: {value!r} is not one of {', '.join(map(str, allowed[:6]))}")

    return check


def _list_check(item: Check) -> Check:
    def check(value: Any, path: str, out: list[str]) -> None:
        if not isinstance(value, list):
            out.append(f"{path}: expected list, got {type(value).__name__}")
            return
        for index, entry in enumerate(value):
            item(entry, f"{path}[{index}]", out)

    return check


def _dict_check(item: Check) -> Check:
    def check(value: Any, path: str, out: list[str]) -> None:
        if not isinstance(value, dict):
            out.append(f"{path}: expected object, got {type(value).__name__}")
            return
        for key, entry in value.items():
            item(entry, f"{path}.{key}", out)

    return check


def _page_check(item: Check) -> Check:
    def check(value: Any, path: str, out: list[str]) -> None:
        if not isinstance(value, dict) or not isinstance(value.get("data"), list):
            out.append(f"{path}: expected a list object")
            return
        out.extend(f"{path}.{key}: missing" for key in ("object", "has_more", "url") if key not in value)
        for index, entry in enumerate(value["data"]):
            item(entry, f"{path}.data[{index}]", out)

    return check


def _union_check(hints: list[Any], names: Namespace) -> Check:
    """Objects are told apart by their `object`, everything else by trying."""
    nullable = type(None) in hints
    if any(typing.get_origin(h) in (typing.Literal, typing_extensions.Literal) for h in hints):
        # `Literal[...] | str` lets old clients take new values; the sandbox sends only known ones.
        hints = [h for h in hints if h is not str]
    checks = [compile_check(h, names) for h in hints if h is not type(None)]
    kinds = {getattr(h, "OBJECT_NAME", ""): c for h, c in _pairs(hints, checks)}

    def check(value: Any, path: str, out: list[str]) -> None:
        if value is None:
            if not nullable:
                out.append(f"{path}: null is not allowed")
            return
        known = kinds.get(value["object"]) if isinstance(value, dict) and "object" in value else None
        best: list[str] | None = None
        for branch in [known] if known else checks:
            found: list[str] = []
            branch(value, path, found)
            if not found:
                return
            best = found if best is None or len(found) < len(best) else best
        out.extend(best or ())

    return check


def _pairs(hints: list[Any], checks: list[Check]) -> list[tuple[Any, Check]]:
    return list(zip([h for h in hints if h is not type(None)], checks, strict=True))


_class_checks: dict[str, Check] = {}


def _class_check(cls: type[StripeObject]) -> Check:
    key = f"{cls.__module__}.{cls.__qualname__}"
    if key not in _class_checks:
        _class_checks[key] = _compile_class(cls)
    return _class_checks[key]


def _compile_class(cls: type[StripeObject]) -> Check:
    name = getattr(cls, "OBJECT_NAME", "")
    tolerated = TOLERATED.get(name, set())
    fields = {field: compile_check(hint, names) for field, hint, names in _annotations(cls)}
    required = {f for f, hint, names in _annotations(cls) if not _is_optional(resolve(hint, names))}

    def check(value: Any, path: str, out: list[str]) -> None:
        if not isinstance(value, dict):
            out.append(f"{path}: expected {cls.__qualname__}, got {type(value).__name__}")
            return
        if value.get("deleted") is True:
            out.extend(f"{path}.{k}: missing" for k in ("id", "object") if k not in value)
            return
        for key, entry in value.items():
            if (field := fields.get(key)) is not None:
                field(entry, f"{path}.{key}", out)
            elif key not in tolerated:
                out.append(f"{path}.{key}: not a field of {cls.__qualname__}")
        out.extend(f"{path}.{key}: missing" for key in required - value.keys())

    return check


def _annotations(cls: type[StripeObject]) -> list[tuple[str, Any, Namespace]]:
    found: dict[str, tuple[str, Any, Namespace]] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("stripe.") and base is not StripeObject:
            names = namespace(base.__module__)
            for field, hint in inspect.get_annotations(base).items():
                if not field.startswith("_") and not _is_class_variable(hint):
                    found[field] = (field, hint, names)
    return list(found.values())


@functools.cache
def expandable_fields(kind: str) -> frozenset[str] | None:
    """Fields of a kind that hold an id or, expanded, an object; None for kinds the SDK does not know."""
    cls = object_classes().get(kind)
    if cls is None:
        return None
    return frozenset(f for f, hint, names in _annotations(cls) if _is_expandable(hint, names))


def _is_expandable(hint: Any, names: Namespace) -> bool:
    hint = resolve(hint, names)
    if typing.get_origin(hint) is list:
        return _is_expandable(typing.get_args(hint)[0], names)
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return False
    parts = [resolve(p, names) for p in typing.get_args(hint)]
    objects = [p for p in parts if isinstance(p, type) and issubclass(p, StripeObject)]
    return (str in parts and bool(objects)) or any(_is_expandable(p, names) for p in parts)


def _is_class_variable(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.ClassVar or str(hint).startswith("ClassVar")


def _is_optional(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)
