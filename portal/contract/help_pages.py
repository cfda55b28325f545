"""Which help page a code leads to: the pages of the plugins and the portal's own, as one table."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from portal.contract.descriptions import HelpPage
from portal.contract.loading import installed_plugins
from portal.contract.plugin import LoadedPlugin
from portal.errors import NotFound

PORTAL = "portal"
"""Stands where a plugin's id would: pages about the portal itself."""

PORTAL_PAGES = (
    HelpPage(
        "provider-does-not-answer",
        "A provider does not answer",
        "A check or a payment waits for Stripe or another provider, and nothing comes back.",
        "help/portal/provider_does_not_answer.html",
        (
            "PROVIDER_TIMEOUT",
            "PROVIDER_UNAVAILABLE",
            "CALL_BUDGET_SPENT",
            "PROVIDER_OUTCOME_UNKNOWN",
            "PROVIDER_REFUSED",
        ),
    ),
    HelpPage(
        "connection-cannot-be-used",
        "A connection cannot be made or used",
        "The account is connected already, was disconnected, or its key is not taken any more.",
        "help/portal/connection_cannot_be_used.html",
        (
            "ACCOUNT_AUTH_FAILED",
            "ACCOUNT_NOT_READY",
            "ALREADY_CONNECTED",
            "ACCOUNT_DISCONNECTED",
            "WRONG_ACCOUNT",
            "OVERLAP_OPEN",
            "BEING_CHANGED",
            "ADDRESS_TAKEN",
            "TOO_MANY_CHECKS",
        ),
    ),
    HelpPage(
        "event-failed",
        "A webhook event failed",
        "The event log has failed events, or a red count stands beside it.",
        "help/portal/event_failed.html",
        ("WORKER_DIED", "OBJECT_BUSY", "READING_OVERTAKEN", "CANNOT_REPLAY"),
    ),
    HelpPage(
        "both-sides-differ",
        "Both sides say something different",
        "An invoice or a customer shows a conflict, with the portal's value and the provider's.",
        "help/portal/both_sides_differ.html",
        ("SIDES_DIFFER", "DIFFERENCE_CHANGED"),
    ),
    HelpPage(
        "event-without-effect",
        "An event had no effect",
        "The event log shows a webhook event as rejected, or the provider sees it refused.",
        "help/portal/event_without_effect.html",
        ("EVENT_QUARANTINED", "EVENT_REFUSED"),
    ),
    HelpPage(
        "saved-keys-cannot-be-opened",
        "The saved keys cannot be opened",
        "The portal does not start, or every connection fails, because the key file does not fit.",
        "help/portal/saved_keys_cannot_be_opened.html",
        ("SEAL_BROKEN", "KEYRING_MISFIT", "KEYRING_UNUSABLE"),
    ),
    HelpPage(
        "mail-and-documents",
        "An email or a PDF did not come about",
        "An invoice says that its email failed or waits, or a PDF is not there yet.",
        "help/portal/mail_and_documents.html",
        ("MAIL_NOT_SET_UP", "MAIL_REFUSED", "NO_ADDRESS", "MAIL_DELAYED", "DOCUMENTS_BUSY"),
    ),
    HelpPage(
        "something-broke",
        "Something broke in the portal",
        "A check says that it broke, or a page shows a reference instead of what you asked for.",
        "help/portal/something_broke.html",
        ("CHECK_BROKEN", "UNEXPECTED"),
    ),
)


@dataclass(frozen=True, slots=True)
class HelpShelf:
    """The help pages of one plugin, or of the portal itself."""

    id: str
    title: str
    pages: tuple[HelpPage, ...]

    def href(self, slug: str) -> str:
        """The address of one of its pages, for links from one page to another.

        Raises:
            NotFound: it has no such page.
        """
        return f"/help/{self.id}/{self.page(slug).slug}"

    def page(self, slug: str) -> HelpPage:
        """The page with this slug.

        Raises:
            NotFound: it has no such page.
        """
        for page in self.pages:
            if page.slug == slug:
                return page
        raise NotFound(f"There is no help page {slug}.", hint="The list of all pages is under Help.")


def help_shelves() -> tuple[HelpShelf, ...]:
    """Every shelf that has pages: the plugins' in their order, then the portal's."""
    return _shelves(installed_plugins())


def help_href(code: str) -> str:
    """The address of the section about a check's or an error's code; empty when no page has it."""
    return _addresses(installed_plugins()).get(code, "")


@functools.lru_cache(maxsize=4)
def _shelves(plugins: tuple[LoadedPlugin, ...]) -> tuple[HelpShelf, ...]:
    loaded = [entry.plugin for entry in plugins if entry.plugin]
    shelves = [HelpShelf(p.manifest.id, p.manifest.title, p.help_pages) for p in loaded if p.help_pages]
    return (*shelves, HelpShelf(PORTAL, "The portal", PORTAL_PAGES))


@functools.lru_cache(maxsize=4)
def _addresses(plugins: tuple[LoadedPlugin, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for shelf in _shelves(plugins):
        for page in shelf.pages:
            for code in page.codes:
                # The first one wins, so that no plugin takes over a code of one that came before it.
                found.setdefault(code, f"{shelf.href(page.slug)}#{code}")
    return found
