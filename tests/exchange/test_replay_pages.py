"""Events are handled again from the event log: what would change is shown first, and nobody acts twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from plugins.stripe.plugin import StripePlugin
from portal.commands import webhooks as commands
from portal.contract.accounts import Account
from portal.contract.errors import ProviderError
from portal.contract.facts import PaymentSucceeded
from portal.contract.work import Reading, StoredEvent, Subject
from portal.database.transaction import transaction
from portal.errors import NotFound
from portal.exchange.previews import AT_ONCE, NO_EFFECT, preview, preview_many
from portal.exchange.replays import MOST_AT_ONCE
from portal.money import Money
from portal.webhooks.filters import EventFilter, EventState
from tests.builders import Connected, connect_account, make_invoice
from tests.visitors import Visitor
from tests.webhooks.events import make_event

REFUSED = "Stripe does not know this invoice."
KEY = re.compile(r'name="form_key" value="([^"]+)"')
WOULD_BE_PAID = re.compile(r'class="p-sub">status<.+?"Now".*?>open<.+?"Afterwards".*?>paid<', re.DOTALL)
EVENTS = re.compile(r'name="event" value="(\d+)"')


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


@pytest.fixture
async def invoice_id(account: Connected, monkeypatch: pytest.MonkeyPatch) -> int:
    """An invoice; Stripe says that `in_paid` is this one and paid, and refuses to read `in_bad`."""
    found = await make_invoice()

    async def locate(_: StripePlugin, account: Account, event: StoredEvent) -> Subject | str:
        assert account.id
        if event.object_id == "in_none":
            return "Nothing of ours."
        return Subject(f"invoice:{event.object_id}", (event.object_id,))

    async def read(
        _: StripePlugin, account: Account, subject: Subject, events: Sequence[StoredEvent]
    ) -> Reading:
        assert account.id
        assert events
        if subject.key == "invoice:in_bad":
            raise ProviderError(REFUSED)
        paid = PaymentSucceeded(found, "pi_1", Money(48_000, "usd"), datetime.now(UTC))
        return Reading(facts=(paid,), invoice_id=found)

    monkeypatch.setattr(StripePlugin, "locate", locate)
    monkeypatch.setattr(StripePlugin, "read", read)
    return found


async def stored() -> dict[str, object]:
    """Every row that handling an event may touch."""
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            SELECT (SELECT array_agg(status) FROM invoice) AS invoices,
                   (SELECT count(*) FROM payment) AS payments,
                   (SELECT array_agg(e.* ORDER BY id)::text FROM webhook_event e) AS events,
                   (SELECT count(*) FROM audit_entry) AS audit, (SELECT count(*) FROM portal_job) AS jobs
            """
        )
    assert row is not None
    return dict(row)


async def audited(action: str) -> int:
    async with transaction() as tx:
        return int(await tx.connection.fetchval("SELECT count(*) FROM audit_entry WHERE action = $1", action))


async def states(ids: Sequence[int]) -> list[str]:
    async with transaction() as tx:
        rows = await tx.connection.fetch(
            "SELECT state FROM webhook_event WHERE id = ANY($1::bigint[]) ORDER BY id", list(ids)
        )
    return [row["state"] for row in rows]


async def test_one_event_shows_what_would_change_leaves_no_trace_and_is_replayed_once(
    owner: Visitor, account: Connected, invoice_id: int
) -> None:
    event_id = await make_event(account, state="parked", object_id="in_paid")
    before = await stored()
    page = (await owner.get(f"/webhook-events/{event_id}/again")).text
    assert "Invoice INV-0001" in page
    assert WOULD_BE_PAID.search(page)
    assert "$480.00" in page
    assert await stored() == before
    for _ in range(2):
        answer = await owner.post(f"/webhook-events/{event_id}/again")
        assert answer.headers["location"] == f"/webhook-events/{event_id}"
    page = (await owner.get(f"/webhook-events/{event_id}")).text
    assert page.count("Handled again") == 1
    assert f'hx-sse:connect="/webhook-events/{event_id}/live?shown=received-0-1"' in page
    assert await audited("event.replayed") == 1


async def test_processed_event_says_process_again_and_that_nothing_would_change(
    owner: Visitor, account: Connected, invoice_id: int
) -> None:
    event_id = await make_event(account, object_id="in_none")
    assert "Process again" in (await owner.get(f"/webhook-events/{event_id}")).text
    page = (await owner.get(f"/webhook-events/{event_id}/again")).text
    assert "Nothing would change." in page
    assert "no payment counts twice" in page


async def test_event_that_cannot_be_read_says_why(
    owner: Visitor, account: Connected, invoice_id: int
) -> None:
    event_id = await make_event(account, state="parked", object_id="in_bad")
    page = (await owner.get(f"/webhook-events/{event_id}/again")).text
    assert f"It cannot be told: {REFUSED}" in page
    assert "Look again" in page


