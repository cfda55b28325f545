"""The webhook endpoint check: will Stripe's events reach this portal?"""

from __future__ import annotations

from urllib.parse import urlsplit

from plugins.stripe.checks.words import counted, dashboard_url, listed, skipped_when_refused
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway import accounts
from plugins.stripe.gateway.client import API_VERSION, PermissionMissing
from portal.sdk import LOOPBACK, CheckContext, CheckResult, CheckStatus

SHOWN_EVENTS = 4


@skipped_when_refused
async def check_endpoint(context: CheckContext) -> CheckResult:
    """Exact address, enabled, our API version, every event type that we act on."""
    try:
        endpoints = await accounts.list_endpoints(context.credentials["secret_key"], context.settings)
    except PermissionMissing:
        return CheckResult(
            CheckStatus.UNPROVED,
            "The key may not read webhook endpoints, so this cannot be checked.",
            fix="Look in Stripe whether the address above is there, enabled, with all events.",
            fix_url=dashboard_url(context, "webhooks"),
            fix_label="Webhooks in Stripe",
        )
    ours = [endpoint for endpoint in endpoints if endpoint.url == context.endpoint_url]
    if not ours:
        return _absent(context, endpoints)
    best = max(ours, key=lambda endpoint: endpoint.enabled)
    return _judge(context, best, twins=len(ours) - 1)


def _absent(context: CheckContext, endpoints: list[accounts.WebhookEndpoint]) -> CheckResult:
    similar = next((e.url for e in endpoints if _same_path(e.url, context.endpoint_url)), None)
    local = urlsplit(context.endpoint_url).hostname in LOOPBACK
    message = "Stripe has no endpoint with exactly this address."
    if similar:
        message = f"Stripe has {similar}, which is not exactly this address."
    return CheckResult(
        # On a person's own machine the command line forwards events without any endpoint.
        CheckStatus.WARNING if local else CheckStatus.FAILED,
        message,
        fix="Without it, payments would not show as paid. Add the endpoint address above in Stripe with "
        f"{counted(len(ENDPOINT_EVENTS), 'event')} and API version {API_VERSION}.",
        fix_url=dashboard_url(context, "webhooks/create"),
        fix_label="Add an endpoint in Stripe",
        tag="Not found",
        code="STRIPE_ENDPOINT_NOT_FOUND",
    )


def _judge(context: CheckContext, endpoint: accounts.WebhookEndpoint, *, twins: int) -> CheckResult:
    if not endpoint.enabled:
        return _problem(
            context, endpoint, "Found, but it is disabled.", "Enable it in Stripe.", status=CheckStatus.FAILED
        )
    if missing := endpoint.missing(ENDPOINT_EVENTS):
        named = listed(missing[:SHOWN_EVENTS])
        more = f" and {len(missing) - SHOWN_EVENTS} more" if len(missing) > SHOWN_EVENTS else ""
        return _problem(
            context,
            endpoint,
            f"Found and enabled, but it does not send {counted(len(missing), 'event type')} we act on.",
            f"Add {named}{more} to the endpoint.",
        )
    if endpoint.api_version != API_VERSION:
        has = endpoint.api_version or "the account's default version"
        return _problem(
            context,
            endpoint,
            f"Found and enabled, but it sends {has}.",
            f"Its version cannot be changed: create an endpoint with {API_VERSION}, then delete this one.",
        )
    if twins:
        return _problem(
            context,
            endpoint,
            f"Found {twins + 1} times, so every event arrives {twins + 1} times.",
            "Delete the others, and paste the secret of the one that stays.",
        )
    events = "all events" if accounts.EVERYTHING in endpoint.events else f"all {len(ENDPOINT_EVENTS)} events"
    return CheckResult(
        CheckStatus.PASSED, f"Found, enabled, API version matches, and subscribed to {events}."
    )


def _problem(
    context: CheckContext,
    endpoint: accounts.WebhookEndpoint,
    message: str,
    fix: str,
    *,
    status: CheckStatus = CheckStatus.WARNING,
) -> CheckResult:
    return CheckResult(
        status,
        message,
        fix=fix,
        fix_url=dashboard_url(context, f"webhooks/{endpoint.id}"),
        fix_label="This endpoint in Stripe",
        code="STRIPE_ENDPOINT_NEEDS_ATTENTION",
    )


def _same_path(url: str, wanted: str) -> bool:
    return urlsplit(url).path.rstrip("/") == urlsplit(wanted).path
