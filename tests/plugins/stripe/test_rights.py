"""The table of rights against the calls that the gateway makes, read from its source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from plugins.stripe import gateway
from plugins.stripe.rights import RIGHTS, right_for
from plugins.stripe.sandbox.permissions import needed_permission
from plugins.stripe.sandbox.spec.routes import match

FOLDER = Path(next(iter(gateway.__path__)))
HTTP_CLIENTS_OWN = frozenset({"close_async", "raw_request_async", "request_async"})
READS = frozenset({"list", "retrieve", "retrieve_current", "search"})
RAW = {"raw_page": "list", "raw_read": "retrieve", "raw_rest": "list"}
"""The gateway's own ways of reading, which name the service in a parameter, and what they do."""
SEVERAL_PARTS = re.compile(r"[a-z_]+\.data\.[a-z_.]+")
BY_CALL = {call: right for right in RIGHTS for call in right.calls}


def calls_in(tree: ast.AST) -> set[str]:
    """`service.method` of every call, and `expand path` of what comes along.

    Calls are written `….<service>.<method>_async(` or `raw_read(…, service="<service>")`.
    """
    names = _names_of_services(tree)
    found = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and SEVERAL_PARTS.fullmatch(node.value)
        ):
            found.add(f"expand {node.value}")
        if isinstance(node, ast.Call) and _name(node.func) in RAW:
            found |= {f"{service}.{RAW[_name(node.func)]}" for service in _services_named(node)}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method, owner = node.func.attr, node.func.value
            if method.endswith("_async") and method not in HTTP_CLIENTS_OWN:
                service = owner.attr if isinstance(owner, ast.Attribute) else names.get(_name(owner))
                # What is called through getattr is a probe, which the table itself drives.
                if service is not None or not _is_getattr(owner):
                    found.add(f"{service}.{method.removesuffix('_async')}")
    return found


def _names_of_services(tree: ast.AST) -> dict[str, str]:
    """Local name -> service, of `services = client_for(…).v1.payment_method_domains`."""
    return {
        _name(node.targets[0]): node.value.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute)
    }


def _services_named(call: ast.Call) -> list[str]:
    """The constant after `service=`. Where it is a name, the module of these functions passes it on."""
    given = [word.value for word in call.keywords if word.arg == "service"]
    return [str(value.value) for value in given if isinstance(value, ast.Constant)]


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _is_getattr(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "getattr"


def made() -> set[str]:
    return {call for path in FOLDER.glob("*.py") for call in calls_in(ast.parse(path.read_text("utf-8")))}


def test_every_call_of_the_gateway_has_a_right() -> None:
    assert made() - BY_CALL.keys() == set()


def test_every_call_that_a_right_names_is_made() -> None:
    assert BY_CALL.keys() - made() == set()


def test_a_right_that_only_reads_carries_no_call_that_writes() -> None:
    too_low = [
        call
        for call, right in BY_CALL.items()
        if right.level == "Read" and not call.startswith("expand ") and call.rpartition(".")[2] not in READS
    ]
    assert too_low == []


def test_a_call_belongs_to_one_right() -> None:
    assert len(BY_CALL) == sum(len(right.calls) for right in RIGHTS)


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("await client.v1.coupons.create_async({})", {"coupons.create"}),
        ("services = c.v1.coupons\nawait services.delete_async('x')", {"coupons.delete"}),
        ("await getattr(services, name).update_async('x')", set()),
        ("EXPAND = ['payments.data.payment']", {"expand payments.data.payment"}),
        ("await raw_read(a, s, service='coupons', external_id='x')", {"coupons.retrieve"}),
        ("await raw_rest(a, s, service='coupons', params={})", {"coupons.list"}),
    ],
)
def test_a_call_is_found_however_it_is_written(source: str, calls: set[str]) -> None:
    assert calls_in(ast.parse(source)) == calls


def test_a_right_without_calls_is_asked_ahead_of_time() -> None:
    for right in RIGHTS:
        assert right.feature.ready is bool(right.calls)
        assert right_for(right.feature_id) is right
    assert not any(right.needed for right in RIGHTS if not right.calls)


def test_every_write_is_probed_by_an_id_that_cannot_exist() -> None:
    for right in RIGHTS:
        assert bool(right.probe_id) is (right.level == "Write")
        assert right.probe_id.endswith("_portalprobe0") or not right.probe_id


def test_rows_are_one_to_one_with_what_stripe_calls_its_rights() -> None:
    paths = {"accounts": "account", "billing_portal.sessions": "billing_portal/sessions"}
    asked = [f"/v1/{paths.get(right.service, right.service)}" for right in RIGHTS]
    found = [match("GET", path) or match("POST", path) for path in asked]
    assert all(found)
    names = [needed_permission(route.route) for route in found if route]
    assert len(set(names)) == len(RIGHTS)
