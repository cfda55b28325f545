"""What portal.js adds, and what htmx does with our markup, in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from playwright.async_api import Browser, Dialog, expect

from portal.web.shells import Notice, Shell
from portal.web.templates import render_fragment
from tests.web.browser_pages import Answer, Site, make_site, open_browser, open_page
from tests.web.test_templates import SHELL

pytestmark = pytest.mark.browser

FORM = """
{% extends "base.html" %}
{% block page %}Form{% endblock %}
{% block content %}
{{ ui.page_head("Form") }}
<div id="place">
<form id="form" method="post" action="/save" hx-post="/save" hx-target="#place" data-guard novalidate>
{{ ui.field("name", "Name", check="/check") }}
{{ ui.secret_field("key", "Secret key", value="hush") }}
{{ ui.copy_field("address", "Address", "https://portal.test/hooks") }}
{{ ui.button("Save", busy="Saving…", id="save") }}
</form></div>
<a href="/dialog" hx-get="/dialog" hx-target="#dialogs" id="ask">Ask</a>
{% endblock %}
"""


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture
def site() -> Site:
    site = make_site()
    site.answers["/form"] = Answer(site.engine.render_string(FORM, {"shell": shell()}))
    return site


def shell(notice: Notice | None = None) -> Shell:
    return replace(SHELL, csrf_token="token-17", notice=notice)


def fragment(site: Site, text: str) -> Answer:
    return Answer(site.engine.render_string(text, {}))


async def test_every_request_of_htmx_carries_the_form_token(browser: Browser, site: Site) -> None:
    site.answers["/save"] = Answer("<p>Saved</p>")
    async with open_page(browser, site, "/form") as page:
        await page.click("#save")
        await expect(page.get_by_text("Saved")).to_be_visible()
        assert await site.requests_to("/save")[0].header_value("x-csrftoken") == "token-17"


async def test_refused_form_is_swapped_in_and_its_summary_has_the_focus(browser: Browser, site: Site) -> None:
    text = "{{ ui.error_summary([('name', 'Enter a name')]) }}<input id='name' aria-label='Name'>"
    site.answers["/save"] = Answer(site.engine.render_string(text, {}), 422)
    async with open_page(browser, site, "/form") as page:
        await page.click("#save")
        await expect(page.locator("#error-summary")).to_be_focused()
        await page.get_by_role("link", name="Enter a name").click()
        await expect(page.locator("#name")).to_be_focused()


async def test_second_press_sends_nothing(browser: Browser, site: Site) -> None:
    site.answers["/save"] = Answer("<p>Saved</p>")
    async with open_page(browser, site, "/form") as page:
        width = await page.evaluate("save.offsetWidth")
        during = await page.evaluate("(save.click(), save.click(), [save.offsetWidth, save.ariaBusy])")
        assert during == [width, "true"]
        await expect(page.get_by_text("Saved")).to_be_visible()
    assert len(site.requests_to("/save")) == 1


async def test_feedback_marks_its_input_and_leaves_the_caret(browser: Browser, site: Site) -> None:
    async with open_page(browser, site, "/form") as page:
        name = page.locator("#name")
        site.answers["/check"] = fragment(site, "{{ ui.feedback('bad', 'Enter a longer name.') }}")
        await name.press_sequentially("ab")
        await expect(page.locator("#name-fb")).to_contain_text("Enter a longer name.")
        await expect(name).to_be_focused()
        await expect(name).to_have_attribute("aria-invalid", "true")
        site.answers["/check"] = fragment(site, "{{ ui.feedback('ok', 'Looks right.') }}")
        await name.press_sequentially("cd")
        await expect(page.locator("#name-fb")).to_contain_text("Looks right.")
        await expect(name).not_to_have_attribute("aria-invalid", re.compile(".*"))
    assert {request.method for request in site.requests_to("/check")} == {"POST"}
    assert site.complaints == []


async def test_broken_connection_keeps_the_page_and_offers_to_try_again(browser: Browser, site: Site) -> None:
    site.answers["/save"] = Answer(drop=True)
    async with open_page(browser, site, "/form") as page:
        await page.fill("#name", "Globex")
        await page.click("#save")
        await expect(page.get_by_role("alert")).to_contain_text("No connection. Your changes are not saved.")
        await expect(page.locator("#name")).to_have_value("Globex")
        site.answers["/save"] = Answer("<p>Saved</p>")
        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_text("Saved")).to_be_visible()
        await expect(page.locator("#alert")).to_be_empty()


async def test_secret_is_shown_and_hidden(browser: Browser, site: Site) -> None:
    async with open_page(browser, site, "/form") as page:
        toggle = page.get_by_role("button", name="Show secret key")
        await toggle.click()
        await expect(page.locator("#key")).to_have_attribute("type", "text")
        await expect(toggle).to_have_attribute("aria-pressed", "true")
        await toggle.click()
        await expect(page.locator("#key")).to_have_attribute("type", "password")


async def test_copy_says_what_it_did(browser: Browser, site: Site) -> None:
    async with open_page(browser, site, "/form") as page:
        await page.get_by_role("button", name="Copy address").click()
        await expect(page.locator("#say")).to_have_text(re.compile("Copied|Press Control C to copy"))


async def test_dialog_that_arrives_opens_and_gives_the_focus_back(browser: Browser, site: Site) -> None:
    actions = "{% call ui.dialog_actions('/form') %}{% endcall %}"
    text = f"{{% call ui.dialog('d', 'Sure?', open=true) %}}{actions}{{% endcall %}}"
    site.answers["/dialog"] = fragment(site, text)
    async with open_page(browser, site, "/form") as page:
        await page.click("#ask")
        await expect(page.get_by_role("link", name="Cancel")).to_be_focused()
        await page.get_by_role("link", name="Cancel").click()
        await expect(page.locator("#d")).not_to_be_visible()
        await expect(page.locator("#ask")).to_be_focused()


async def test_focus_is_never_lost_when_its_place_is_replaced(browser: Browser, site: Site) -> None:
    site.answers["/save"] = Answer("<p>Saved</p>")
    async with open_page(browser, site, "/form") as page:
        await page.focus("#save")
        await page.keyboard.press("Enter")
        await expect(page.locator("#page-title")).to_be_focused()


async def test_notice_receives_the_focus(browser: Browser, site: Site) -> None:
    html = render_fragment(site.engine, "base.html", shell=shell(Notice("ok", "Stripe connected.")))
    site.answers["/home"] = Answer(html)
    async with open_page(browser, site, "/home") as page:
        await expect(page.locator(".p-notice")).to_be_focused()


async def test_leaving_with_changes_asks(browser: Browser, site: Site) -> None:
    asked: list[str] = []

    async def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    async with open_page(browser, site, "/form") as page:
        page.on("dialog", leave)
        await page.locator("#name").press_sequentially("x")
        await page.goto("http://portal.test/elsewhere")
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("slow", ["", "htmx.min", "hx-sse", "portal"])
async def test_live_page_takes_parts_from_its_stream_whichever_file_comes_last(
    browser: Browser, site: Site, slow: str
) -> None:
    site.slow_files = {slow: 0.3} if slow else {}
    html = site.engine.render_string(FORM, {"shell": replace(shell(), live="/live")})
    site.answers["/form"] = Answer(html)
    part = '<hx-partial hx-target="#page-title" hx-swap="innerHTML">Changed</hx-partial>'
    site.answers["/live"] = Answer(f"data: {part}\n\n", media_type="text/event-stream")
    async with open_page(browser, site, "/form") as page:
        await expect(page.locator("h1")).to_have_text("Changed")
        await expect(page.locator("#save")).to_be_visible()


async def test_form_answered_by_a_stream_fills_rows_and_announces(browser: Browser, site: Site) -> None:
    row = '<hx-partial hx-target="#name-fb" hx-swap="innerHTML">Passed</hx-partial>'
    word = '<hx-partial hx-target="#say" hx-swap="innerHTML">All checks passed</hx-partial>'
    site.answers["/save"] = Answer(f"data: {row}\n\ndata: {word}\n\n", media_type="text/event-stream")
    html = FORM.replace('hx-target="#place"', 'hx-swap="none"')
    site.answers["/form"] = Answer(site.engine.render_string(html, {"shell": shell()}))
    async with open_page(browser, site, "/form") as page:
        await page.click("#save")
        await expect(page.locator("#name-fb")).to_have_text("Passed")
        await expect(page.locator("#say")).to_have_text("All checks passed")
        await expect(page.locator("#save")).not_to_have_attribute("aria-busy", "true")
        await expect(page.locator("#save")).to_be_focused()


async def test_ended_session_leads_to_sign_in(browser: Browser, site: Site) -> None:
    site.answers["/save"] = Answer("", 401, headers={"HX-Redirect": "/sign-in?next=/form"})
    site.answers["/sign-in"] = Answer("<title>Sign in</title>")
    async with open_page(browser, site, "/form") as page:
        await page.click("#save")
        await page.wait_for_url("**/sign-in?next=/form")


async def test_typing_in_a_filter_replaces_the_list_and_the_address(browser: Browser, site: Site) -> None:
    bar = (
        "{% call ui.filter_bar('/list', target='#list') %}{{ ui.search_box('q', '', 'Search') }}{% endcall %}"
    )
    table = '<div id="list">{}</div>'
    page_text = '{% extends "base.html" %}{% block page %}L{% endblock %}{% block content %}'
    text = f"{page_text}{bar}{table.format('all')}{{% endblock %}}"
    site.answers["/list"] = Answer(site.engine.render_string(text, {"shell": shell()}))
    async with open_page(browser, site, "/list") as page:
        site.answers["/list"] = Answer(table.format("found"))
        await page.locator("#q").press_sequentially("glob")
        await expect(page.locator("#list")).to_have_text("found")
        await expect(page.locator("#q")).to_be_focused()
        await expect(page.locator("#q")).to_have_value("glob")
        await page.wait_for_url("**/list?q=glob")
    assert site.complaints == []
