"""A code leads to the section about it, and every code of Stripe's has one."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from plugins.stripe.domain.codes import Code
from plugins.stripe.plugin import StripePlugin, plugin
from portal.contract import help_pages
from portal.contract.descriptions import HelpPage
from portal.contract.help_pages import PORTAL_PAGES, help_href, help_shelves
from portal.contract.plugin import LoadedPlugin
from portal.settings import ROOT

STRIPE = ROOT / "plugins" / "stripe"
PORTALS_OWN = (
    "PROVIDER_TIMEOUT",
    "CHECK_BROKEN",
    "SEAL_BROKEN",
    "KEYRING_UNUSABLE",
    "ACCOUNT_DISCONNECTED",
    "ALREADY_CONNECTED",
    "WRONG_ACCOUNT",
    "EVENT_QUARANTINED",
    "CALL_BUDGET_SPENT",
    "SIDES_DIFFER",
    "DIFFERENCE_CHANGED",
    "UNEXPECTED",
    "MAIL_NOT_SET_UP",
    "MAIL_REFUSED",
    "MAIL_DELAYED",
    "NO_ADDRESS",
    "DOCUMENTS_BUSY",
)


def codes_in(source: str) -> set[str]:
    """The texts that a module gives as a code: `code="…"` in a call, `code = "…"` in a class."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "code":
            found |= _text(node.value)
        if isinstance(node, ast.Assign) and [_name(target) for target in node.targets] == ["code"]:
            found |= _text(node.value)
    return {text for text in found if text.isupper()}


def codes_of_stripe() -> set[str]:
    """Every code that a check or an error of the plugin may carry."""
    files = [path for path in STRIPE.rglob("*.py") if "sandbox" not in path.parts]
    return {code for path in files for code in codes_in(path.read_text("utf-8"))} | set(Code)


def test_every_code_of_a_check_or_error_of_stripe_has_a_section() -> None:
    assert len(codes_of_stripe()) > 25
    assert sorted(code for code in codes_of_stripe() if not help_href(code)) == []


def test_no_page_of_stripe_names_a_code_that_nothing_gives() -> None:
    listed = {code for page in plugin.help_pages for code in page.codes}
    assert sorted(listed - codes_of_stripe()) == []


def test_codes_are_found_in_calls_and_in_classes() -> None:
    source = "class A(E):\n    code = 'A_B'\nraise E(code='C_D')\nx = f(code=status)\n"
    assert codes_in(source) == {"A_B", "C_D"}


@pytest.mark.parametrize("code", PORTALS_OWN)
def test_the_portals_own_codes_lead_to_its_own_pages(code: str) -> None:
    assert help_href(code).startswith("/help/portal/")
    assert help_href(code).endswith(f"#{code}")


@pytest.mark.parametrize("code", ["", "NO_SUCH_CODE", "HTTP_404", "stripe_key_refused"])
def test_an_unknown_code_leads_nowhere(code: str) -> None:
    assert help_href(code) == ""


def test_every_code_is_on_one_page_alone() -> None:
    counted = Counter(code for shelf in help_shelves() for page in shelf.pages for code in page.codes)
    assert [code for code, times in counted.items() if times > 1] == []


def test_slugs_of_the_portal_are_unique() -> None:
    assert len({page.slug for page in PORTAL_PAGES}) == len(PORTAL_PAGES)


def loaded(plugin_id: str, *pages: HelpPage) -> LoadedPlugin:
    changed = type(
        "Changed",
        (StripePlugin,),
        {"manifest": replace(plugin.manifest, id=plugin_id, title=plugin_id.title()), "help_pages": pages},
    )
    return LoadedPlugin(plugin_id, changed(), directory=Path())


def page_with(*codes: str) -> HelpPage:
    return HelpPage("a-page", "A page", "About it.", "x/a.html", codes)


def test_a_plugin_cannot_take_over_the_code_of_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    both = (loaded("first", page_with("SHARED_CODE")), loaded("second", page_with("SHARED_CODE")))
    monkeypatch.setattr(help_pages, "installed_plugins", lambda: both)
    assert help_href("SHARED_CODE") == "/help/first/a-page#SHARED_CODE"


def test_a_plugin_without_pages_and_one_that_failed_to_load_have_no_shelf(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = (loaded("silent"), LoadedPlugin("broken", None, "It is broken."))
    monkeypatch.setattr(help_pages, "installed_plugins", lambda: entries)
    assert [shelf.id for shelf in help_shelves()] == ["portal"]


def _text(node: ast.AST) -> set[str]:
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""
