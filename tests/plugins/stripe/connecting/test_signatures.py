"""The signing secret is proved by an event that really arrives, or the reason is named. Nothing is left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
import stripe as stripe_sdk

from plugins.stripe.checks import CHECKS, signatures
from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.subjects import CONNECTION_TEST
from plugins.stripe.services.webhooks import process_event
from portal.accounts.endpoints import pending_endpoint
from portal.app import create_app
from portal.contract.checks import CheckContext, CheckResult, CheckStatus
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import connection
from portal.settings import current_settings
from portal.webhooks.intake import forget_connections
from tests.builders import KEYS, Connected, connect_account
from tests.plugins.stripe.connecting.doors import Door, open_door

PREVIOUS = "whsec_previous_0123456789abcdef0123"
CURRENT = "whsec_current_0123456789abcdef01234"
OTHER_MODE = "whsec_other_mode_0123456789abcdef01"
NOBODYS = "whsec_nobodys_0123456789abcdef01234"
OTHERS = {
    "the previous secret": PREVIOUS,
    "the current secret": CURRENT,
    "the other mode's secret": OTHER_MODE,
}
CHECK = next(check for check in CHECKS if check.id == "signing_secret")


@dataclass
class Scene:
    """A portal that the sandbox delivers to."""

    door: Door
    sandbox: RunningSandbox
    stripe: stripe_sdk.V1Services
    account: Connected
    changed: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.door.url + self.account.webhook_path

    def add_endpoint(self, **fields: Any) -> None:
        given = {"url": self.address, "enabled_events": list(ENDPOINT_EVENTS), "api_version": API_VERSION}
        made = self.stripe.webhook_endpoints.create(cast("Any", given | fields))
        self.changed["webhook_secret"] = str(made.secret)

    def context(self, **more: Any) -> CheckContext:
        keys = {
            "publishable_key": self.sandbox.keys.publishable_key,
            "secret_key": self.sandbox.keys.secret_key,
            **self.changed,
        }
        return CheckContext(
            {name: Secret(value) for name, value in keys.items()},
            self.address,
            current_settings(),
            other_secrets={label: Secret(value) for label, value in OTHERS.items()},
            **more,
        )

    async def check(self, **more: Any) -> CheckResult:
        return await CHECK.run(self.context(**more))

    def customers(self) -> list[str]:
        return [customer.id for customer in self.stripe.customers.list().data]


@pytest.fixture(scope="module")
async def open_portal(shared_sandbox: RunningSandbox) -> AsyncIterator[Door]:
    """The application at a port of this machine."""
    async with open_door() as door:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PORTAL_BASE_URL", door.url)
            patch.setenv("PORTAL_STRIPE_API_BASE", shared_sandbox.url)
            current_settings.cache_clear()
            door.app = create_app(current_settings())
            yield door
    current_settings.cache_clear()


@pytest.fixture
async def scene(
    database: None, open_portal: Door, stripe: stripe_sdk.V1Services, request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    """An endpoint in the sandbox for an address that is saved, or stands on a connect form still."""
    sandbox: RunningSandbox = request.getfixturevalue("sandbox")
    forget_connections()
    open_portal.reset()
    account = await _account(sandbox, getattr(request, "param", "saved"))
    made = Scene(open_portal, sandbox, stripe, account)
    made.add_endpoint()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "MORE_SECONDS", 0.1)
        yield made
    forget_connections()


async def _account(sandbox: RunningSandbox, kind: str) -> Connected:
    if kind == "unsaved":
        token = (await pending_endpoint("stripe")).token
        return Connected(0, Mode.TEST, token.reveal())
    keys = KEYS | {"secret_key": sandbox.keys.secret_key, "webhook_secret": CURRENT}
    return await connect_account(external_id=sandbox.keys.account, keys=keys)


both = pytest.mark.parametrize("scene", ["saved", "unsaved"], indirect=True)


async def value(query: str) -> Any:
    async with connection() as held:
        return await held.fetchval(query)


# ---- proved


@both
async def test_a_genuine_event_proves_the_secret_and_nothing_stays_behind(scene: Scene) -> None:
    found = await scene.check()
    assert found.status is CheckStatus.PASSED
    assert found.message.startswith("Proved in ")
    assert found.message.endswith(" s.")
    assert scene.customers() == []
    assert await value("SELECT count(*) FROM delivery_proof") == 0
    assert await value("SELECT count(*) FROM proof_delivery") == 0


async def test_the_secret_that_is_proved_opens_nothing_by_itself(scene: Scene) -> None:
    """The saved connection has another secret: its event is proved for the form, and not stored."""
    assert (await scene.check()).status is CheckStatus.PASSED
    assert await value("SELECT count(*) FROM webhook_event") == 0
    assert set(scene.door.statuses) == {400}


async def test_an_event_of_the_test_is_kept_and_has_no_effect(scene: Scene) -> None:
    scene.account = await connect_account(
        external_id="acct_second",
        keys=KEYS | {"secret_key": scene.sandbox.keys.secret_key, "webhook_secret": NOBODYS},
    )
    scene.sandbox.deliver(sign_with=NOBODYS)
    scene.add_endpoint()
    scene.changed["webhook_secret"] = NOBODYS
    assert (await scene.check()).status is CheckStatus.PASSED
    ids = await _ids_of_stored(2)
    scene.sandbox.control("DELETE", "/calls")
    for event_id in ids:
        await process_event(event_id)
    async with connection() as held:
        rows = await held.fetch("SELECT type, state, outcome FROM webhook_event ORDER BY id")
    assert {row["type"] for row in rows} == {"customer.created", "customer.deleted"}
    assert {(row["state"], row["outcome"]) for row in rows} == {("ignored", CONNECTION_TEST)}
    assert scene.sandbox.calls() == {}
    assert await value("SELECT count(*) FROM customer_link") == 0


async def test_a_rolled_secret_is_proved_while_both_sign(scene: Scene) -> None:
    (endpoint,) = scene.stripe.webhook_endpoints.list().data
    old = scene.changed["webhook_secret"]
    rolled = scene.sandbox.control("POST", f"/webhook_endpoints/{endpoint.id}/roll-secret", {})["secret"]
    for secret in (old, rolled):
        scene.changed["webhook_secret"] = secret
        assert (await scene.check()).status is CheckStatus.PASSED


async def test_a_genuine_delivery_behind_one_that_is_not_proves_the_secret(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replaced endpoint delivers beside the new one for a while."""
    scene.add_endpoint()
    monkeypatch.setattr(signatures, "MORE_SECONDS", 5.0)
    assert (await scene.check()).status is CheckStatus.PASSED


