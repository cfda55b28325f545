"""What tests of method links have in common."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest

from plugins.stripe.services import payments
from portal.audit.services import SYSTEM
from portal.contract.facts import MethodAgreed
from portal.subscriptions.method_links import renew_link
from tests.builders import Connected
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows


def forget_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe's own addresses count, also where an earlier test of this run has a sandbox running."""
    monkeypatch.setattr(payments, "api_base_for", lambda *_: None)


def word(method: str, minutes: int, subscription: str = "sub_1") -> MethodAgreed:
    """The customer's word, so many minutes after the start."""
    return MethodAgreed(subscription, method, AT + timedelta(minutes=minutes))


async def subscribed(account: Connected) -> int:
    """A subscription that the portal has seen; its id."""
    await apply(account, make.product(), make.plan(), make.subscription(method_external_id="pm_old"))
    return int((await rows("SELECT id FROM subscription"))[0][0])


async def wish() -> tuple[str, datetime | None]:
    """What is wished of it, and since when."""
    found: tuple[str, datetime | None] = (
        await rows("SELECT wish_method_external_id, method_agreed_at FROM subscription")
    )[0]
    return found


async def link_to(subscription_id: int) -> str:
    """The path of a new link."""
    return urlsplit(await renew_link(subscription_id, actor=SYSTEM)).path