async def test_many_are_counted_by_what_they_would_do_then_replayed_once(
    owner: Visitor, account: Connected, invoice_id: int
) -> None:
    ids = [
        await make_event(account, state="parked", object_id=name)
        for name in ("in_paid", "in_paid", "in_bad", "in_none")
    ]
    other = await make_event(account, object_id="in_paid")
    assert "Try all 4 failed events again" in (await owner.get("/webhook-events?status=parked")).text
    waiting = (await owner.get("/webhook-events/again?status=parked")).text
    assert 'hx-trigger="load"' in waiting
    assert "<noscript>" in waiting
    before = await stored()
    page = (await owner.get("/webhook-events/again?status=parked&look=yes", hx_request="true")).text
    assert "<b>2</b> would change something, <b>1</b> would change nothing, <b>1</b> cannot be told" in page
    assert page.count("Invoice INV-0001") > 1
    assert REFUSED in page
    assert await stored() == before
    key = KEY.search(page)
    assert key
    assert [int(found) for found in EVENTS.findall(page)] == ids
    form = {"form_key": key[1], "event": EVENTS.findall(page)}
    first, second = [await owner.post("/webhook-events/again", form) for _ in range(2)]
    assert first.headers["location"] == second.headers["location"]
    assert await states([*ids, other]) == ["received"] * 4 + ["processed"]
    progress = (await owner.get(first.headers["location"])).text
    assert "0 of 4 done" in progress
    assert 'hx-trigger="every 2s"' in progress
    assert "0 of 4 events are handled again" in (await owner.get("/webhook-events")).text
    async with transaction() as tx:
        await tx.connection.execute("UPDATE webhook_event SET state = 'processed', processed_at = now()")
    progress = (await owner.get(first.headers["location"], hx_request="true")).text
    assert "4 of 4 done" in progress
    assert "every 2s" not in progress
    assert await audited("events.replayed") == 1


async def test_no_more_than_500_are_replayed_at_once(
    owner: Visitor, account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with transaction() as tx:
        rows = await tx.connection.fetch(
            """
            INSERT INTO webhook_event
                (account, mode, external_id, type, object_id, group_id, body, state, due_at, received_at)
            SELECT $1, 'test', n::text, 'invoice.paid', 'in_1', 'in_1', '{}', 'parked', now(), now()
            FROM generate_series(1, $2) AS n RETURNING id
            """,
            account.id,
            MOST_AT_ONCE + 1,
        )
    ids = sorted(row["id"] for row in rows)
    page = (await owner.get("/webhook-events/again?status=parked")).text
    assert "More than 500 events match" in page
    answer = await owner.post("/webhook-events/again", {"form_key": "k" * 20, "event": list(map(str, ids))})
    assert answer.status_code == 409
    assert set(await states(ids)) == {"parked"}


async def test_viewers_neither_look_nor_replay(
    viewer: Visitor, owner: Visitor, account: Connected, invoice_id: int
) -> None:
    event_id = await make_event(account, state="parked", object_id="in_paid")
    for path in (f"/webhook-events/{event_id}/again", "/webhook-events/again"):
        assert (await viewer.get(path)).status_code == 403
        assert (await viewer.post(path, {"event": str(event_id), "form_key": "k" * 20})).status_code == 403
    without_token = await owner.http.post(f"/webhook-events/{event_id}/again", data={})
    assert without_token.status_code == 403
    assert await states([event_id]) == ["parked"]
    page = (await viewer.get("/webhook-events?status=parked")).text
    assert "again…" not in page


async def test_rejected_event_offers_no_button(owner: Visitor, account: Connected, invoice_id: int) -> None:
    event_id = await make_event(account, state="rejected", object_id="in_paid")
    page = (await owner.get(f"/webhook-events/{event_id}/again")).text
    assert "It must have no effect here" in page
    assert f'action="/webhook-events/{event_id}/again" method="post"' in page
    assert "Working…" not in page
    assert (await owner.post(f"/webhook-events/{event_id}/again")).status_code == 409
    assert await states([event_id]) == ["rejected"]


async def test_command_line_shows_the_same_before_it_puts_events_back(
    account: Connected, invoice_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [await make_event(account, state="parked", object_id=name) for name in ("in_paid", "in_bad")]
    assert await commands.find_and_show(EventFilter(EventState.PARKED)) == ids
    said = capsys.readouterr().out
    assert "Invoice INV-0001, status: open -> paid" in said
    assert f"cannot be told: {REFUSED}" in said
    assert "1 would change something, 0 would change nothing, 1 cannot be told." in said
    assert await states(ids) == ["parked"] * 2
    await commands.put_back(ids)
    assert "2 of 2 events put back" in capsys.readouterr().out
    assert await states(ids) == ["received"] * 2
    with pytest.raises(NotFound):
        await commands.find_and_show(EventFilter(), "404")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give one of"),
        (["--failed", "--object", "in_1"], "Give one of"),
        (["--object", "in_1", "--since", "2026-11-01"], "go with --failed"),
        (["--failed", "--since", "yesterday"], "Invalid value"),
    ],
)
def test_command_line_takes_one_choice_of_events(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(commands.webhooks, ["replay", *arguments])
    assert done.exit_code == 2
    assert words in done.output


async def test_however_many_look_at_once_most_connections_are_left_to_those_who_work(
    account: Connected, invoice_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [await make_event(account, object_id=f"in_{n}", state="parked") for n in range(10)]
    reading: list[int] = [0]
    full = asyncio.Event()
    read, most = StripePlugin.read, 0

    async def counted(*args: Any) -> Reading:
        nonlocal most
        reading[0] += 1
        most = max(most, reading[0])
        if reading[0] == AT_ONCE:
            full.set()
        await asyncio.wait_for(full.wait(), 10)
        await asyncio.sleep(0.02)  # and one more would come in here
        reading[0] -= 1
        return await read(*args)

    monkeypatch.setattr(StripePlugin, "read", counted)
    looks = await asyncio.gather(*(preview_many([event]) for event in events))
    assert [bool(look[0].changes) for look in looks] == [True] * 10
    assert most == AT_ONCE


async def test_an_event_that_must_have_no_effect_is_not_read_for_a_look(
    account: Connected, invoice_id: int
) -> None:
    event = await make_event(account, object_id="in_paid", state="rejected")
    assert (await preview(event)).words == NO_EFFECT