# ---- eight ways to break a delivery, and some more

Break = Callable[[Scene], None]


def signed_with(secret: str) -> Break:
    return lambda scene: scene.sandbox.deliver(sign_with=secret)


def manner(**how: Any) -> Break:
    return lambda scene: scene.sandbox.deliver(**how)


def nothing_arrives(scene: Scene) -> None:
    scene.sandbox.deliver(hold=True)


def something_answers_404(scene: Scene) -> None:
    scene.door.answers = 404


def a_key_is_pasted(scene: Scene) -> None:
    scene.changed["webhook_secret"] = scene.sandbox.keys.secret_key


def the_header_is_removed(scene: Scene) -> None:
    scene.door.drops.add("stripe-signature")


BROKEN: dict[str, tuple[Break, CheckStatus, Code, str]] = {
    "nothing": (
        nothing_arrives,
        CheckStatus.UNPROVED,
        Code.DELIVERY_NONE,
        (
            "Well formed. No test event arrived. 127.0.0.1 cannot be reached from the internet. "
            "Stripe made the event and still tries to deliver it."
        ),
    ),
    "404": (
        something_answers_404,
        CheckStatus.FAILED,
        Code.DELIVERY_INTERCEPTED,
        "No test event arrived. Something else than this portal answered 127.0.0.1: 404.",
    ),
    "previous": (
        signed_with(PREVIOUS),
        CheckStatus.FAILED,
        Code.SIGNING_SECRET_PREVIOUS,
        "The test event is signed with the previous secret, not with this one.",
    ),
    "current": (
        signed_with(CURRENT),
        CheckStatus.FAILED,
        Code.SIGNING_SECRET_CURRENT,
        "The test event is signed with the current secret, not with this one.",
    ),
    "other mode": (
        signed_with(OTHER_MODE),
        CheckStatus.FAILED,
        Code.SIGNING_SECRET_OTHER_MODE,
        "The test event is signed with the other mode's secret, not with this one.",
    ),
    "key": (
        a_key_is_pasted,
        CheckStatus.FAILED,
        Code.SIGNING_SECRET_IS_KEY,
        "An API key was pasted in the place of the signing secret.",
    ),
    "unknown": (
        signed_with(NOBODYS),
        CheckStatus.FAILED,
        Code.SIGNING_SECRET_UNKNOWN,
        "The test event is signed with a secret that is not known here.",
    ),
    "clock ahead": (
        manner(skew_seconds=-360),
        CheckStatus.FAILED,
        Code.SIGNING_CLOCK,
        "This machine's clock is 6 minutes ahead. The secret itself is right.",
    ),
    "clock behind": (
        manner(skew_seconds=7200),
        CheckStatus.FAILED,
        Code.SIGNING_CLOCK,
        "This machine's clock is 2 hours behind. The secret itself is right.",
    ),
    "reformatted": (
        manner(tamper="reformat"),
        CheckStatus.FAILED,
        Code.SIGNING_BODY_CHANGED,
        "The body of the test event was rewritten on the way here. Its JSON was read and written anew.",
    ),
    "other content": (
        manner(tamper="field"),
        CheckStatus.FAILED,
        Code.SIGNING_BODY_CHANGED,
        (
            "The body of the test event was changed on the way here. "
            "Its content is not what Stripe says that it sent."
        ),
    ),
    "appended": (
        manner(tamper="append"),
        CheckStatus.FAILED,
        Code.SIGNING_BODY_CHANGED,
        "The body of the test event was rewritten on the way here. White space was added around it.",
    ),
    "unsigned": (
        the_header_is_removed,
        CheckStatus.FAILED,
        Code.SIGNING_UNSIGNED,
        "The test event arrived without a readable signature.",
    ),
}


