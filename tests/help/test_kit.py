"""The kit for plugin authors names what is wrong with a help page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plugins.stripe.plugin import StripePlugin, plugin
from portal.contract.descriptions import HelpPage
from portal.contract.plugin import Plugin
from portal.testing import plugins as kit

GOOD = plugin.help_pages[0]


OTHERS = plugin.help_pages[1:]


def with_pages(*pages: HelpPage, **changed: Any) -> Plugin:
    """Stripe with other help pages, in the place where Stripe is."""
    members = {"__module__": StripePlugin.__module__, "help_pages": pages, **changed}
    made: Plugin = type("Changed", (StripePlugin,), members)()
    return made


def test_stripes_pages_keep_the_contract() -> None:
    kit.check_help(plugin)


def test_a_plugin_needs_no_help_page() -> None:
    kit.check_help(with_pages())


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ((GOOD, replace(GOOD, codes=())), "slug key-refused"),
        ((GOOD, replace(GOOD, slug="other")), "list the code STRIPE_KEY"),
        ((replace(GOOD, codes=(GOOD.codes[0],) * 2),), "list the code STRIPE_KEY"),
        ((replace(GOOD, slug="Key Refused"),), "no slug"),
        ((replace(GOOD, title=" "),), "has no title"),
        ((replace(GOOD, summary="It is refused"),), "not a sentence"),
        ((replace(GOOD, template="stripe/help/absent.html"),), "absent.html is not there"),
        ((replace(GOOD, template="other/help/page.html"),), "does not begin with stripe/"),
        ((replace(GOOD, codes=("stripe_key_refused",)),), "not in upper case"),
        ((GOOD,), "key-refused cannot be shown: There is no help page permission-missing"),
        (
            (replace(GOOD, codes=("STRIPE_NOT_ON_IT",)), *OTHERS),
            "no section with the id STRIPE_NOT_ON_IT",
        ),
    ],
)
def test_what_is_wrong_with_a_page_is_named(pages: tuple[HelpPage, ...], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        kit.check_help(with_pages(*pages))


def test_a_page_whose_context_lacks_something_is_not_shown_half() -> None:
    rights = next(page for page in plugin.help_pages if "rights" in page.context)
    with pytest.raises(AssertionError, match="permission-missing cannot be shown: 'dict object' has no"):
        kit.check_help(
            with_pages(*(p if p is not rights else replace(p, context={}) for p in plugin.help_pages))
        )


def test_a_link_to_a_section_that_is_not_there_is_named() -> None:
    with pytest.raises(AssertionError, match=r"links to \['nowhere'\]"):
        kit.check_anchors(replace(GOOD, codes=()), '<p id="here"><a href="#nowhere">x</a></p>')


def test_the_portals_own_shelf_cannot_be_taken() -> None:
    changed = with_pages(manifest=replace(plugin.manifest, id="portal"))
    with pytest.raises(AssertionError, match="belongs to the portal"):
        kit.check_help(changed)
