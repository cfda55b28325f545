"""Amounts are whole minor units: nobody multiplies by a hundred, and nobody uses floating point for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.imports import ROOT, python_files

HUNDREDS = frozenset({100, 0.01})
SCALING = (ast.Mult, ast.Div, ast.FloorDiv)
NOT_MONEY = {
    "portal/commands/syncs.py": "a bar of progress",
    "portal/exchange/progress.py": "a share in percent",
    "portal/dashboard/rules.py": "a change in percent",
    "portal/metrics/readings.py": "seconds",
    "portal/web/probes.py": "seconds",
    "portal/webhooks/locks.py": "seconds",
    "portal/webhooks/loads.py": "seconds",
    "portal/webhooks/uses.py": "seconds",
    "plugins/stripe/gateway/client.py": "seconds to wait",
    "plugins/stripe/gateway/spending.py": "calls for each second",
}
"""Files that scale or use floats for what is not money, and what that is."""
PROVIDER_STAND_IN = "plugins/stripe/sandbox/"
"""Behaves as Stripe does, with Stripe's decimals and clock."""


def offences(tree: ast.AST) -> Iterator[str]:
    """Line and what is wrong there."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.BinOp | ast.AugAssign)
            and isinstance(node.op, SCALING)
            and _by_a_hundred(node)
        ):
            yield f"{node.lineno}: scales by a hundred; Money knows the decimals"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            yield f"{node.lineno}: float() loses cents; use Money or Decimal"


def _by_a_hundred(node: ast.BinOp | ast.AugAssign) -> bool:
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
    return any(isinstance(side, ast.Constant) and side.value in HUNDREDS for side in sides)


def test_no_amount_is_scaled_by_hand_or_turned_into_a_float() -> None:
    wrong = []
    for path in python_files("portal", "plugins"):
        name = path.relative_to(ROOT).as_posix()
        if name in NOT_MONEY or name.startswith(PROVIDER_STAND_IN):
            continue
        wrong += [f"{name}:{offence}" for offence in offences(ast.parse(path.read_text()))]
    assert wrong == []


def test_every_exemption_is_still_needed() -> None:
    idle = [name for name in NOT_MONEY if not any(offences(ast.parse((ROOT / name).read_text())))]
    assert idle == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("minor = major * 100", True),
        ("minor = 100 * major", True),
        ("major = minor / 100", True),
        ("major = minor // 100", True),
        ("major *= 100", True),
        ("major = minor * 0.01", True),
        ("value = float(amount)", True),
        ("half = minor / 2", False),
        ("share = rate / Decimal(100)", False),
        ("limit = 100", False),
    ],
)
def test_the_rule_knows_scaling_when_it_sees_it(code: str, *, found: bool) -> None:
    assert any(offences(ast.parse(code))) is found
