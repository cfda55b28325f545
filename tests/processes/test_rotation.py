"""The signing secret is replaced under 50 events a second, by the portal and by hand: nothing is refused."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stripe as stripe_sdk

from e2e.portals import running_portal
from e2e.stripe_control import StripeControl
from plugins.stripe.sandbox.delivery import TIMEOUT_SECONDS
from plugins.stripe.sandbox.keys import DEFAULT
from portal.settings import load_settings
from tests.processes.deliveries import unknown_event
from tests.processes.products import Product

STRIPE = "/settings/connected-accounts/stripe"
TOKEN = re.compile(r'name="_csrf_token" value="([0-9a-f]+)"')
ADDRESS = re.compile(r'<code id="endpoint">([^<]+)</code>')
RATE, STEP_SECONDS, PATIENCE_SECONDS = 50, 1.5, 25.0
MOST, AT_ONCE = 5000, 40
AT_ONCE_TO_AN_ENDPOINT = 16
"""So many deliveries Stripe has under way to one."""
TWO_OF_EACH = {"PORTAL_WEB_WORKERS": "2", "PORTAL_WORKER_PROCESSES": "2"}


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner's browser without a window, on the portal that runs."""

    http: httpx.AsyncClient

    async def read(self, path: str) -> str:
        """A page, as words and tags."""
        page = await self.http.get(path)
        assert page.is_success, page.text
        return page.text

    async def send(self, path: str, *, of: str, **fields: str) -> httpx.Response:
        """Send a form of the page `of`."""
        token = TOKEN.search(await self.read(of))
        assert token is not None
        return await self.http.post(path, data={"_csrf_token": token[1], **fields})

    async def uses(self) -> str:
        """What the connection's page says of both secrets."""
        found = re.search(r"New secret last used:.*?</p>", await self.read(STRIPE), re.DOTALL)
        assert found is not None, "the page tells of one secret only"
        return re.sub(r"<[^>]+>|\s+", " ", found[0]).strip()


@dataclass(slots=True)
class Load:
    """Events that Stripe makes, so many a second, and delivers to every endpoint."""

    stripe: StripeControl
    customer: str
    events: list[str] = field(default_factory=list)
    seconds: float = 0.0

    async def flow(self) -> None:
        """Make events until cancelled; late ones are made up for, a few at a time.

        Without that bound a slow machine has thousands under way, which the client searches for each answer.
        """
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=10) as http, asyncio.TaskGroup() as group:
            while True:
                due = int((time.monotonic() - began) * RATE)
                for _ in range(min(due - len(self.events), AT_ONCE - self.events.count(""))):
                    self.events.append("")
                    group.create_task(self._make(http, len(self.events) - 1))
                await asyncio.sleep(1 / RATE)

    async def _make(self, http: httpx.AsyncClient, place: int) -> None:
        body = {"object": self.customer, "type": "customer.updated"}
        made = await http.post(f"{self.stripe.url}/_sandbox/emit", json=body)
        self.events[place] = str(made.raise_for_status().json()["id"])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All through a block."""
        began, flow = time.monotonic(), asyncio.create_task(self.flow())
        try:
            yield
            assert not flow.done(), "the load ended early"
        finally:
            flow.cancel()
            await asyncio.gather(flow, return_exceptions=True)
            self.seconds = time.monotonic() - began
            self.events = [event for event in self.events if event]


@pytest.fixture(scope="module")
def rotating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Two web processes and two worker processes that nobody has set up."""
    folder = tmp_path_factory.mktemp("rotating")
    with running_portal(folder, breaks=False, **TWO_OF_EACH) as portal:
        variables = {"PORTAL_DATA_DIR": str(folder), "PORTAL_BASE_URL": portal.url, **TWO_OF_EACH}
        yield Product(portal, load_settings(variables), "", ())


async def set_up_and_connect(owner: Owner, product: Product, stripe: StripeControl) -> str:
    """By the real forms; returns the signing secret."""
    setup = product.portal.setup_link.removeprefix(product.portal.url)
    who = {"organisation": "Northwind Studio", "currency": "usd", "time_zone": "UTC", "name": "Mara Kovač"}
    door = {"email": "mara@northwind.example", "password": "sturdy-lantern-orbit-72"}
    made = await owner.send("/setup", of=setup, token=setup.partition("=")[2], **who, **door)
    assert made.status_code == 303, made.text
    address = ADDRESS.search(await owner.read(STRIPE))
    assert address is not None
    secret = str(stripe.add_endpoint(address[1]).secret)
    keys = {"publishable_key": DEFAULT.publishable_key, "secret_key": DEFAULT.secret_key}
    connected = await owner.send(f"{STRIPE}/connect", of=STRIPE, **keys, webhook_secret=secret)
    assert connected.status_code == 303, connected.text
    return secret