@both
@pytest.mark.parametrize("name", BROKEN)
async def test_each_broken_delivery_has_its_own_diagnosis(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    broken, status, code, message = BROKEN[name]
    if broken in (nothing_arrives, something_answers_404):
        monkeypatch.setattr(signatures, "WAIT_SECONDS", 0.5)
    broken(scene)
    found = await scene.check()
    assert (found.status, found.code, found.message) == (status, code, message)
    assert found.fix
    assert scene.customers() == []
    assert await value("SELECT count(*) FROM delivery_proof") == 0
    for secret in (*OTHERS.values(), *scene.changed.values()):
        assert secret not in repr(found)


def test_no_two_diagnoses_are_alike() -> None:
    assert len({message for _, _, _, message in BROKEN.values()}) == len(BROKEN) > 8
    assert len({code for _, _, code, _ in BROKEN.values()}) >= 8


async def test_content_that_cannot_be_compared_is_called_a_secret_that_nobody_knows(scene: Scene) -> None:
    """Without the right to read events, a changed field and a foreign secret look the same."""
    rights = ["rak_customer_write", "rak_customer_read"]
    scene.changed["secret_key"] = scene.sandbox.control("POST", "/keys", {"permissions": rights})["key"]
    scene.sandbox.deliver(tamper="field")
    assert (await scene.check()).code == Code.SIGNING_SECRET_UNKNOWN


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("the secret of Northwind in live mode", Code.SIGNING_SECRET_OTHER_MODE),
        ("the secret of Northwind in test mode", Code.SIGNING_SECRET_UNKNOWN),
    ],
)
async def test_the_secret_of_another_connection_is_named(scene: Scene, label: str, code: Code) -> None:
    scene.sandbox.deliver(sign_with=NOBODYS)
    found = await CHECK.run(replace(scene.context(), other_secrets={label: Secret(NOBODYS)}))
    assert found.code == code
    assert found.message == f"The test event is signed with {label}, not with this one."


# ---- nothing arrives


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"disabled": True}, "The endpoint is disabled in Stripe."),
        ({"enabled_events": ["invoice.paid"]}, "The endpoint in Stripe does not send customer.created."),
        (None, "Stripe has no endpoint with exactly this address."),
    ],
)
async def test_an_endpoint_that_cannot_deliver_is_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any] | None, words: str
) -> None:
    monkeypatch.setattr(signatures, "WAIT_SECONDS", 0.3)
    (endpoint,) = scene.stripe.webhook_endpoints.list().data
    if fields is None:
        scene.stripe.webhook_endpoints.delete(endpoint.id)
    else:
        scene.stripe.webhook_endpoints.update(endpoint.id, cast("Any", fields))
    found = await scene.check()
    assert (found.status, found.code) == (CheckStatus.UNPROVED, Code.DELIVERY_NONE)
    assert found.message == f"Well formed. No test event arrived. {words}"


async def test_a_redirect_in_between_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "WAIT_SECONDS", 0.3)
    scene.door.answers = 308
    assert (await scene.check()).code == Code.DELIVERY_INTERCEPTED


# ---- what is not asked


@pytest.mark.parametrize("secret", ["we_1QaXyz0123456789", "whsec_•••••••••", "", "whsec_"])
async def test_a_malformed_secret_never_passes_and_makes_nothing(scene: Scene, secret: str) -> None:
    scene.sandbox.control("DELETE", "/calls")
    scene.changed["webhook_secret"] = secret
    found = await scene.check(facts={"event_arrived_at": datetime.now(UTC)}, thorough=False)
    assert (found.status, found.code) == (CheckStatus.FAILED, Code.SIGNING_SECRET_FORMAT)
    assert scene.sandbox.calls() == {}


