"""What a page does while somebody uses it: where the focus is, what is read out, how far things jump."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Locator, Page, expect

from tests.barriers import barriers_seen

MOST_STOPS = 150
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (390, "dark"))
WATCH = """
(() => {
  window.said = []; window.lost = 0; window.shift = 0;
  const live = '[aria-live], [role=status], [role=alert]';
  const region = node => (node.nodeType === 1 ? node : node.parentElement)?.closest(live);
  new MutationObserver(changes => changes.forEach(change => {
    const text = region(change.target)?.textContent.trim();
    if (text && text !== window.said.at(-1)) window.said.push(text);
  })).observe(document, { subtree: true, childList: true, characterData: true });
  document.addEventListener('htmx:after:swap', () => setTimeout(() => {
    if (document.activeElement === document.body) window.lost += 1;
  }, 50));
  new PerformanceObserver(list => list.getEntries().forEach(entry => {
    if (!entry.hadRecentInput) window.shift += entry.value;
  })).observe({ type: 'layout-shift', buffered: true });
})()
"""
"""Runs before the page. Several changes of one announcement are one announcement."""
VISIBLE_FOCUS = """
element => {
  const style = getComputedStyle(element);
  const outlined = style.outlineStyle !== 'none' && style.outlineColor !== 'rgba(0, 0, 0, 0)';
  return element.matches(':focus-visible') && (outlined || style.boxShadow !== 'none');
}
"""


def watched(page: Page) -> Page:
    """Take note on every document from now on."""
    page.add_init_script(WATCH)
    return page


def announcements(page: Page) -> list[str]:
    """What was read out since the document was opened, or since the last time."""
    said: list[str] = page.evaluate("() => window.said.splice(0)")
    return said


def jumps(page: Page) -> float:
    """The layout shift since the last time, but for what a key caused at once."""
    shift: float = page.evaluate("() => { const shift = window.shift; window.shift = 0; return shift }")
    return shift


def keeps_focus(page: Page) -> None:
    """No swap has dropped the focus."""
    assert page.evaluate("() => window.lost") == 0


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, and see that it shows."""
    for _ in range(MOST_STOPS):
        if target.evaluate("element => element === document.activeElement"):
            assert target.evaluate(VISIBLE_FOCUS), f"Its focus does not show: {target}"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {target}")


def press(page: Page, target: Locator) -> None:
    """Go there by Tab and press Enter."""
    tab_to(page, target)
    page.keyboard.press("Enter")


def type_into(page: Page, target: Locator, text: str) -> None:
    """Go there by Tab and type over what is there."""
    tab_to(page, target)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def is_focused(target: Locator) -> None:
    """It has the focus, and shows it."""
    expect(target).to_be_focused()
    assert target.evaluate(VISIBLE_FOCUS), f"Its focus does not show: {target}"


def is_open_to_all(page: Page) -> None:
    """No barrier on a desk in the light, nor on a phone in the dark."""
    for width, scheme in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # colours change at once
        page.set_viewport_size({"width": width, "height": 900})
        assert barriers_seen(page) == [], (page.url, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    page.set_viewport_size({"width": 1280, "height": 900})
