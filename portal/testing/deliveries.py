"""What a plugin must refuse at the door, and that it lets the genuine in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from portal.contract.errors import EventRefused
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.contract.work import ReceivedEvent
from portal.testing.networks import without_network
from portal.testing.samples import BODIES, HEADER_VALUES

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
TOO_FAR = timedelta(minutes=10)
Sign = Callable[[bytes, Secret, datetime], Mapping[str, str]]
"""(body, secret, time) -> the headers that the provider would send, with lower-case names."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A genuine event of the provider's: its raw body, and how the provider signs."""

    body: bytes
    sign: Sign


def check_deliveries(plugin: Plugin, delivery: Delivery) -> None:
    """Assert that a signed event is taken, and refused as soon as anything about it is wrong.

    Raises:
        AssertionError: it is not; the message says which.
    """
    secret, other = Secret("whsec_one_secret_of_this_connection"), Secret("whsec_another_secret_of_somebody")
    body, headers = delivery.body, delivery.sign(delivery.body, secret, NOW)
    event = _taken(plugin, body, headers, (secret,), what="A genuine event")
    assert event.external_id, "The event has no id, so it cannot be told from others."
    assert event.type, "The event has no type."
    assert event.group_id, "The event has no group, so it cannot be read together with others of its object."
    _taken(plugin, body, headers, (other, secret), what="An event signed with the second of two secrets")
    for wrong, why in (
        ((body, headers, (other,)), "signed with a secret of somebody else"),
        ((body, headers, ()), "for a connection without a secret"),
        ((body + b" ", headers, (secret,)), "whose body was changed"),
        ((body, {}, (secret,)), "without headers"),
        ((body, delivery.sign(body, Secret(""), NOW), (Secret(""),)), "signed with an empty secret"),
        ((body, delivery.sign(body, secret, NOW - TOO_FAR), (secret,)), "signed ten minutes ago"),
        ((body, delivery.sign(body, secret, NOW + TOO_FAR), (secret,)), "signed ten minutes ahead of time"),
    ):
        _refused(plugin, *wrong, why=why)
    for odd in BODIES:
        _refused(plugin, odd, delivery.sign(odd, secret, NOW), (secret,), why=f"with the body {odd[:20]!r}")


def check_refusals(plugin: Plugin) -> None:
    """Assert that unsigned and damaged deliveries are refused with `EventRefused` and nothing else."""
    names = ("stripe-signature", "x-signature", "signature", "webhook-signature", "authorization")
    for body in BODIES:
        _refused(plugin, body, {}, (Secret("x" * 32),), why="without a signature")
    for value in HEADER_VALUES:
        headers = dict.fromkeys(names, value)
        _refused(plugin, b"{}", headers, (Secret("x" * 32),), why=f"with the signature {value[:20]!r}")


def _received(
    plugin: Plugin, body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret]
) -> ReceivedEvent:
    with without_network("receive_event"):
        return plugin.receive_event(body, headers, secrets, NOW)


def _taken(
    plugin: Plugin, body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret], *, what: str
) -> ReceivedEvent:
    try:
        return _received(plugin, body, headers, secrets)
    except EventRefused as refused:
        raise AssertionError(f"{what} is refused: {refused.message}") from refused


def _refused(
    plugin: Plugin, body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret], *, why: str
) -> None:
    try:
        _received(plugin, body, headers, secrets)
    except EventRefused:
        return
    # Whatever else it raises would reach the provider as a failure of ours, and be delivered for days.
    except Exception as error:
        raise AssertionError(f"A delivery {why} raises {type(error).__name__}.") from error
    raise AssertionError(f"A delivery {why} is taken.")
