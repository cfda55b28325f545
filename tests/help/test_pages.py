"""Every page of help can be read by whoever is signed in, and by nobody else; what it links to is there."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser

import pytest
from litestar import Litestar

from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.rights import RIGHTS
from portal.contract.descriptions import HelpPage
from portal.contract.errors import AccountAuthFailed
from portal.contract.help_pages import HelpShelf, help_href, help_shelves
from portal.errors import PortalError
from tests.visitors import Visitor

PAGES = [(shelf, page) for shelf in help_shelves() for page in shelf.pages]
ADDRESSES = [shelf.href(page.slug) for shelf, page in PAGES]
PARTS = ("What you see", "What it means", "How to tell that it is mended", "Payments meanwhile")


class Outline(HTMLParser):
    """Headings, ids and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.links: list[dict[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is looked at below."""
        given = {name: value or "" for name, value in attrs}
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given)


async def outline(visitor: Visitor, path: str) -> Outline:
    answer = await visitor.get(path)
    assert answer.status_code == 200, path
    return Outline(answer.text)


async def test_index_lists_every_page_with_its_summary(viewer: Visitor) -> None:
    html = (await viewer.get("/help")).text
    for shelf, page in PAGES:
        assert f'href="{shelf.href(page.slug)}"' in html
        assert _escaped(page.title) in html
        assert _escaped(page.summary) in html


async def test_sidebar_leads_to_help(viewer: Visitor) -> None:
    html = (await viewer.get("/help")).text
    assert re.search(r'<a href="/help" aria-current="page">', html)


@pytest.mark.parametrize(("shelf", "page"), PAGES, ids=ADDRESSES)
async def test_page_has_every_part_and_a_section_for_each_code(
    viewer: Visitor, shelf: HelpShelf, page: HelpPage
) -> None:
    html = (await viewer.get(shelf.href(page.slug))).text
    assert [part for part in PARTS if f">{part}</h2>" not in html] == []
    assert html.count(">Mend it</h3>") >= 2
    found = Outline(html)
    assert [code for code in page.codes if code not in found.ids] == []
    assert len(set(found.ids)) == len(found.ids)


@pytest.mark.parametrize("path", ["/help", *ADDRESSES])
async def test_headings_are_in_order(viewer: Visitor, path: str) -> None:
    levels = (await outline(viewer, path)).levels
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


async def test_no_link_is_dead_and_others_open_apart(viewer: Visitor) -> None:
    pages = {path: await outline(viewer, path) for path in ("/help", *ADDRESSES)}
    for path in list(pages):
        for link in pages[path].links:
            target, _, anchor = link["href"].partition("#")
            if target.startswith("https://"):
                assert (link["target"], link["rel"]) == ("_blank", "noopener noreferrer")
                continue
            there = target or path
            if there not in pages:
                pages[there] = await outline(viewer, there)
            assert not anchor or anchor in pages[there].ids, f"{path} links to {link['href']}"
    assert "/settings/connected-accounts" in pages


@pytest.mark.parametrize("path", ["/help", ADDRESSES[0], "/help/stripe/no-such-page"])
async def test_nobody_reads_help_without_signing_in(visitor: Visitor, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=/help")


@pytest.mark.parametrize(
    "path", ["/help/stripe/no-such-page", "/help/nobody/key-refused", "/help/portal/key-refused"]
)
async def test_a_page_that_is_not_there_is_not_found(viewer: Visitor, path: str) -> None:
    assert (await viewer.get(path)).status_code == 404


async def test_tables_come_from_the_code_that_uses_them(viewer: Visitor) -> None:
    rights = (await viewer.get("/help/stripe/permission-missing")).text
    assert [right.title for right in RIGHTS if f"{right.title}</th>" not in rights] == []
    endpoint = (await viewer.get("/help/stripe/webhook-endpoint")).text
    assert [event for event in ENDPOINT_EVENTS if f"<code>{event}</code>" not in endpoint] == []
    assert API_VERSION in endpoint


async def test_reasons_that_must_stay_hidden_are_said_to_be_so(viewer: Visitor) -> None:
    html = (await viewer.get("/help/stripe/payments-fail")).text
    for code in ("stolen_card", "lost_card", "fraudulent"):
        assert re.search(rf">{code}</code>[^<]*Do not tell the customer", html)


async def test_error_page_of_somebody_signed_in_leads_to_its_help(
    viewer: Visitor, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(AccountAuthFailed("Stripe refused this key.", hint="Enter a new key."), monkeypatch)
    html = (await viewer.get("/help")).text
    assert f'href="{help_href("ACCOUNT_AUTH_FAILED")}"' in html
    part = (await viewer.get("/help", hx_request="true", hx_request_type="partial")).text
    assert f'href="{help_href("ACCOUNT_AUTH_FAILED")}"' in part


async def test_error_page_of_a_customer_leads_to_no_help(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: str) -> None:
        raise AccountAuthFailed("Stripe refused this key.")

    monkeypatch.setattr("portal.invoices.pay_controllers.invoice_by_pay_token", fail)
    answer = await visitor.get("/pay/some-link")
    assert answer.status_code == 502
    assert "/help" not in answer.text


async def test_error_without_a_page_has_no_link(viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(PortalError("It is not to be.", code="NO_PAGE_ABOUT_THIS"), monkeypatch)
    assert "What to do" not in (await viewer.get("/help")).text


def fail_with(error: PortalError, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the index of help answer with this error."""

    def fail() -> tuple[HelpShelf, ...]:
        raise error

    monkeypatch.setattr("portal.help.controllers.help_shelves", fail)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("'", "&#39;")
