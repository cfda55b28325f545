"""Two things at once, and things that end in the middle: no secret in use is lost, and no old news wins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from portal.accounts import changes, overlaps
from portal.accounts.attempts import Attempt, Purpose, form_context
from portal.accounts.check_runs import last_run, subject_of_account
from portal.accounts.connections import AlreadyConnected, NewConnection, save_connection
from portal.accounts.disconnections import disconnect
from portal.accounts.endpoints import AddressTaken, pending_endpoint, with_what_was_kept
from portal.accounts.overlaps import (
    end_overlap,
    overlaps_over,
)
from portal.accounts.rechecks import check_account, note_outcome, saved_context, verify_account
from portal.accounts.repairs import repair_for_form
from portal.accounts.rotations import (
    replace_credentials,
    rotate_endpoint,
)
from portal.accounts.services import load_account, load_summary, mark_broken, mark_needs_attention
from portal.accounts.validations import Outcome, run_to_end
from portal.contract.accounts import AccountIdentity, Repaired
from portal.contract.checks import CheckContext, CheckResult, CheckStatus
from portal.contract.errors import AccountAuthFailed, OutcomeUnknown, ProviderUnavailable
from portal.contract.secrets import Secret
from portal.database.transaction import connection
from portal.errors import Conflict
from portal.settings import Settings, current_settings
from tests.accounts.fakes import (
    ANA,
    ANSWERS,
    CREDENTIALS,
    NEW_SIGNING,
    REFUSES,
    SIGNING,
    Acme,
    connect_acme,
)

NEW_KEY = "key_test_9876543210"
THIRD = "sign_third_0123456789"


async def end_all() -> None:
    for account_id in await overlaps_over():
        await end_overlap(account_id)


async def replace(account_id: int, **new: str) -> None:
    values = {name: Secret(value) for name, value in new.items()}
    await replace_credentials(account_id, Acme(), values, actor=ANA)


async def end_the_day() -> None:
    async with connection() as held:
        await held.execute("UPDATE connected_account SET previous_until = now() - interval '1 second'")


class Meanwhile(Acme):
    """Somebody replaces credentials while Acme is asked."""

    def __init__(self, account_id: int, **new: str) -> None:
        self.account_id, self.new = account_id, new

    async def identify(
        self,
        credentials: Mapping[str, Secret],  # noqa: ARG002 - the contract's
        settings: Settings,  # noqa: ARG002 - the contract's
    ) -> AccountIdentity:
        """The old key was asked about, and is refused when the new one is saved already."""
        await replace(self.account_id, **self.new)
        raise AccountAuthFailed("Acme refused this key.")

    async def retire_endpoint(
        self,
        context: CheckContext,  # noqa: ARG002 - the contract's
    ) -> None:
        """The next rotation begins before this one is over."""
        await replace(self.account_id, **self.new)


async def test_the_end_of_one_overlap_does_not_erase_the_secret_of_the_next(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    await end_the_day()
    monkeypatch.setattr(overlaps, "plugin_by_id", lambda _: Meanwhile(account_id, signing=THIRD))
    await end_all()
    account = await load_account(account_id)
    assert account.credentials["signing"].reveal() == THIRD
    assert account.previous["signing"].reveal() == NEW_SIGNING


async def test_the_refusal_of_a_key_that_was_replaced_meanwhile_breaks_nothing(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = await connect_acme()
    asked = Meanwhile(account_id, secret_key=NEW_KEY)
    monkeypatch.setattr("portal.accounts.rechecks.plugin_by_id", lambda _: asked)
    await verify_account(account_id)
    assert (await load_summary(account_id)).state == "ready"


async def test_the_same_account_with_other_keys_is_no_second_press(database: None) -> None:
    await connect_acme()
    other = {name: Secret(value) for name, value in {**CREDENTIALS, "signing": NEW_SIGNING}.items()}
    identity = await Acme().identify(other, current_settings())
    new = NewConnection(Acme(), other, identity, await pending_endpoint("acme"))
    with pytest.raises(AlreadyConnected):
        await save_connection(new, actor=ANA)


async def test_two_accounts_do_not_get_the_address_that_only_one_of_them_can_have(database: None) -> None:
    shown = await pending_endpoint("acme")
    credentials = {name: Secret(value) for name, value in CREDENTIALS.items()}
    identity = await Acme().identify(credentials, current_settings())
    await save_connection(NewConnection(Acme(), credentials, identity, shown), actor=ANA)
    other = {**credentials, "secret_key": Secret("key_test_ltd_0123456789")}
    identity = await Acme().identify(other, current_settings())
    with pytest.raises(Conflict, match="address"):
        await save_connection(NewConnection(Acme(), other, identity, shown), actor=ANA)


async def test_new_trouble_takes_the_place_of_the_old_in_words(database: None) -> None:
    account_id = await connect_acme()
    await mark_needs_attention(account_id, "Endpoint: it is disabled.")
    await mark_needs_attention(account_id, "Account: payouts are off.")
    assert (await load_summary(account_id)).health_reason == "Account: payouts are off."


async def test_a_new_signing_secret_does_not_mend_what_it_has_nothing_to_do_with(database: None) -> None:
    account_id = await connect_acme()
    await mark_needs_attention(account_id, "Account: payouts are off.")
    await replace(account_id, signing=NEW_SIGNING)
    assert (await load_summary(account_id)).state == "needs_attention"


async def test_what_was_found_with_replaced_keys_is_not_noted(database: None) -> None:
    account_id = await connect_acme()
    context = await saved_context(account_id, Acme())
    outcome = await run_to_end(Acme.checks, context, provider="Acme")
    await replace(account_id, secret_key=NEW_KEY)
    await note_outcome(account_id, Acme(), context, outcome)
    assert await last_run(subject_of_account(account_id)) is None


async def test_a_run_that_outlives_its_connection_leaves_nothing_behind(database: None) -> None:
    account_id = await connect_acme()
    context = await saved_context(account_id, Acme())
    outcome: Outcome = await run_to_end(Acme.checks, context, provider="Acme")
    await disconnect(account_id, Acme(), actor=ANA)
    await note_outcome(account_id, Acme(), context, outcome)
    assert await last_run(subject_of_account(account_id)) is None


class Slow(Acme):
    """Making an endpoint takes a moment, and each one has a secret of its own."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def replace_endpoint(
        self,
        context: CheckContext,  # noqa: ARG002 - the contract's
    ) -> Repaired:
        """One more endpoint."""
        self.made.append(f"sign_of_endpoint_{len(self.made)}_0123456789")
        secret = Secret(self.made[-1])
        await asyncio.sleep(0.05)
        return Repaired("A second endpoint was made.", {"signing": secret})


