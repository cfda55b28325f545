"""What the check of the signing secret found, in words: what it is, what it breaks, and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from plugins.stripe.checks.words import dashboard_url, is_live
from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.endpoints import PREVIOUS_ONE
from plugins.stripe.domain.signatures import Diagnosis, Finding, how_long
from portal.sdk import Answerer, CheckContext, CheckResult, CheckStatus, Reached

PREVIOUS = PREVIOUS_ONE
CURRENT = "the current secret"
OTHER_MODE = "the other mode's secret"
LOST = "With this secret deliveries are refused, so payments would not show as paid."
CHECK_AGAIN = "Choose Check again."


@dataclass(frozen=True, slots=True)
class Silence:
    """What is known when no test event arrived."""

    reached: Reached | None
    """What answers at our own address; None: it could not be asked."""
    endpoint_trouble: str
    """Why Stripe does not deliver, as a sentence; empty: it should, or it cannot be told."""
    told: Mapping[str, Any] | None
    """The event as Stripe has it; None: it has none, or the key may not read events."""


def malformed(context: CheckContext, message: str) -> CheckResult:
    """The value cannot be a signing secret."""
    return _copy_again(
        context,
        message,
        Code.SIGNING_SECRET_FORMAT,
        fix="Without the secret no delivery can be proved.",
    )


def not_allowed(context: CheckContext) -> CheckResult:
    """The key may not make the test event."""
    return CheckResult(
        CheckStatus.UNPROVED,
        "Well formed. The key may not make a customer in Stripe, so no test event can prove it.",
        fix="Allow Customers: Write for this key and check again, or carry on: the first event proves it.",
        fix_url=dashboard_url(context, "apikeys"),
        fix_label="Edit this key in Stripe",
        tag="Unproved",
        code=Code.SIGNING_UNPROVED,
    )


def describe(context: CheckContext, found: Diagnosis) -> CheckResult:
    """A delivery arrived, and the secret does not prove it."""
    match found.finding:
        case Finding.KEY_PASTED:
            return _copy_again(
                context,
                "An API key was pasted in the place of the signing secret.",
                Code.SIGNING_SECRET_IS_KEY,
                fix="The signing secret starts with whsec_ and belongs to the endpoint.",
            )
        case Finding.OTHER_SECRET:
            return _of_other_secret(context, found.label)
        case Finding.CLOCK:
            return _of_clock(found.seconds)
        case Finding.UNSIGNED:
            return _of_missing_signature(context)
        case Finding.UNKNOWN_SECRET:
            return _of_unknown_secret(context)
    return _of_changed_body(context, found)


def nothing_arrived(context: CheckContext, silence: Silence) -> CheckResult:
    """No delivery with the marker came in time."""
    reached = silence.reached
    if reached and reached.by in (Answerer.SOMETHING_ELSE, Answerer.REDIRECT):
        return _of_interception(context, reached)
    if silence.endpoint_trouble:
        return _unproved(
            context,
            f"No test event arrived. {silence.endpoint_trouble}",
            "Mend the webhook endpoint first, then check again.",
        )
    if reached and not reached.ours and not reached.private:
        return _of_unreachable(reached)
    host, at_stripe = _host(context), _at_stripe(silence)
    if reached and reached.private:
        return _unproved(
            context,
            f"No test event arrived. {host} cannot be reached from the internet.{at_stripe}",
            "Start a tunnel or forward events with Stripe's command line, then check again.",
        )
    return _unproved(
        context,
        f"No test event arrived in time{_though(reached, host)}.{at_stripe}",
        "Check again in a minute. If it stays so, see whether a firewall lets Stripe's addresses in.",
    )


def _of_other_secret(context: CheckContext, label: str) -> CheckResult:
    code, why = _about(context, label)
    return _copy_again(
        context, f"The test event is signed with {label}, not with this one.", code, fix=f"{why} {LOST}"
    )


def _about(context: CheckContext, label: str) -> tuple[Code, str]:
    """Which mix-up it is, and how it comes about."""
    if label == PREVIOUS:
        return Code.SIGNING_SECRET_PREVIOUS, "It was replaced here, and Stripe still signs with it."
    if label == CURRENT:
        return Code.SIGNING_SECRET_CURRENT, "Stripe does not sign with the new one yet: roll it there first."
    if label == OTHER_MODE or label.endswith(f"in {'test' if is_live(context) else 'live'} mode"):
        why = "Test and live mode have endpoints of their own, each with its own secret."
        return Code.SIGNING_SECRET_OTHER_MODE, why
    return Code.SIGNING_SECRET_UNKNOWN, "Each endpoint has a secret of its own."


def _of_unknown_secret(context: CheckContext) -> CheckResult:
    return _copy_again(
        context,
        "The test event is signed with a secret that is not known here.",
        Code.SIGNING_SECRET_UNKNOWN,
        fix=f"This secret belongs to another endpoint, or it was rolled in Stripe. {LOST}",
    )


def _of_clock(seconds: int) -> CheckResult:
    direction = "ahead" if seconds > 0 else "behind"
    return _failed(
        f"This machine's clock is {how_long(seconds)} {direction}. The secret itself is right.",
        Code.SIGNING_CLOCK,
        fix=f"A delivery may be 5 minutes old at most, so that nobody can replay an old one. {LOST}",
        steps=(
            "Compare the time of this machine with a clock: `date -u` prints it.",
            "Let the system set it from the network (NTP), also after a restart.",
            CHECK_AGAIN,
        ),
    )


def _of_changed_body(context: CheckContext, found: Diagnosis) -> CheckResult:
    signer = f" It is signed with {found.label}, too." if found.label else ""
    rewritten = found.finding is Finding.BODY_REFORMATTED
    what = "rewritten" if rewritten else "changed"
    return _failed(
        f"The body of the test event was {what} on the way here. {found.change}{signer}".strip(),
        Code.SIGNING_BODY_CHANGED,
        fix=f"Something on the way changes it, and one changed byte breaks the proof. {LOST}",
        steps=(
            f"Find what stands before {_host(context)}: a proxy, a firewall, a tunnel.",
            "Let it pass requests to /webhooks/ on byte by byte.",
            CHECK_AGAIN,
        ),
    )


def _of_missing_signature(context: CheckContext) -> CheckResult:
    return _failed(
        "The test event arrived without a readable signature.",
        Code.SIGNING_UNSIGNED,
        fix=f"Something between Stripe and the portal removes or changes the header. {LOST}",
        steps=(
            f"Find what stands before {_host(context)}: a proxy, a firewall, a tunnel.",
            "Let it pass on the header Stripe-Signature as it is.",
            CHECK_AGAIN,
        ),
    )


def _of_interception(context: CheckContext, reached: Reached) -> CheckResult:
    return _failed(
        f"No test event arrived. {reached.words}",
        Code.DELIVERY_INTERCEPTED,
        fix="Stripe's deliveries end there and never reach the portal, so payments would not show as paid.",
        steps=(
            f"Find what answers at {_host(context)} in the portal's place: a proxy, another site.",
            "Let it pass every POST below /webhooks/ on to the portal, without sign-in or redirect.",
            CHECK_AGAIN,
        ),
    )


def _of_unreachable(reached: Reached) -> CheckResult:
    return _failed(
        f"No test event arrived. {reached.words}",
        Code.DELIVERY_NONE,
        fix="Stripe cannot deliver either, so payments would not show as paid.",
        steps=(
            "See that PORTAL_BASE_URL is the address that the internet knows this portal by.",
            "Open that address from another network.",
            CHECK_AGAIN,
        ),
    )


def _unproved(context: CheckContext, message: str, fix: str) -> CheckResult:
    return CheckResult(
        CheckStatus.UNPROVED,
        f"Well formed. {message}",
        fix=f"{fix} Or carry on: the first event proves it.",
        fix_url=dashboard_url(context, "webhooks"),
        fix_label="Webhooks in Stripe",
        tag="Unproved",
        code=Code.DELIVERY_NONE,
    )


def _failed(message: str, code: Code, *, fix: str, steps: tuple[str, ...]) -> CheckResult:
    return CheckResult(CheckStatus.FAILED, message, fix=fix, steps=steps, code=code)


def _copy_again(context: CheckContext, message: str, code: Code, *, fix: str) -> CheckResult:
    """The way to mend it is the right secret, from Stripe's own page."""
    mode = "live" if is_live(context) else "test"
    steps = (
        f"Open Webhooks in Stripe, in {mode} mode, and choose the endpoint with the address above.",
        "Choose Reveal under Signing secret, and copy all of it. It starts with whsec_.",
        "Paste it here and choose Validate.",
    )
    link = dashboard_url(context, "webhooks")
    return replace(_failed(message, code, fix=fix, steps=steps), fix_url=link, fix_label="Webhooks in Stripe")


def _at_stripe(silence: Silence) -> str:
    """What Stripe itself says of the event."""
    if silence.told is None:
        return ""
    if silence.told.get("pending_webhooks"):
        return " Stripe made the event and still tries to deliver it."
    return " Stripe made the event and has nothing left to deliver."


def _though(reached: Reached | None, host: str) -> str:
    return f", though {host} leads to this portal" if reached else ""


def _host(context: CheckContext) -> str:
    return urlsplit(context.endpoint_url).hostname or "this address"
