"""What a customer does on the pay page, and what the browser complained about meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, FrameLocator, Locator, Page, Request, expect

from tests.plugins.stripe.pay.portals import PayPortal
from tests.web.browser_pages import REMEMBER_VIOLATIONS

DECLINED = "Failed to load resource: the server responded with a status of 402"


@dataclass  # without slots: Playwright notes its handlers on their owner
class Visitor:
    """A tab that shows the pay page."""

    page: Page
    asked: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def form(self) -> FrameLocator:
        """The Payment Element's frame."""
        return self.page.frame_locator("iframe[title='Secure payment input frame']")

    @property
    def bank(self) -> FrameLocator:
        """The frame of the bank's check."""
        return self.page.frame_locator("iframe[title='3D Secure']")

    @property
    def button(self) -> Locator:
        """The button that pays."""
        return self.page.locator("#submit")

    @property
    def card(self) -> Locator:
        """The payment card."""
        return self.page.locator("#card")

    async def fill_card(self, number: str) -> None:
        """Type a card that is valid for years."""
        await self.form.get_by_label("Card number").fill(number)
        await self.form.get_by_label("Expiration date").fill("1234")
        await self.form.get_by_label("Security code").fill("123")

    async def pay(self, number: str) -> None:
        """Type a card and press the button."""
        await self.fill_card(number)
        await self.button.click()

    async def pay_from_bank(self, account: str) -> None:
        """Choose a test account of the bank form and press the button."""
        await self.form.get_by_label("US bank account").check()
        await self.form.get_by_label("Full name").fill("Jane Doe")
        await self.form.get_by_label("Email").fill("jane.doe@example.com")
        await self.form.get_by_label("Test bank account").select_option(label=account)
        await self.button.click()

    async def is_ready(self) -> None:
        """Wait until the form can be filled in."""
        await expect(self.page.locator("#options:not(.loading)")).to_be_visible()

    async def run_clock_until(self, text: str, *, seconds: int) -> int:
        """Let the page's installed clock run, two seconds at a time, until the card says `text`.

        Its own requests take real time meanwhile, so the page may be a little behind its clock.
        Returns the seconds that ran; an `AssertionError` after `seconds`.
        """
        for ran in range(0, seconds, 2):
            if text in await self.card.inner_text():
                return ran
            await self.page.clock.run_for(2000)
        raise AssertionError(f"{text!r} did not appear within {seconds} s of the page's clock")

    def note(self, request: Request) -> None:
        """Remember what the tab asked for."""
        self.asked.append(request)

    def confirmations(self) -> list[Request]:
        """The calls that asked Stripe to take the money."""
        return [request for request in self.asked if request.url.endswith("/confirm")]


async def new_visitor(context: BrowserContext) -> Visitor:
    """An empty tab that remembers what it asked and what went wrong in it."""
    visitor = Visitor(await context.new_page())
    await visitor.page.add_init_script(REMEMBER_VIOLATIONS)
    visitor.page.on(
        "console", lambda line: visitor.complaints.append(line.text) if line.type == "error" else None
    )
    visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    visitor.page.on("request", visitor.note)
    return visitor


@asynccontextmanager
async def visiting(
    browser: Browser, portal: PayPortal, *, width: int = 1280, theme: str = "light"
) -> AsyncIterator[Visitor]:
    """A customer who has opened the invoice and sees the form, if the invoice can be paid."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if theme == "dark" else "light"
    )
    visitor = await new_visitor(context)
    await visitor.page.goto(portal.page_url)
    if portal.state in ("ready", "partly_paid"):
        await visitor.is_ready()
    try:
        yield visitor
    finally:
        await context.close()