async def test_two_rotations_at_once_make_one_endpoint(database: None) -> None:
    account_id, acme = await connect_acme(), Slow()
    both = [rotate_endpoint(account_id, acme, actor=ANA) for _ in range(2)]
    done = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) in (
        ["BeingChanged", "Repaired"],
        ["OverlapOpen", "Repaired"],
    )
    assert len(acme.made) == 1
    account = await load_account(account_id)
    assert account.credentials["signing"].reveal() == acme.made[0]
    assert account.previous["signing"].reveal() == SIGNING


class Silent(Acme):
    """A provider that takes the call and never answers."""

    async def replace_endpoint(
        self,
        context: CheckContext,  # noqa: ARG002 - the contract's
    ) -> Repaired:
        """For ever."""
        await asyncio.Event().wait()
        raise NotImplementedError

    async def retire_endpoint(
        self,
        context: CheckContext,  # noqa: ARG002 - the contract's
    ) -> None:
        """For ever."""
        await asyncio.Event().wait()


async def test_a_provider_that_never_answers_does_not_hold_a_rotation(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "PROVIDER_SECONDS", 0.05)
    account_id = await connect_acme()
    async with asyncio.timeout(5):
        with pytest.raises(ProviderUnavailable):
            await rotate_endpoint(account_id, Silent(), actor=ANA)
        await replace(account_id, signing=NEW_SIGNING)
        await end_the_day()
        async with connection() as held:
            await held.execute("UPDATE connected_account SET secret_used_at = now()")
        monkeypatch.setattr(overlaps, "plugin_by_id", lambda _: Silent())
        await end_all()
    async with connection() as held:
        assert await held.fetchval("SELECT sealed_previous::text FROM connected_account") == "{}"