async def test_a_fresh_event_is_enough_where_nobody_waits(scene: Scene) -> None:
    scene.sandbox.control("DELETE", "/calls")
    arrived = datetime.now(UTC) - timedelta(hours=25)
    context = replace(
        scene.context(),
        thorough=False,
        other_secrets={},
        time_zone="Pacific/Kiritimati",
        facts={"event_arrived_at": arrived},
    )
    found = await CHECK.run(context)
    assert found.status is CheckStatus.PASSED
    there = arrived.astimezone(ZoneInfo("Pacific/Kiritimati"))
    assert found.message == f"Proved by an event that arrived on {there:%-d %b %Y at %H:%M}."
    assert scene.sandbox.calls() == {}


@pytest.mark.parametrize(
    ("thorough", "hours", "others"),
    [(True, 1, {}), (False, 27, {}), (False, 1, {"the previous secret": Secret(PREVIOUS)})],
)
async def test_an_event_is_made_when_a_person_asks_or_the_last_one_proves_too_little(
    scene: Scene, *, thorough: bool, hours: int, others: dict[str, Secret]
) -> None:
    arrived_at = datetime.now(UTC) - timedelta(hours=hours)
    context = replace(
        scene.context(), thorough=thorough, other_secrets=others, facts={"event_arrived_at": arrived_at}
    )
    assert (await CHECK.run(context)).message.startswith("Proved in ")


async def test_a_key_that_may_not_make_customers_leaves_it_unproved(scene: Scene) -> None:
    key = scene.sandbox.control("POST", "/keys", {"permissions": ["rak_customer_read"]})["key"]
    scene.changed["secret_key"] = key
    found = await scene.check()
    assert (found.status, found.code) == (CheckStatus.UNPROVED, Code.SIGNING_UNPROVED)
    assert "Customers: Write" in found.fix


async def test_a_refused_key_makes_no_customer_and_is_left_to_its_own_check(scene: Scene) -> None:
    key = scene.sandbox.control("POST", "/keys", {"permissions": ["rak_customer_write"]})["key"]
    scene.sandbox.control("POST", "/keys/revoke", {"key": key})
    scene.changed["secret_key"] = key
    found = await scene.check()
    assert found.status is CheckStatus.SKIPPED
    assert scene.stripe.events.list().data == []


@pytest.mark.parametrize("key", ["", "whsec_0123456789abcdef01234567", "sk_test_•••"])
async def test_nothing_is_asked_with_a_key_that_cannot_be_one(scene: Scene, key: str) -> None:
    scene.sandbox.control("DELETE", "/calls")
    scene.changed["secret_key"] = key
    assert (await scene.check()).status is CheckStatus.SKIPPED
    assert scene.sandbox.calls() == {}


# ---- the customer is deleted however it ends


async def test_leaving_the_page_deletes_the_customer(scene: Scene) -> None:
    scene.sandbox.deliver(hold=True)
    running = asyncio.create_task(scene.check())
    await _until(lambda: scene.customers() != [])
    running.cancel()
    await asyncio.wait([running])
    await _until(lambda: scene.customers() == [])
    assert await value("SELECT count(*) FROM delivery_proof") == 0


async def test_leaving_while_stripe_makes_the_customer_deletes_it_too(scene: Scene) -> None:
    scene.sandbox.add_fault(match="POST /v1/customers", delay_ms=300)
    running = asyncio.create_task(scene.check())
    await _until(
        lambda: "POST /v1/customers" in str(scene.sandbox.control("GET", "/faults")) and _asked(scene)
    )
    running.cancel()
    await asyncio.wait([running])
    await asyncio.sleep(0.5)
    assert scene.customers() == []
    assert [event.type for event in scene.stripe.events.list().data] in (
        [],
        ["customer.deleted", "customer.created"],
    )


async def test_a_customer_whose_creation_was_not_answered_is_found_and_deleted(scene: Scene) -> None:
    scene.sandbox.add_fault(match="POST /v1/customers", drop="after")
    found = await scene.check()
    assert (found.status, found.code) == (CheckStatus.FAILED, Code.UNAVAILABLE)
    assert scene.customers() == []


async def test_a_deletion_that_fails_is_logged_and_does_not_hide_the_proof(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.sandbox.add_fault(match="DELETE /v1/customers/*", status=500)
    with caplog.at_level(logging.WARNING, logger="portal.stripe"):
        assert (await scene.check()).status is CheckStatus.PASSED
    assert "may be left in Stripe" in caplog.text


def _asked(scene: Scene) -> bool:
    return any(rule["acted"] for rule in scene.sandbox.control("GET", "/faults")["faults"])


async def _ids_of_stored(number: int) -> list[int]:
    """The events in the inbox, once there are so many."""
    async with asyncio.timeout(10):
        while True:
            async with connection() as held:
                rows = await held.fetch("SELECT id FROM webhook_event ORDER BY id")
            if len(rows) >= number:
                return [row["id"] for row in rows]
            await asyncio.sleep(0.02)


async def _until(done: Callable[[], bool]) -> None:
    for _ in range(300):
        if await asyncio.to_thread(done):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to that")
