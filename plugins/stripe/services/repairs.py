"""Mending at Stripe what the checks found. Each can be asked again: it looks first at what the last one did.

Nobody can read the secret of an endpoint that was made before. Where it may be known to nobody, a new
endpoint takes the place of the old one, and its secret goes back to be stored at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.endpoints import SILENT_EVENTS, RepairId, made_here, marks
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway import endpoints, methods
from plugins.stripe.gateway.client import API_VERSION, PermissionMissing
from plugins.stripe.gateway.endpoints import EVERYTHING, WebhookEndpoint
from plugins.stripe.services.surveys import Survey, best_of, survey
from portal.sdk import Account, CheckContext, ProviderError, Repaired, Secret, Settings

Credentials = dict[str, Secret]
LATER = "What it replaces delivers until the old secret is removed, so that no event is missed."


class EndpointExists(ProviderError):
    """Somebody made an endpoint at our address by hand, and its secret may be in use."""

    code = Code.ENDPOINT_EXISTS


class EndpointGone(ProviderError):
    """There is no endpoint that could be mended."""

    code = Code.ENDPOINT_GONE


async def create_endpoint(context: CheckContext) -> Repaired:
    """Make the endpoint. One of ours that is there already is replaced, as nobody may know its secret.

    Raises:
        EndpointExists: somebody made one by hand.
    """
    found = await _survey(context)
    if any(not made_here(endpoint.metadata, context.instance) for endpoint in found.at_address):
        raise EndpointExists(
            "Stripe has an endpoint with this address already.",
            hint="Paste its signing secret, or delete it in Stripe and choose Create it for me again.",
        )
    return await _renew(
        context,
        found,
        found.at_address,
        words="Made the webhook endpoint in Stripe and stored its signing secret.",
    )


async def fix_endpoint(context: CheckContext) -> Repaired:
    """Enable the endpoint, give it our address and every event; one of another version is replaced.

    Raises:
        EndpointGone: there is none.
    """
    found = await _survey(context)
    here = found.current or found.near
    if not here:
        raise EndpointGone("Stripe has no endpoint to mend.", hint="Choose Create it for me.")
    best = best_of(here)
    if best.api_version != API_VERSION:
        words = f"Replaced the webhook endpoint by one with API version {API_VERSION}, and stored its secret."
        return await _renew(context, found, (best,), words=words)
    await _open(context, best)
    return Repaired("The webhook endpoint is enabled, with the exact address and every event.")


async def remove_twins(context: CheckContext) -> Repaired:
    """Leave one endpoint at our address: a new one, as nobody can tell whose secret is the one we hold."""
    found = await _survey(context)
    old = found.current + found.retiring
    if len(old) < 2:
        return Repaired("There is only one endpoint with this address.")
    words = f"Replaced {len(old)} webhook endpoints by one and stored its signing secret."
    return await _renew(context, found, old, words=words)


async def remove_orphans(context: CheckContext) -> Repaired:
    """Delete the endpoints of earlier addresses that this installation made for this connection."""
    found = await _survey(context)
    await _delete(context, found.deletable)
    many = len(found.deletable)
    return Repaired(
        f"Deleted {many} webhook {'endpoint' if many == 1 else 'endpoints'} of earlier addresses."
    )


async def register_domain(context: CheckContext) -> Repaired:
    """Register the portal's domain for wallets.

    Raises:
        ProviderError: Stripe took it and keeps the wallets off, with Stripe's reason.
    """
    host = context.settings.public_host
    domain = await methods.register_domain(context.credentials["secret_key"], context.settings, host)
    if domain.troubles:
        reasons = " ".join(f"{wallet}: {reason}" for wallet, reason in domain.troubles.items())
        raise ProviderError(f"Stripe registered {host} and does not show wallets there yet. {reasons}")
    return Repaired(f"Registered {host} for Apple Pay and Google Pay.")


async def replace_endpoint(context: CheckContext) -> Repaired:
    """Make a second endpoint at our address that sends nothing yet, for the sake of its secret."""
    found = await _survey(context)
    secret = await _make_silent(context, found, (*found.current, *found.retiring))
    return Repaired("Made a second webhook endpoint in Stripe, with a new signing secret.", secret)


async def open_endpoint(context: CheckContext) -> None:
    """Let the endpoint that `replace_endpoint` made send every event.

    Raises:
        EndpointGone: there is none at our address.
    """
    found = await _survey(context)
    if not found.silent and not found.current:
        raise EndpointGone("The new webhook endpoint is gone.", hint="Rotate the signing secret again.")
    for endpoint in found.silent or found.current:
        if endpoint.missing(ENDPOINT_EVENTS) or not endpoint.enabled:
            await _open(context, endpoint)


async def retire_endpoint(context: CheckContext) -> None:
    """Delete the endpoints that an open one replaced. A key that may not see endpoints replaced none.

    A silent one is opened instead: that failed when its secret was stored. What it replaces stays, as nobody
    can tell here whether the secret that was stored is its own; the check of the endpoint tells of it.
    """
    try:
        found = await _survey(context)
    except PermissionMissing:
        return
    for endpoint in found.silent:
        await _open(context, endpoint)
    await _delete(context, found.retiring)


async def remove_endpoint(account: Account, endpoint_url: str, settings: Settings) -> int:
    """Delete every endpoint at exactly this address; returns how many there were."""
    key = account.credentials["secret_key"]
    here = [e for e in await endpoints.list_endpoints(key, settings) if e.url == endpoint_url]
    for endpoint in here:
        await endpoints.delete_endpoint(key, settings, endpoint.id)
    return len(here)


REPAIRS: dict[str, Callable[[CheckContext], Awaitable[Repaired]]] = {
    RepairId.CREATE_ENDPOINT: create_endpoint,
    RepairId.FIX_ENDPOINT: fix_endpoint,
    RepairId.REMOVE_TWINS: remove_twins,
    RepairId.REMOVE_ORPHANS: remove_orphans,
    RepairId.REGISTER_DOMAIN: register_domain,
}
"""What does what a check offered, by the offer's id."""


