"""What people do on the form that connects Stripe, and on the page of a connection."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, Response, expect

from e2e.portals import RunningPortal
from e2e.tables import forget_runs

STRIPE = "/settings/connected-accounts/stripe"
ROWS = ["Key format", "Account", "Permissions", "Payment methods", "Webhook endpoint", "Signing secret"]
FIELD = "/check-field"
MARK_AS_OLD = "() => document.querySelectorAll('#check-summary input').forEach(e => e.dataset.old = '1')"
RUN_MILLISECONDS = 20_000
"""A check has 10 seconds; what clears up after it has a little more."""
HTTP_STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


@dataclass(frozen=True, slots=True)
class Desk:
    """The owner's window on one portal."""

    page: Page
    portal: RunningPortal

    def open(self, path: str) -> None:
        """Go to a page of the portal."""
        self.page.goto(self.portal.url + path)

    # ---- the form

    def open_form(self) -> str:
        """The empty form; returns the endpoint address that it shows."""
        self.open(f"{STRIPE}?new=yes")
        return self.endpoint_address()

    def endpoint_address(self) -> str:
        """The address that the page shows for copying."""
        return self.page.locator("#endpoint").inner_text()

    def fill(self, publishable: str = "", secret: str = "", webhook: str = "") -> None:
        """Enter values as a password manager does, all at once, and read what is said about each."""
        values = {"publishable_key": publishable, "secret_key": secret, "webhook_secret": webhook}
        given = {name: value for name, value in values.items() if value}
        answered: set[str] = set()

        def is_last(answer: Response) -> bool:
            source = answer.request.headers.get("hx-source", "")
            answered.update(
                name for name in given if answer.url.endswith(FIELD) and source.endswith(f"#{name}")
            )
            return answered == given.keys()

        with self.page.expect_response(is_last):
            for name, value in given.items():
                self.page.locator(f"#{name}").fill(value)

    def validate(self) -> float:
        """Press Validate and wait for the last row; returns the seconds."""
        return self.press(self.page.get_by_role("button", name="Validate"))

    def press(self, button: Locator) -> float:
        """Press a button that runs checks, and wait until every row has its answer; returns the seconds."""
        forget_runs(self.portal)
        self.page.evaluate(MARK_AS_OLD)
        began = time.monotonic()
        button.click()
        ended = self.page.locator("#check-summary input[name=checked]:not([data-old])")
        expect(ended).to_be_attached(timeout=RUN_MILLISECONDS)
        return time.monotonic() - began

    def row(self, title: str) -> Row:
        """One check of the list."""
        starts = re.compile(rf"^{title}:")
        rows = self.page.locator("#checks > li")
        titled = self.page.locator(".p-check-title", has_text=starts)
        return Row(self, title, rows.filter(has=titled))

    def save(self, *, button: str = "Save and connect") -> None:
        """Press Save; doubts are agreed to."""
        forget_runs(self.portal)
        self.page.get_by_role("button", name=button, exact=True).click()
        confirm = self.page.locator("#connect-anyway")
        saved = self.page.locator("#notices .p-notice")
        expect(confirm.or_(saved).first).to_be_visible(timeout=RUN_MILLISECONDS)
        if confirm.is_visible():
            confirm.click()
        expect(saved).to_be_visible(timeout=RUN_MILLISECONDS)

    # ---- the page of a connection

    def open_connection(self, *, mode: str = "test") -> None:
        """The page of the connection in this mode, by its link in the list."""
        self.open("/settings/connected-accounts")
        links = self.page.locator(".p-ft", has=self.page.get_by_text(mode.capitalize(), exact=True))
        links.get_by_role("link", name=re.compile("^(Manage|Fix)")).click()

    def disconnect(self, title: str, *, remove_endpoint: bool = False) -> None:
        """From the connection's page: read, type the name, press."""
        self.page.get_by_role("link", name="Disconnect Stripe").click()
        if remove_endpoint:
            self.page.get_by_label("Also delete the webhook endpoint in Stripe").check()
        self.page.get_by_label(f"Type {title} to confirm").fill(title)
        self.page.get_by_role("button", name="Disconnect Stripe").click()
        expect(self.page.get_by_role("heading", level=1, name="Connected accounts")).to_be_visible()


@dataclass(frozen=True, slots=True)
class Row:
    """One check as the page shows it."""

    desk: Desk
    title: str
    line: Locator

    def is_(self, state: str, *words: str) -> None:
        """It stands so, and says so."""
        title = self.line.locator(".p-check-title")
        expect(title).to_contain_text(f"{self.title}: {state}")
        for text in words:
            expect(self.line).to_contain_text(text)

    def button(self, label: str) -> Locator:
        """A repair that it offers."""
        return self.line.get_by_role("button", name=f"{label}: {self.title}")

    def again(self) -> float:
        """Run this check alone."""
        return self.desk.press(self.line.get_by_role("button", name=f"Check again: {self.title}"))

    def has_help(self) -> None:
        """Its link opens a page of help at the section of exactly this trouble."""
        link = self.line.get_by_role("link", name=re.compile("^What to do"))
        address = link.get_attribute("href") or ""
        tab = self.desk.page.context.new_page()
        answer = tab.goto(self.desk.portal.url + address)
        assert answer is not None
        assert answer.ok, f"{address}: {answer.status}"
        assert "#" in address
        expect(tab.locator(":target")).to_be_visible()
        tab.close()


def without_status(complaints: list[str], *statuses: int) -> None:
    """Take out what the console repeats of answers that were meant."""

    def meant(text: str) -> bool:
        found = HTTP_STATUS.match(text)
        return found is not None and int(found[1]) in statuses

    complaints[:] = [text for text in complaints if not meant(text)]
