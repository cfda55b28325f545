"""Whoever holds a method link cannot use up what the provider answers to others."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from portal.contract.accounts import Account
from portal.contract.loading import plugin_by_id
from portal.contract.payables import PaymentStart
from portal.subscriptions import method_controllers
from portal.web.allowances import Allowance
from tests.builders import connect_account
from tests.exchange import facts as make
from tests.exchange.facts import apply, rows
from tests.subscriptions.methods import forget_sandbox, link_to, subscribed
from tests.visitors import Visitor

TOO_OFTEN = "That was tried very often. Try again in a minute."
MOST = 2


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the provider is asked for what."""
    found: Counter[str] = Counter()
    answers: dict[str, Any] = {
        "start_method": PaymentStart({"client_secret": "seti_1_secret"}),
        "refresh_method": None,
        "customer_portal": "https://billing.stripe.com/p/session/test_1",
    }

    def let(verb: str) -> None:
        async def answer(_account: Account, *_: object) -> Any:
            found[verb] += 1
            return answers[verb]

        monkeypatch.setattr(plugin_by_id("stripe"), verb, answer)

    for verb in answers:
        let(verb)
    forget_sandbox(monkeypatch)
    monkeypatch.setattr(plugin_by_id("stripe"), "portal_offered", lambda _account: True)
    return found


@pytest.fixture(autouse=True)
def allowances(monkeypatch: pytest.MonkeyPatch) -> list[Allowance]:
    """Each may be asked for twice in a minute."""
    made = [Allowance(MOST) for _ in range(3)]
    for name, allowance in zip(("STARTS", "LOOKS", "PORTALS"), made, strict=True):
        monkeypatch.setattr(method_controllers, name, allowance)
    return made


@pytest.fixture
async def paths(visitor: Visitor, asked: Counter[str]) -> tuple[str, str]:
    """The links of two subscriptions of one connection."""
    account = await connect_account()
    first = await subscribed(account)
    await apply(account, make.subscription(external_id="sub_2"))
    ((second,),) = await rows("SELECT id FROM subscription WHERE external_id = 'sub_2'")
    return await link_to(first), await link_to(second)


async def test_starts_are_counted_for_each_link(
    visitor: Visitor, paths: tuple[str, str], asked: Counter[str]
) -> None:
    path, other = paths
    answers = [await visitor.post(f"{path}/start") for _ in range(MOST + 2)]
    assert [answer.status_code for answer in answers] == [200] * MOST + [429] * 2
    assert answers[-1].json() == {"message": TOO_OFTEN}
    assert asked["start_method"] == MOST
    assert (await visitor.post(f"{other}/start")).status_code == 200


async def test_looks_that_are_too_many_tell_what_is_known(
    visitor: Visitor, paths: tuple[str, str], asked: Counter[str]
) -> None:
    path, other = paths
    for _ in range(MOST + 2):
        assert (await visitor.post(f"{path}/refresh")).status_code == 200
        assert (await visitor.get(f"{path}/return")).status_code == 200
    assert asked["refresh_method"] == MOST
    await visitor.post(f"{other}/refresh")
    assert asked["refresh_method"] == MOST + 1


async def test_ways_to_the_providers_own_pages_are_counted_too(
    visitor: Visitor, paths: tuple[str, str], asked: Counter[str]
) -> None:
    path, other = paths
    answers = [await visitor.post(f"{path}/portal") for _ in range(MOST + 1)]
    assert ["refresh" in answer.headers for answer in answers] == [True, True, False]
    assert TOO_OFTEN in answers[-1].text
    assert asked["customer_portal"] == MOST
    assert "refresh" in (await visitor.post(f"{other}/portal")).headers


async def test_wrong_links_use_up_nothing_and_leave_nothing(
    visitor: Visitor, asked: Counter[str], allowances: list[Allowance]
) -> None:
    for number in range(MOST + 2):
        for verb in ("start", "refresh", "portal"):
            assert (await visitor.post(f"/method/{number}/{verb}")).status_code == 404
    assert not asked
    assert all(not allowance._taken for allowance in allowances)
