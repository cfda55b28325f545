"""Templates and styles hold nothing that the content policy forbids, and nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from portal.settings import ROOT
from portal.web.assets import load_assets
from portal.web.templates import icon_names

TEMPLATES = sorted([*ROOT.glob("templates/**/*.html"), *ROOT.glob("plugins/*/templates/**/*.html")])
STYLES = sorted([*ROOT.glob("static/*.css"), *ROOT.glob("plugins/*/static/**/*.css")])
SCRIPTS = sorted([*ROOT.glob("static/*.js"), *ROOT.glob("plugins/*/static/**/*.js")])

COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
FORBIDDEN = {
    "an event handler in an attribute": re.compile(r"\son[a-z]+\s*=", re.IGNORECASE),
    "hx-on": re.compile(r"hx-on\b", re.IGNORECASE),
    "a style attribute": re.compile(r"\sstyle\s*=", re.IGNORECASE),
    "an inline style": re.compile(r"<style\b", re.IGNORECASE),
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE),
    "a js: value": re.compile(r"(?:js|javascript):", re.IGNORECASE),
    "a trigger filter": re.compile(r"hx-trigger\s*=\s*([\"'])[^\"']*\[[^\"']*\1", re.IGNORECASE),
    "hx-boost": re.compile(r"hx-boost\b", re.IGNORECASE),
    "hx-ext, which htmx 4 does not have": re.compile(r"hx-ext\b", re.IGNORECASE),
    "a filter that switches escaping off": re.compile(r"\|\s*safe\b"),
    "a block that switches escaping off": re.compile(r"autoescape\s+false"),
    "Tabler's pale badge": re.compile(r"\bbg-\w+-lt\b"),
}
FOREIGN = re.compile(r"(?:src|href|action|data|poster|srcset)\s*=\s*[\"'](?:https?:)?//", re.IGNORECASE)
LINK = re.compile(r"<a\b[^>]*>", re.IGNORECASE)
STRIPE_SCRIPT = re.compile(r"https://js\.stripe\.com/[\w./-]*")
NAMED_ICON = re.compile(
    r"(?:ui\.icon|icon_url|ui\.icon_button\(\s*\"[^\"]*\",\s*|ui\.empty_state)\(?\s*\"([a-z0-9-]+)\""
)
ICON_ARGUMENT = re.compile(r"\bicon=\"([a-z0-9-]+)\"")

BROKEN = (
    ('<a onclick="x()">', "an event handler in an attribute"),
    ('<p style="color: red">', "a style attribute"),
    ("<script>alert(1)</script>", "an inline script"),
    ("<div hx-on:click='x'>", "hx-on"),
    ('<div hx-vals="js:{a: 1}">', "a js: value"),
    ('<div hx-trigger="click[ctrlKey]">', "a trigger filter"),
    ("{{ text|safe }}", "a filter that switches escaping off"),
)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_template_holds_nothing_forbidden(path: Path) -> None:
    assert problems(COMMENT.sub("", path.read_text())) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_template_loads_nothing_from_elsewhere(path: Path) -> None:
    text = LINK.sub("", COMMENT.sub("", path.read_text()))
    if "pay" in path.parts or path.name == "pay.html":
        text = STRIPE_SCRIPT.sub("", text)
    assert not FOREIGN.search(text)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_style_loads_nothing_from_elsewhere(path: Path) -> None:
    assert not re.search(r"@import|url\((?!\s*[\"']?(?:data:|#))", path.read_text())


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_script_writes_no_markup_and_runs_no_text(path: Path) -> None:
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|document\.write", path.read_text())


def test_every_named_icon_is_in_the_sprite() -> None:
    texts = [COMMENT.sub("", path.read_text()) for path in TEMPLATES]
    named = {
        name for text in texts for pattern in (NAMED_ICON, ICON_ARGUMENT) for name in pattern.findall(text)
    }
    assert named - icon_names(load_assets()) == set()


@pytest.mark.parametrize(("text", "problem"), BROKEN)
def test_lint_sees_what_is_forbidden(text: str, problem: str) -> None:
    assert problem in problems(text)


def problems(text: str) -> list[str]:
    return [name for name, pattern in FORBIDDEN.items() if pattern.search(text)]