async def _survey(context: CheckContext) -> Survey:
    key, settings = context.credentials["secret_key"], context.settings
    return survey(await endpoints.list_endpoints(key, settings), context)


async def _renew(
    context: CheckContext, found: Survey, old: tuple[WebhookEndpoint, ...], *, words: str
) -> Repaired:
    """Make a new endpoint in the place of old ones, so that no event finds none; without room, after them.

    A saved connection goes on with what delivers now: were it deleted here, and the new secret then not
    stored, every event would be refused. The portal opens the new one, and retires the old ones later.
    """
    delivering = [e for e in old if e in found.current or e in found.retiring]
    if found.full:
        await _delete(context, old)
        return Repaired(words, await _make(context, events=ENDPOINT_EVENTS))
    if context.account_id is not None and delivering:
        return Repaired(f"{words} {LATER}", await _make_silent(context, found, delivering))
    credentials = await _make(context, events=ENDPOINT_EVENTS)
    await _delete(context, old)
    return Repaired(words, credentials)


async def _make_silent(context: CheckContext, found: Survey, old: Iterable[WebhookEndpoint]) -> Credentials:
    """An endpoint that sends nothing until the portal stored its secret."""
    # A silent one is left of an attempt whose secret was not stored: nothing depends on it.
    await _delete(context, found.silent)
    return await _make(context, events=SILENT_EVENTS, replaces=[endpoint.id for endpoint in old])


async def _make(
    context: CheckContext, *, events: tuple[str, ...], replaces: Iterable[str] = ()
) -> Credentials:
    made = await endpoints.create_endpoint(
        context.credentials["secret_key"],
        context.settings,
        url=context.endpoint_url,
        events=events,
        metadata=marks(context.instance, context.account_id, replaces=replaces),
    )
    if made.secret is None:
        raise ProviderError(
            "Stripe made the webhook endpoint and did not tell its signing secret.",
            hint="Open the endpoint in Stripe, choose Reveal under Signing secret, and paste it.",
        )
    return {"webhook_secret": made.secret}


async def _open(context: CheckContext, endpoint: WebhookEndpoint) -> None:
    """Enable it with our address and our events; what it sends besides, it goes on sending."""
    silent = endpoint.events == frozenset(SILENT_EVENTS)
    kept = frozenset() if silent else endpoint.events
    events = (EVERYTHING,) if EVERYTHING in kept else tuple(sorted(kept | frozenset(ENDPOINT_EVENTS)))
    await endpoints.mend_endpoint(
        context.credentials["secret_key"],
        context.settings,
        endpoint=endpoint.id,
        url=context.endpoint_url,
        events=events,
    )


async def _delete(context: CheckContext, old: Iterable[WebhookEndpoint]) -> None:
    for endpoint in old:
        await endpoints.delete_endpoint(context.credentials["secret_key"], context.settings, endpoint.id)