async def test_an_event_that_the_replaced_secret_signed_never_speaks_for_the_present_one(
    database: None,
) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    async with connection() as held:
        await held.execute("UPDATE connected_account SET last_event_at = now(), previous_used_at = now()")
    await end_the_day()
    context = await saved_context(account_id, Acme(), thorough=False)
    assert context.facts["event_arrived_at"] is None


async def test_reasons_that_take_turns_do_not_fill_the_audit_log(database: None) -> None:
    account_id = await connect_acme()
    for reason in ("One right is missing.", "Another right is missing.") * 3:
        await mark_needs_attention(account_id, reason)
    async with connection() as held:
        entries = await held.fetchval(
            "SELECT count(*) FROM audit_entry WHERE action = 'account.needs_attention'"
        )
    assert entries == 1


async def test_a_provider_that_is_away_for_a_moment_is_no_trouble_of_the_connection(database: None) -> None:
    account_id = await connect_acme()
    for away in (ProviderUnavailable("Acme is away."), OutcomeUnknown("Acme did not answer.")):
        REFUSES["account"] = away
        await check_account(account_id)
        assert (await load_summary(account_id)).state == "ready"
    REFUSES.clear()
    ANSWERS["account"] = CheckResult(CheckStatus.FAILED, "Payouts are off.")
    await check_account(account_id)
    ANSWERS.clear()
    REFUSES["account"] = ProviderUnavailable("Acme is away.")
    await check_account(account_id)
    assert (await load_summary(account_id)).health_reason == "Account: Payouts are off."


async def test_a_feature_stays_off_while_nobody_can_tell_whether_it_is_allowed(database: None) -> None:
    account_id = await connect_acme()
    ANSWERS["account"] = CheckResult(
        CheckStatus.WARNING, "One is missing.", features_off={"rockets": "Locked."}
    )
    await check_account(account_id)
    ANSWERS.clear()
    for away in (ProviderUnavailable("Acme is away."), ProviderUnavailable("Acme is away for long.")):
        REFUSES["account"] = away
        await check_account(account_id)
        assert not (await load_account(account_id)).can("rockets")
    REFUSES.clear()
    await check_account(account_id)
    assert (await load_account(account_id)).can("rockets")


class SlowForm(Slow):
    """Each press makes an endpoint and deletes the one before; the first answer takes longest."""

    async def repair(
        self,
        name: str,  # noqa: ARG002 - the contract's
        context: CheckContext,  # noqa: ARG002 - the contract's
    ) -> Repaired:
        """One more endpoint."""
        self.made.append(f"sign_of_endpoint_{len(self.made)}_0123456789")
        secret = Secret(self.made[-1])
        await asyncio.sleep(0.2 / len(self.made) ** 3)
        return Repaired("The endpoint was made.", {"signing": secret})


async def test_a_repair_of_a_form_that_is_pressed_twice_keeps_the_secret_of_the_endpoint_that_is_there(
    database: None,
) -> None:
    acme = SlowForm()
    values = {**{name: Secret(value) for name, value in CREDENTIALS.items()}, "signing": Secret("")}
    attempt = Attempt(
        acme, Purpose.CONNECT, values, values, {}, await form_context(acme, values), None, person_id=1
    )
    both = [repair_for_form(attempt, "make_endpoint", typed=values, actor=ANA) for _ in range(2)]
    await asyncio.gather(*both, return_exceptions=True)
    kept = await with_what_was_kept("acme", attempt.made_for, values)
    assert kept["signing"].reveal() == acme.made[-1]


async def test_a_secret_whose_address_was_taken_meanwhile_is_not_lost_in_silence(database: None) -> None:
    values = {name: Secret(value) for name, value in CREDENTIALS.items()}
    context = await form_context(Acme(), values)
    attempt = Attempt(Acme(), Purpose.CONNECT, values, values, {}, context, None, person_id=1)
    await connect_acme()
    await pending_endpoint("acme")
    with pytest.raises(AddressTaken):
        await repair_for_form(attempt, "make_endpoint", typed=values, actor=ANA)


async def test_checks_that_began_before_the_key_was_refused_do_not_mend_it(database: None) -> None:
    account_id = await connect_acme()
    context = await saved_context(account_id, Acme())
    outcome = await run_to_end(Acme.checks, context, provider="Acme")
    await mark_broken(account_id, "Acme refused this key.", refused=context.credentials)
    await note_outcome(account_id, Acme(), context, outcome)
    assert (await load_summary(account_id)).state == "broken"
