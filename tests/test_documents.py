"""What the documents promise is what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from plugins.stripe.domain.events import ENDPOINT_EVENTS, follow
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.rights import RIGHTS
from portal.settings import ROOT, Settings, load_settings

README = (ROOT / "README.md").read_text("utf-8")
STRIPE = (ROOT / "plugins" / "stripe" / "README.md").read_text("utf-8")
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "portal/**/*.md", "plugins/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
NOT_A_VARIABLE = frozenset({"ci", "plugin_variables"})
"""`CI` has no prefix; the other holds every variable, for plugins."""

IN_WORDS = {
    "account": "nothing, the checks run again",
    "credit_note": "invoice with its credit notes",
    "dispute": "invoice with its disputes",
    "fraud_warning": "nothing, it becomes an alert",
    "payment_method": "payment method",
    "payout": "nothing, it becomes an alert",
    "refund": "invoice with its refunds",
    "subscription": "subscription with its plans",
}
"""What the guide says of an event beside the name of the object."""


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = document.partition(f"\n{heading}\n")[2].partition("\n#")[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_every_setting_is_in_the_readme_and_the_other_way_round() -> None:
    ours = {f"PORTAL_{field.name.upper()}" for field in fields(Settings) if field.name not in NOT_A_VARIABLE}
    listed = {row[0].strip("`") for row in rows(README, "## Settings")}
    assert listed == ours | {"PORTAL_STRIPE_API_BASE", "PORTAL_STRIPE_CALLS_PER_SECOND"}


@pytest.mark.parametrize(
    "name", ["env", "host", "port", "web_workers", "worker_processes", "worker_threads", "plugins"]
)
def test_the_readme_names_the_default_that_is_in_force(name: str) -> None:
    value = getattr(load_settings({}), name)
    shown = ",".join(value) if isinstance(value, tuple) else str(value)
    listed = {row[0].strip("`"): row[1] for row in rows(README, "## Settings")}
    assert listed[f"PORTAL_{name.upper()}"] == f"`{shown}`"


def test_every_make_verb_in_a_document_exists() -> None:
    verbs = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    texts = [path.read_text("utf-8") for path in DOCUMENTS]
    named = {verb for text in texts for verb in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)}
    assert named - verbs == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(path: Path) -> None:
    targets = [target.partition("#")[0] for target in LINK.findall(path.read_text("utf-8"))]
    ours = [target for target in targets if target and not re.match(r"[a-z]+:", target)]
    assert [target for target in ours if not (path.parent / target).exists()] == []


def test_paths_of_the_readmes_tree_exist() -> None:
    tree = README.partition("## Where things are")[2].split("```")[1]
    names = re.findall(r"(?<!\S)([a-z0-9_/]+(?:/|\.py))(?=\s)", tree)
    assert len(names) > 12
    missing = [name for name in names if not (ROOT / name).exists() and not (ROOT / "portal" / name).exists()]
    assert missing == []


def test_the_rights_of_a_key_are_those_that_are_probed() -> None:
    listed = [tuple(row[:2]) for row in rows(STRIPE, "### Rights of a restricted key")]
    assert listed == [(right.title, right.level) for right in RIGHTS]


def test_the_events_in_the_guide_are_those_an_endpoint_must_send() -> None:
    listed = {row[0].strip("`"): row[1] for row in rows(STRIPE, "## Events")}
    assert listed == {name: IN_WORDS.get(what := str(follow(name)), what) for name in ENDPOINT_EVENTS}


def test_the_guide_names_the_api_version_in_use() -> None:
    assert set(re.findall(r"20\d\d-\d\d-\d\d\.[a-z]+", STRIPE)) == {API_VERSION}


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(LINK.findall((folder / "README.md").read_text("utf-8")))
    assert {path.name for path in folder.glob("*.md")} - {"README.md"} == listed
