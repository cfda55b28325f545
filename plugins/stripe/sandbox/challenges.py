"""3-D Secure: the next action of an intent, and the page where a person completes or fails it."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.store.ids import random_text

NOT_AUTHENTICATED = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try "
    "again."
)


def next_action(call: Call, intent: Json) -> Json:
    """A redirect for callers with a return address; else an action for Stripe.js."""
    note = call.world.note(intent["id"])
    note.setdefault("challenge", random_text(24))
    url = f"{call.sandbox.url}/_sandbox/3ds/{intent['id']}?token={note['challenge']}"
    if note.get("return_url") and not note.get("use_stripe_sdk"):
        return {
            "redirect_to_url": {"return_url": note["return_url"], "url": url},
            "type": "redirect_to_url",
        }
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {
            "source": f"src_{random_text(24)}",
            "stripe_js": url,
            "type": "three_d_secure_redirect",
        },
    }


def returning_url(return_url: str, intent: Json, *, passed: bool) -> str:
    """The return address with what Stripe adds to it."""
    kind = intent["object"]
    parts = urlsplit(return_url)
    added = {
        kind: intent["id"],
        f"{kind}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if passed else "failed",
    }
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added.items()])
    return urlunsplit(parts._replace(query=query))


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>3-D Secure test page</title>
<h1>3-D Secure</h1>
<p>This page of the Stripe sandbox stands for the customer's bank.</p>
<form method="post"><input type="hidden" name="token" value="{token}">
<button name="outcome" value="pass">Complete</button>
<button name="outcome" value="fail">Fail</button></form></html>
"""


def page(token: str) -> str:
    """The page with its two buttons."""
    return PAGE.format(token=escape(token, quote=True))