async def until_used(product: Product, column: str, *, after: object) -> None:
    """Wait until this secret is noted as used after a moment."""
    query = f"SELECT coalesce({column} > $1, false) FROM connected_account"  # noqa: S608 - a constant of the test
    await product.until(query, after, is_=True, seconds=PATIENCE_SECONDS)


async def deliver(address: str, secret: str) -> int:
    """What a delivery that is signed with this secret alone gets."""
    body = json.dumps(unknown_event())
    signature = stripe_sdk.WebhookSignature.generate_signature_header(body, secret)
    async with httpx.AsyncClient() as http:
        return (await http.post(address, content=body, headers={"stripe-signature": signature})).status_code


async def attempts(stripe: StripeControl, events: Collection[str]) -> list[dict[str, Any]]:
    """Every attempt to deliver these events, once Stripe has nothing left to deliver."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = await asyncio.to_thread(stripe.control, "GET", "/deliveries", {"limit": MOST})
        mine = [delivery for delivery in found["data"] if delivery["event"] in events]
        if all(delivery["state"] != "pending" for delivery in mine) or time.monotonic() > deadline:
            return mine
        await asyncio.sleep(0.2)


def is_late(attempt: dict[str, Any], sent_between: tuple[float, float]) -> bool:
    """Whether it was under way when its secret was forgotten, and refused."""
    sent_at = float(attempt["at"])
    return attempt["status"] == 400 and sent_between[0] < sent_at < sent_between[1]


async def test_no_event_is_refused_while_the_signing_secret_is_replaced_twice(
    rotating: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    stripe = StripeControl(rotating.portal.sandbox_url)
    async with httpx.AsyncClient(base_url=rotating.portal.url, timeout=30) as http:
        owner = Owner(http)
        first = await set_up_and_connect(owner, rotating, stripe)
        (endpoint,) = stripe.endpoints()
        account = str(await rotating.value("SELECT id FROM connected_account"))
        load = Load(stripe, stripe.dashboard.customers.create({"name": "Globex Trading"}).id)
        told: list[str] = []

        async with load.running():
            await asyncio.sleep(STEP_SECONDS)
            began = await rotating.value("SELECT now()")
            done = await owner.send(f"{STRIPE}/rotate/endpoint", of=STRIPE, account=account)
            assert done.status_code == 303, done.text
            await until_used(rotating, "secret_used_at", after=began)
            await until_used(rotating, "previous_used_at", after=began)
            told.append(await owner.uses())
            asked_at = time.time()
            done = await owner.send(f"{STRIPE}/rotate/finish", of=STRIPE, account=account)
            assert done.status_code == 303, done.text
            under_way = (asked_at - TIMEOUT_SECONDS, time.time())
            assert {await deliver(endpoint.url, first) for _ in range(8)} == {400}

            await asyncio.sleep(STEP_SECONDS)
            (second,) = stripe.endpoints()
            rolled = stripe.control("POST", f"/webhook_endpoints/{second.id}/roll-secret", {})["secret"]
            began = await rotating.value("SELECT now()")
            fields = {"account": account, "webhook_secret": rolled}
            done = await owner.send(f"{STRIPE}/rotate", of=f"{STRIPE}/keys?account={account}", **fields)
            assert done.status_code == 303, done.text
            await until_used(rotating, "secret_used_at", after=began)
            told.append(await owner.uses())
            await asyncio.sleep(STEP_SECONDS)
            done = await owner.send(f"{STRIPE}/rotate/finish", of=STRIPE, account=account)
            assert done.status_code == 303, done.text
            assert await deliver(endpoint.url, rolled) == 200

    made = await attempts(stripe, set(load.events))
    tries = [(each["endpoint"], one) for each in made for one in each["attempts"]]
    # What the old endpoint had sent when it was deleted may arrive after its secret was forgotten. The new
    # endpoint has delivered the same event.
    late = [one for sender, one in tries if sender == endpoint.id and is_late(one, under_way)]
    answers = Counter(str(one["status"] or one["problem"]) for _, one in tries if one not in late)
    stored = await rotating.value(
        "SELECT count(*) FROM webhook_event WHERE external_id = ANY($1::text[])", load.events
    )
    pace = (
        f"{len(load.events)} events in {load.seconds:.1f} s ({len(load.events) / load.seconds:.0f} a second)"
    )
    counts = f"{len(tries)} deliveries: {dict(answers)}, {len(late)} late; {stored} stored"
    with capsys.disabled():
        print(f"\n{pace}, {counts}. {told}")  # noqa: T201 - figures
    assert set(answers) == {"200"}
    assert len(late) <= AT_ONCE_TO_AN_ENDPOINT
    assert {delivery["event"] for delivery in made if delivery["state"] == "delivered"} == set(load.events)
    assert stored == len(load.events)
    assert all("not yet" not in words for words in told)
    assert "not since it was replaced" not in told[0]
