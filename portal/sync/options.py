"""What a person may choose about a difference, with the result spelled out."""

from __future__ import annotations

from dataclasses import dataclass

from portal.contract.loading import plugin_by_id
from portal.sync.differences import Choice, StoredDifference, differences_of

PROFILE = frozenset({"name", "email"})
DETAILS = frozenset({"due date", "memo"})
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Option:
    """A button and what pressing it will do."""

    choice: Choice
    label: str
    result: str


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """A difference with what may be chosen about it."""

    found: StoredDifference
    provider: str
    options: tuple[Option, ...]


def shown(found: StoredDifference) -> ShownDifference:
    """The difference with its choices; one that ended has none."""
    provider = provider_of(found)
    return ShownDifference(found, provider, options_of(found, provider) if found.state == "open" else ())


async def shown_of(subject_kind: str, subject_id: int) -> tuple[ShownDifference, ...]:
    """The open differences of one of our rows, for its page."""
    return tuple(shown(found) for found in await differences_of(subject_kind, subject_id))


def provider_of(found: StoredDifference) -> str:
    """The provider as people call it."""
    plugin = plugin_by_id(found.plugin)
    return plugin.manifest.title if plugin else found.plugin


def options_of(found: StoredDifference, provider: str) -> tuple[Option, ...]:
    """The choices that can be carried out, the portal's side first."""
    if found.kind == "drift":
        return _of_drift(found, provider)
    match found.subject_kind, found.field:
        case "customer", field if field in PROFILE:
            return _both(
                provider,
                f"{provider} gets “{found.ours or NOTHING}”.",
                f"The customer here gets “{found.theirs or NOTHING}”.",
            )
        case "invoice", field if field in DETAILS:
            return _both(
                provider,
                f"It counts here. {provider}'s copy keeps its own: final invoices do not change there.",
                f"The invoice here gets “{found.theirs or NOTHING}”.",
            )
        case "invoice", "total":
            return _of_total(found, provider)
    return _of_rule(found, provider)


def _both(provider: str, ours: str, theirs: str) -> tuple[Option, ...]:
    return (
        Option("ours", "Keep the portal's", f"{ours} The other value stays in the audit log."),
        Option("theirs", f"Take {provider}'s", f"{theirs} The other value stays in the audit log."),
    )


def _of_total(found: StoredDifference, provider: str) -> tuple[Option, ...]:
    void = Option(
        "ours",
        "Void both",
        f"The invoice and {provider}'s copy are voided. Make it again with the right lines.",
    )
    if found.ours.partition(" ")[0] != found.theirs.partition(" ")[0]:
        return (void,)  # an invoice does not change its currency
    adjust = Option(
        "theirs",
        f"Take {provider}'s",
        f"A line is added to the invoice, so that it comes to {found.theirs}. Its pay link stays.",
    )
    return void, adjust


def _of_rule(found: StoredDifference, provider: str) -> tuple[Option, ...]:
    """Only one outcome is possible: a person takes note of it."""
    if found.trusted == "theirs":
        return (Option("theirs", f"Take {provider}'s", found.rule),)
    return (Option("ours", "Keep the portal's", found.rule),)


def _of_drift(found: StoredDifference, provider: str) -> tuple[Option, ...]:
    keep = Option("ours", "Keep the portal's", "Nothing changes on either side. It may be found again.")
    take = Option("theirs", f"Take {provider}'s", f"It is read from {provider} again and written here.")
    return (take,) if found.trusted == "theirs" else (keep, take)
