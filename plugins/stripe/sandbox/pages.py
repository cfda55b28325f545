"""Small pages for people: the 3-D Secure test page, micro-deposits, hosted invoices and receipts."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.challenges import page, returning_url
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.expansion import lookup
from plugins.stripe.sandbox.money import in_words
from plugins.stripe.sandbox.objects.billing_portal import way_back
from plugins.stripe.sandbox.objects.challenges import finish_challenge
from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.store.worlds import World


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a redirect when `location` is set."""

    status: int = 200
    html: str = ""
    location: str | None = None


def show(sandbox: Sandbox, method: str, path: str, fields: dict[str, str]) -> Page | None:
    """The page at a path under `/_sandbox`, or None."""
    head, _, rest = path.removeprefix("/").partition("/")
    if head == "3ds":
        return _challenge(sandbox, method, rest, fields)
    if head == "invoices":
        return _invoice(sandbox, rest)
    if head == "portal":
        return _portal(sandbox, rest)
    if head == "receipts":
        return Page(html=_plain_page("Receipt", f"Receipt for {rest}."))
    if head == "microdeposits":
        return Page(html=_plain_page("Verify your bank account", f"Use 32 and 45, or SM11AA, for {rest}."))
    return None


def _challenge(sandbox: Sandbox, method: str, intent_id: str, fields: dict[str, str]) -> Page:
    world, intent = _holder(sandbox, intent_id)
    if world is None or intent is None:
        return _gone()
    note, token = world.note(intent["id"]), fields.get("token", "")
    if not hmac.compare_digest(str(note.get("challenge", "")).encode(), token.encode()) or not token:
        return _gone()
    if method != "POST":
        return Page(html=page(token))
    passed = fields.get("outcome") == "pass"
    if intent["status"] == "requires_action":
        try:
            finish_challenge(Call(sandbox, world), intent, passed=passed)
        except ApiError:
            passed = False
    if note.get("return_url"):
        return Page(303, location=returning_url(note["return_url"], intent, passed=passed))
    return Page(html=_plain_page("3-D Secure", "You can close this page now."))


def _portal(sandbox: Sandbox, token: str) -> Page:
    back = way_back(sandbox, token)
    if back is None:
        return _gone()
    link = f'<p><a href="{escape(back, quote=True)}">Return to the merchant</a></p></html>'
    words = "This page of the Stripe sandbox stands for the customer portal."
    return Page(html=_plain_page("Customer portal", words).replace("</html>", link))


def _holder(sandbox: Sandbox, object_id: str) -> tuple[World | None, Json | None]:
    for world in sandbox.worlds.values():
        row = lookup(world, object_id)
        if row is not None:
            return world, row
    return None, None


def _invoice(sandbox: Sandbox, rest: str) -> Page:
    name, _, invoice_id = rest.partition("/")
    world = sandbox.worlds.get(name)
    invoice = world.find("invoice", invoice_id.removesuffix("/pdf")) if world else None
    if invoice is None:
        return _gone()
    amount = in_words(invoice["amount_due"], invoice["currency"])
    return Page(html=_plain_page(f"Invoice {invoice['number']}", f"{amount}, {invoice['status']}."))


def _gone() -> Page:
    return Page(404, _plain_page("Not found", "The Stripe sandbox has no such page."))


def _plain_page(title: str, words: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<h1>{escape(title)}</h1><p>{escape(words)}</p></html>"
    )


def form_fields(query: str, body: bytes) -> dict[str, str]:
    """Fields of a small form, from the address and the body."""
    found = {k: v[-1] for k, v in parse_qs(query).items()}
    return found | {k: v[-1] for k, v in parse_qs(body.decode("utf-8", "replace")).items()}
