"""Templates compile, escape, fail on what is missing, and pages have the promised frame."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from litestar.plugins.jinja import JinjaTemplateEngine

from portal.money import Money
from portal.settings import ROOT
from portal.web.assets import load_assets
from portal.web.gallery import TEMPLATE, gallery_context
from portal.web.shells import (
    ErrorView,
    NavItem,
    NavSection,
    Notice,
    Person,
    Shell,
)
from portal.web.templates import UnknownIcon, build_engine, render_fragment

PLUGIN_DIRS = {path.parent.name: path for path in sorted(ROOT.glob("plugins/*/templates"))}
ERROR = ErrorView("The portal could not finish this.", "Load it again.", "UNEXPECTED", "a1b2c3")
AT = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
SHELL = Shell(
    csrf_token='tok"en',
    organisation="Northwind",
    person=Person("Mara Kovač", "Owner"),
    sections=(NavSection("", (NavItem("Invoices", "/invoices", "file-invoice", current=True, badge="3"),)),),
)


@pytest.fixture(scope="module")
def engine() -> JinjaTemplateEngine:
    return build_engine(PLUGIN_DIRS, assets=load_assets())


def from_text(engine: JinjaTemplateEngine, text: str, **context: object) -> str:
    return engine.render_string(text, context)


def test_every_template_compiles(engine: JinjaTemplateEngine) -> None:
    names = engine.engine.list_templates(extensions=["html"])
    assert "base.html" in names
    for name in names:
        engine.get_template(name)


def test_values_are_escaped_whatever_the_template_is_called(engine: JinjaTemplateEngine) -> None:
    assert from_text(engine, "{{ x }}", x="<b>") == "&lt;b&gt;"
    assert "&lt;b&gt;" in from_text(engine, "{{ ui.pill('ok', x) }}", x="<b>")
    assert "&#34;&gt;&lt;b&gt;" in from_text(engine, "{{ ui.field('n', 'Name', value=x) }}", x='"><b>')


def test_undefined_name_raises(engine: JinjaTemplateEngine) -> None:
    with pytest.raises(UndefinedError):
        from_text(engine, "{{ nothing }}")
    with pytest.raises(UndefinedError):
        from_text(engine, "{{ ui.no_such_macro() }}")


def test_unknown_icon_raises(engine: JinjaTemplateEngine) -> None:
    with pytest.raises(UnknownIcon):
        from_text(engine, "{{ ui.icon('unicorn') }}")


def test_money_and_times_are_formatted(engine: JinjaTemplateEngine) -> None:
    assert (
        from_text(engine, "{{ a|money }} {{ b|money }}", a=Money(48000, "usd"), b=(500, "jpy"))
        == "$480.00 ¥500"
    )
    assert from_text(engine, "{{ n|count }}", n=10_001) == "10,000+"
    text = from_text(engine, "{{ at|datetime }} {{ at|date }}", at=AT)
    assert 'datetime="2026-11-23T23:30:00+00:00"' in text
    assert "23 Nov 2026, 23:30</time>" in text


def test_times_are_shown_in_the_zone_of_the_viewer(engine: JinjaTemplateEngine) -> None:
    shell = Shell(time_zone="Europe/Berlin")
    text = from_text(engine, "{{ at|datetime }} {{ at|long_date }}", at=AT, shell=shell)
    assert "24 Nov 2026, 00:30</time>" in text
    assert "24 November 2026</time>" in text


def test_naive_time_is_refused(engine: JinjaTemplateEngine) -> None:
    with pytest.raises(ValueError, match="aware"):
        from_text(engine, "{{ at|datetime }}", at=AT.replace(tzinfo=None))


def test_block_and_partial_are_rendered_alone(engine: JinjaTemplateEngine) -> None:
    block = render_fragment(engine, TEMPLATE, block="content", shell=SHELL, **gallery_context())
    assert block.lstrip().startswith("<nav")
    assert "<html" not in block
    partial = render_fragment(engine, "errors/_fragment.html", error=ERROR)
    assert "a1b2c3" in partial
    assert 'role="alert"' in partial


def test_page_has_its_parts_in_order(engine: JinjaTemplateEngine) -> None:
    shell = replace(SHELL, mode="test", notice=Notice("ok", "Stripe connected."))
    html = render_fragment(engine, TEMPLATE, shell=shell, **gallery_context())
    order = (
        'class="p-skip"',
        'class="p-testbar"',
        '<header class="p-side"',
        "<main ",
        'id="say"',
        'id="alert"',
    )
    places = [html.index(part) for part in order]
    assert places == sorted(places)
    assert "<title>Gallery · Components · Northwind</title>" in html
    assert 'aria-current="page"' in html
    assert re.search(r'tabindex="-1" autofocus data-focus>.*?Stripe connected\.', html, re.DOTALL)


def test_live_mode_shows_no_bar(engine: JinjaTemplateEngine) -> None:
    html = render_fragment(engine, TEMPLATE, shell=SHELL, **gallery_context())
    assert "p-testbar" not in html


def test_failed_form_says_so_in_the_title(engine: JinjaTemplateEngine) -> None:
    html = render_fragment(engine, TEMPLATE, shell=SHELL, failed=True, **gallery_context())
    assert "<title>Error: Gallery" in html


def test_theme_is_an_attribute_only_when_chosen(engine: JinjaTemplateEngine) -> None:
    def opening(shell: Shell) -> str:
        html = render_fragment(engine, "errors/404.html", shell=shell, error=ERROR)
        found = re.search(r"<html[^>]*>", html)
        return found.group() if found else ""

    assert opening(Shell(theme="dark")) == '<html lang="en" data-bs-theme="dark">'
    assert opening(Shell()) == '<html lang="en">'


def test_form_token_is_inherited_by_every_request_of_htmx(engine: JinjaTemplateEngine) -> None:
    html = render_fragment(engine, TEMPLATE, shell=SHELL, **gallery_context())
    assert """<body hx-headers:inherited='{"x-csrftoken": "tok&#34;en"}'>""" in html


@pytest.mark.parametrize("status", ["403", "404", "409", "429", "500"])
def test_error_page_has_words_reference_and_a_way_back(engine: JinjaTemplateEngine, status: str) -> None:
    html = render_fragment(engine, f"errors/{status}.html", shell=Shell(), error=ERROR)
    for part in (ERROR.message, ERROR.hint, ERROR.reference, ERROR.code, 'href="/"', "<h1"):
        assert part in html


def test_field_joins_label_hint_and_feedback(engine: JinjaTemplateEngine) -> None:
    text = "{{ ui.field('key', 'Key', hint='Starts with k_.', feedback=feedback) }}"
    html = from_text(engine, text, feedback={"tone": "bad", "message": "Too short."})
    assert '<label class="form-label" for="key">Key</label>' in html
    assert 'aria-describedby="key-hint key-fb" aria-invalid="true"' in html
    assert 'id="key-fb" aria-live="polite"' in html
    assert '<span class="visually-hidden">Error: </span>Too short.' in html


def test_feedback_slot_exists_while_empty(engine: JinjaTemplateEngine) -> None:
    html = from_text(engine, "{{ ui.field('key', 'Key', check='/check') }}")
    assert '<p class="p-fb" id="key-fb" aria-live="polite"></p>' in html
    assert 'hx-post="/check"' in html
    assert "aria-invalid" not in html


def test_plugin_template_is_found_below_its_id(tmp_path: Path) -> None:
    (tmp_path / "panel.html").write_text("{{ ui.pill('ok', 'Linked') }}")
    engine = build_engine({"gocardless": tmp_path}, assets=load_assets())
    assert "Linked" in render_fragment(engine, "gocardless/panel.html")
