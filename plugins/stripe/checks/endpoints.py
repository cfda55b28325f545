"""The webhook endpoint check: will Stripe's events reach this portal?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from plugins.stripe.checks.learning import endpoints_of, may
from plugins.stripe.checks.words import answers_in_words, counted, dashboard_url, is_live, listed
from plugins.stripe.domain.addresses import differences, is_public, shorten_address
from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.endpoints import RepairId
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION, PermissionMissing, api_base_for
from plugins.stripe.gateway.endpoints import EVERYTHING, MOST_ENDPOINTS, WebhookEndpoint
from plugins.stripe.rights import ENDPOINT_FEATURE
from plugins.stripe.services.surveys import Survey, best_of, survey
from portal.sdk import CheckContext, CheckResult, CheckStatus, Repair

SHOWN_EVENTS = 4
CREATE = Repair(RepairId.CREATE_ENDPOINT, "Create it for me")
FIX = Repair(RepairId.FIX_ENDPOINT, "Fix it for me")
REMOVE_TWINS = Repair(RepairId.REMOVE_TWINS, "Keep one, with a new secret")
REMOVE_ORPHANS = Repair(RepairId.REMOVE_ORPHANS, "Delete the orphans")


@dataclass(frozen=True, slots=True)
class _Problem:
    """One thing that is wrong with an endpoint that is there."""

    code: Code
    message: str
    fix: str
    repair: Repair | None = FIX
    status: CheckStatus = CheckStatus.WARNING


@answers_in_words
async def check_endpoint(context: CheckContext) -> CheckResult:
    """Exact address, enabled, our API version, every event type that we act on, once, and no leftovers."""
    if trouble := _unreachable(context):
        return trouble
    try:
        found = survey(await endpoints_of(context), context)
    except PermissionMissing:
        return _hidden(context)
    if found.current:
        result = _judge(context, found)
    else:
        result = _near_miss(context, found) if found.near else _absent(context, found)
    if result.repairs and not await may(context, ENDPOINT_FEATURE):
        return replace(result, repairs=())
    return result


def _unreachable(context: CheckContext) -> CheckResult | None:
    """Why no live event can arrive at the address, whatever Stripe has been told."""
    if not is_live(context) or _beside_sandbox(context):
        return None
    parts = urlsplit(context.endpoint_url)
    if parts.scheme != "https":
        code, message = Code.ENDPOINT_NOT_HTTPS, "Stripe sends live events to https addresses only."
    elif not is_public(parts.hostname or ""):
        code = Code.ENDPOINT_NOT_PUBLIC
        message = f"Stripe cannot reach {parts.hostname} from the internet."
    else:
        return None
    return CheckResult(
        CheckStatus.FAILED,
        message,
        fix="Payments would not show as paid. Run the portal behind a public https address, and set "
        "PORTAL_BASE_URL to it.",
        tag="Unreachable",
        code=code,
        shown=_shown("unreachable"),
    )


def _beside_sandbox(context: CheckContext) -> bool:
    """The sandbox runs on this machine, so it reaches what the internet does not."""
    return api_base_for(context.credentials["secret_key"], context.settings) is not None


def _reachable(context: CheckContext) -> bool:
    return _beside_sandbox(context) or is_public(urlsplit(context.endpoint_url).hostname or "")


def _hidden(context: CheckContext) -> CheckResult:
    return CheckResult(
        CheckStatus.UNPROVED,
        "The key may not read webhook endpoints, so this cannot be checked.",
        fix="Look in Stripe whether the address above is there, enabled, with all events.",
        fix_url=dashboard_url(context, "webhooks"),
        fix_label="Webhooks in Stripe",
        code=Code.ENDPOINT_HIDDEN,
        shown=_shown("unknown"),
    )


def _absent(context: CheckContext, found: Survey) -> CheckResult:
    if found.full:
        return _no_room(context, found)
    fix = (
        "Without it, payments would not show as paid. Add the endpoint address above in Stripe with "
        f"{counted(len(ENDPOINT_EVENTS), 'event')} and API version {API_VERSION}."
    )
    if not _is_public(context):
        fix += f" On your own machine, let Stripe's command line carry the events: {_listen(context)}"
    return CheckResult(
        _status_without(context),
        f"Stripe has no endpoint with exactly this address.{_leftovers(found)}",
        fix=fix,
        fix_url=dashboard_url(context, "webhooks/create"),
        fix_label="Add an endpoint in Stripe",
        tag="Not found",
        code=Code.ENDPOINT_NOT_FOUND,
        repairs=_with_orphans((CREATE,) if _reachable(context) else (), found),
        shown=_shown("not found"),
    )


def _no_room(context: CheckContext, found: Survey) -> CheckResult:
    idle = [e for e in found.others if not e.enabled]
    steps = [f"Delete {shorten_address(e.url)}: an earlier address of this portal." for e in found.orphans]
    steps += [f"Delete {shorten_address(e.url)} if nothing needs it: it is disabled." for e in idle]
    return CheckResult(
        _status_without(context),
        f"Stripe allows {MOST_ENDPOINTS} endpoints, all are taken, and none has exactly this address.",
        fix="Without one, payments would not show as paid. Delete an endpoint that is of no use any more, "
        "then check again.",
        steps=tuple(steps),
        fix_url=dashboard_url(context, "webhooks"),
        fix_label="Webhooks in Stripe",
        tag="No room",
        code=Code.ENDPOINT_LIMIT,
        repairs=_with_orphans((), found),
        shown=_shown("not found"),
    )


def _near_miss(context: CheckContext, found: Survey) -> CheckResult:
    nearest = min(found.near, key=lambda e: (not e.enabled, len(differences(e.url, context.endpoint_url))))
    which = listed(differences(nearest.url, context.endpoint_url))
    return CheckResult(
        _status_without(context),
        f"Stripe has {nearest.url}, which {which}.{_leftovers(found)}",
        fix="Its deliveries would not arrive, so payments would not show as paid. Change its address to "
        "exactly the one above.",
        fix_url=dashboard_url(context, f"webhooks/{nearest.id}"),
        fix_label="This endpoint in Stripe",
        tag="Other address",
        code=Code.ENDPOINT_NEAR_MISS,
        repairs=_with_orphans((FIX,) if _reachable(context) else (), found),
        shown=_shown("other address", nearest),
    )


def _judge(context: CheckContext, found: Survey) -> CheckResult:
    best = best_of(found.current)
    problems = _problems(context, found, best)
    good = f"Found, enabled, API version matches, and subscribed to {_all_events(best)}."
    if (found.silent or found.retiring) and not found.outlived:
        good += " A second one stands beside it while the signing secret is changed."
    if not problems:
        return CheckResult(CheckStatus.PASSED, good, shown=_shown("found", best))
    worst = min(problems, key=lambda problem: problem.status is not CheckStatus.FAILED)
    only_leftovers = worst.code is Code.ENDPOINT_ORPHANS
    repairs = dict.fromkeys(problem.repair for problem in problems if problem.repair)
    return CheckResult(
        worst.status,
        f"{good} {worst.message}" if only_leftovers else worst.message,
        fix=worst.fix,
        steps=tuple(problem.fix for problem in problems) if len(problems) > 1 else (),
        fix_url=dashboard_url(context, "webhooks" if only_leftovers else f"webhooks/{best.id}"),
        fix_label="Webhooks in Stripe" if only_leftovers else "This endpoint in Stripe",
        tag=counted(len(problems), "problem") if len(problems) > 1 else "",
        code=worst.code,
        repairs=tuple(repairs),
        shown=_shown("found", best),
    )


def _problems(context: CheckContext, found: Survey, best: WebhookEndpoint) -> list[_Problem]:
    many = len(found.current)
    checks = (
        None if best.enabled else _disabled(),
        None if _reachable(context) else _not_public(context),
        _missing_events(best),
        None if best.api_version == API_VERSION else _other_version(best),
        _twins(many) if many > 1 else None,
        _outlived() if found.outlived else None,
        _orphans(found) if found.orphans else None,
    )
    return [problem for problem in checks if problem is not None]


def _disabled() -> _Problem:
    message, fix = "Found, but it is disabled.", "Enable it in Stripe."
    return _Problem(Code.ENDPOINT_DISABLED, message, fix, status=CheckStatus.FAILED)


def _not_public(context: CheckContext) -> _Problem:
    host = urlsplit(context.endpoint_url).hostname
    return _Problem(
        Code.ENDPOINT_NOT_PUBLIC,
        f"Found, but Stripe cannot reach {host} from the internet.",
        f"Let Stripe's command line carry the events: {_listen(context)}",
        repair=None,
    )


def _missing_events(best: WebhookEndpoint) -> _Problem | None:
    missing = best.missing(ENDPOINT_EVENTS)
    if not missing:
        return None
    named = [*missing[:SHOWN_EVENTS]]
    if len(missing) > SHOWN_EVENTS:
        named.append(f"{len(missing) - SHOWN_EVENTS} more")
    return _Problem(
        Code.ENDPOINT_EVENTS,
        f"Found and enabled, but it does not send {counted(len(missing), 'event type')} we act on.",
        f"Add {listed(named)} to the endpoint.",
    )


def _other_version(best: WebhookEndpoint) -> _Problem:
    has = best.api_version or "the account's default version"
    return _Problem(
        Code.ENDPOINT_VERSION,
        f"Found and enabled, but it sends {has}.",
        f"Its version cannot be changed: create an endpoint with {API_VERSION}, then delete this one.",
    )


def _twins(many: int) -> _Problem:
    return _Problem(
        Code.ENDPOINT_TWINS,
        f"Found {many} times, so every event arrives {many} times.",
        "Delete the others, and paste the secret of the one that stays.",
        REMOVE_TWINS,
    )


def _outlived() -> _Problem:
    return _Problem(
        Code.ENDPOINT_TWINS,
        "An endpoint that was replaced is still there beside the new one, and what one sends is refused.",
        "Stripe writes mails about it. Delete the one whose deliveries fail in Stripe.",
        REMOVE_TWINS,
    )


def _orphans(found: Survey) -> _Problem:
    many = len(found.orphans)
    named = listed([shorten_address(e.url) for e in found.orphans])
    address = "an earlier address" if many == 1 else f"{many} earlier addresses"
    return _Problem(
        Code.ENDPOINT_ORPHANS,
        f"Stripe also sends to {address} of this portal: {named}.",
        "Deliveries there are refused, and Stripe writes mails about it. "
        f"Delete {'it' if many == 1 else 'them'}, unless another connection needs it.",
        REMOVE_ORPHANS if found.deletable else None,
    )


def _leftovers(found: Survey) -> str:
    return f" {_orphans(found).message}" if found.orphans else ""


def _with_orphans(repairs: tuple[Repair, ...], found: Survey) -> tuple[Repair, ...]:
    return (*repairs, REMOVE_ORPHANS) if found.deletable else repairs


def _status_without(context: CheckContext) -> CheckStatus:
    # On a person's own machine the command line forwards events without any endpoint.
    return CheckStatus.FAILED if _is_public(context) else CheckStatus.WARNING


def _is_public(context: CheckContext) -> bool:
    return is_public(urlsplit(context.endpoint_url).hostname or "")


def _listen(context: CheckContext) -> str:
    return f"stripe listen --forward-to '{context.endpoint_url}'"


def _all_events(endpoint: WebhookEndpoint) -> str:
    return "all events" if EVERYTHING in endpoint.events else f"all {len(ENDPOINT_EVENTS)} events"


def _shown(state: str, endpoint: WebhookEndpoint | None = None) -> dict[str, str]:
    if endpoint is None:
        return {"Endpoint": state, "Events": "none", "API version": "none", "Status": "none"}
    there = len(ENDPOINT_EVENTS) - len(endpoint.missing(ENDPOINT_EVENTS))
    return {
        "Endpoint": state,
        "Events": f"{there} of {len(ENDPOINT_EVENTS)}",
        "API version": endpoint.api_version or "the account's default",
        "Status": "enabled" if endpoint.enabled else "disabled",
    }
