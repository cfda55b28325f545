"""Everything about a plugin that can be judged from outside: no network, no database, no browser."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import dramatiq
from dramatiq.brokers.stub import StubBroker
from jinja2 import TemplateError

from portal.contract.descriptions import FieldFeedback, HelpPage
from portal.contract.help_pages import PORTAL, HelpShelf
from portal.contract.loading import import_optional
from portal.contract.payables import PayPage
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.errors import PortalError
from portal.security.headers import pay_csp
from portal.settings import load_settings
from portal.testing.deliveries import check_refusals
from portal.testing.networks import without_network
from portal.testing.samples import MIDDLE, SAMPLE_SECRET, TYPED, sample_account
from portal.web.assets import load_assets
from portal.web.shells import Shell
from portal.web.templates import build_engine, render_fragment

PLUGIN_ID = re.compile(r"[a-z][a-z0-9_]{1,30}")
NAME = re.compile(r"[a-z][a-z0-9_]*")
VERSION = re.compile(r"\d+(\.\d+)*")
RANGE = re.compile(r">=\d+(\.\d+)*(,<\d+(\.\d+)*)?")
TONES = frozenset({"ok", "warn", "bad", "mute"})
CAPABILITIES = frozenset({"payments", "subscriptions", "invoice_sync"})
SLOTS = frozenset({"connect.help", "account.connected"})
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
ELEMENT_ID = re.compile(r"\sid=\"([^\"]+)\"")
OWN_ANCHOR = re.compile(r"href=\"#([^\"]+)\"")
LONGEST_CHECK_SECONDS = 30.0


def check_plugin(plugin: Plugin) -> None:
    """Assert that the plugin keeps the contract as far as this can be seen without its provider.

    Raises:
        AssertionError: it does not; the message says what to change.
    """
    check_manifest(plugin)
    check_package(plugin)
    check_credentials(plugin)
    check_field_feedback(plugin)
    check_masks(plugin)
    check_questions(plugin)
    check_features(plugin)
    check_pay_page(plugin)
    check_help(plugin)
    check_refusals(plugin)


def check_manifest(plugin: Plugin) -> None:
    """Assert that the manifest can be shown and compared."""
    manifest = plugin.manifest
    assert PLUGIN_ID.fullmatch(manifest.id), f"The id {manifest.id!r} is no short, lower-case name."
    assert manifest.title.strip(), "The title is empty."
    assert manifest.summary.strip().endswith("."), "The summary is not a sentence."
    assert VERSION.match(manifest.version), f"The version is {manifest.version!r}."
    assert RANGE.fullmatch(manifest.requires_portal), "requires_portal is not like >=1,<2."
    unknown = plugin.capabilities - CAPABILITIES
    assert not unknown, f"The portal knows no capability {sorted(unknown)}."


def check_package(plugin: Plugin) -> None:
    """Assert that the portal will find what it looks for in the package: plugin, templates, actors."""
    module = type(plugin).__module__
    package = module.removesuffix(".plugin")
    assert package != module, f"The class is in {module}, but belongs into <package>/plugin.py."
    assert getattr(sys.modules[module], "plugin", None) is plugin, f"{module}.plugin is not this instance."
    unknown = set(plugin.slots) - SLOTS
    assert not unknown, f"The portal has no slot {sorted(unknown)}."
    for slot, template in plugin.slots.items():
        assert _template(plugin, template).is_file(), f"The template {template} of {slot} is not there."
    wanted = {f"{plugin.manifest.id}.process_event"}
    if "invoice_sync" in plugin.capabilities:
        wanted.add(f"{plugin.manifest.id}.run_sync_task")
    missing = wanted - _actors(package)
    assert not missing, f"{package}.actors declares no {' and no '.join(sorted(missing))}."


def check_credentials(plugin: Plugin) -> None:
    """Assert that the form can be drawn, and that signing secrets are kept like secrets."""
    names = [field.name for field in plugin.credentials]
    assert names, "A plugin without credentials cannot be connected."
    assert len(set(names)) == len(names), "Two credentials have one name."
    for field in plugin.credentials:
        assert NAME.fullmatch(field.name), f"{field.name!r} is no lower-case name."
        assert field.label.strip(), f"{field.name} has no label."
        assert field.hint.count("`") % 2 == 0, f"The hint of {field.name} opens code and does not close it."
        assert field.secret or not field.webhook, f"{field.name} signs webhooks, so it must be secret."
    assert plugin.webhook_secrets({}) == (), "webhook_secrets invents a secret where there is none."
    secrets = {field.name: Secret(f"{SAMPLE_SECRET}{n}") for n, field in enumerate(plugin.credentials)}
    strangers = set(plugin.webhook_secrets(secrets)) - set(secrets.values())
    assert not strangers, "webhook_secrets returns something that is not among the credentials."


def check_field_feedback(plugin: Plugin) -> None:
    """Assert that typing anything into any field gives words, calls nobody and repeats no secret."""
    for field in plugin.credentials:
        for text in TYPED:
            values = {other.name: Secret("") for other in plugin.credentials} | {field.name: Secret(text)}
            with without_network("check_field"):
                answers = [plugin.check_field(field.name, values, edited=edited) for edited in (False, True)]
            with without_network("describe_mode"):
                mode = plugin.describe_mode(values)
            for answer in [*answers, *([mode] if mode else [])]:
                _check_words(answer, field.name)


def check_masks(plugin: Plugin) -> None:
    """Assert that a saved secret is shown by its ends at most."""
    for field in plugin.credentials:
        shown = plugin.mask(field.name, Secret(SAMPLE_SECRET))
        assert not (field.secret and MIDDLE in shown), f"mask shows the middle of {field.name}."
        assert isinstance(plugin.mask(field.name, Secret("")), str), f"An empty {field.name} has no mask."


def check_questions(plugin: Plugin) -> None:
    """Assert that the checks have names of their own, need earlier ones only, and end."""
    earlier: set[str] = set()
    for check in plugin.checks:
        assert NAME.fullmatch(check.id), f"{check.id!r} is no lower-case name."
        assert check.id not in earlier, f"Two checks are called {check.id}."
        assert check.title.strip(), f"The check {check.id} has no title."
        assert check.waiting.strip(), f"The check {check.id} says nothing while it runs."
        late = set(check.needs) - earlier
        assert not late, f"The check {check.id} needs {sorted(late)}, which comes later or not at all."
        assert 0 < check.seconds <= LONGEST_CHECK_SECONDS, f"The deadline of {check.id} is {check.seconds} s."
        earlier.add(check.id)


def check_features(plugin: Plugin) -> None:
    """Assert that features, repairs and the test event refer to things that exist."""
    _check_unique([feature.id for feature in plugin.features], "Two features have one id:")
    known = {feature.id for feature in plugin.features}
    assert plugin.endpoint_feature in {"", *known}, f"There is no feature {plugin.endpoint_feature!r}."
    checks = {check.id for check in plugin.checks}
    assert plugin.test_event_check in {"", *checks}, f"There is no check {plugin.test_event_check!r}."
    for spec in plugin.credentials:
        if spec.offer:
            assert type(plugin).repair is not Plugin.repair, f"Nothing does what {spec.offer.label!r} offers."
        if spec.offer and spec.webhook:
            assert spec.offer.id in plugin.secret_repairs, f"{spec.offer.id} belongs into secret_repairs."


def check_pay_page(plugin: Plugin) -> None:
    """Assert that the pay page finds its partial and scripts, and that its policy takes the hosts."""
    if "payments" not in plugin.capabilities:
        return
    with without_network("pay_page"):
        page: PayPage = plugin.pay_page(sample_account(plugin), load_settings({}))
    assert _template(plugin, page.template).is_file(), f"The template {page.template} is not there."
    own = f"plugins/{plugin.manifest.id}/"
    for script in page.scripts:
        if not script.startswith("https://"):
            assert script.startswith(own), f"The script {script} is neither yours nor at an https address."
            found = _folder(plugin) / "static" / script.removeprefix(own)
            assert found.is_file(), f"The script {script} is not there."
    pay_csp(page.csp)


def check_help(plugin: Plugin) -> None:
    """Assert that each help page can be reached by its address and its codes, and be shown."""
    pages = plugin.help_pages
    assert plugin.manifest.id != PORTAL, "The id portal belongs to the portal's own help pages."
    for page in pages:
        assert SLUG.fullmatch(page.slug), f"{page.slug!r} is no slug such as key-refused."
        assert page.title.strip(), f"The help page {page.slug} has no title."
        assert page.summary.strip().endswith("."), f"The summary of {page.slug} is not a sentence."
        assert _template(plugin, page.template).is_file(), f"The template {page.template} is not there."
    _check_unique([page.slug for page in pages], "Two help pages have the slug")
    codes = [code for page in pages for code in page.codes]
    _check_unique(codes, "Two help pages, or one twice, list the code")
    for code in codes:
        assert CODE.fullmatch(code), f"The code {code!r} is not in upper case."
    shelf = HelpShelf(plugin.manifest.id, plugin.manifest.title, pages)
    for page in pages:
        _check_shown(plugin, shelf, page)


def check_anchors(page: HelpPage, shown: str) -> None:
    """Assert that the page, as it is shown, has a section for each code and what its own links lead to."""
    places = set(ELEMENT_ID.findall(shown))
    for code in page.codes:
        assert code in places, f"The help page {page.slug} has no section with the id {code}."
    dead = set(OWN_ANCHOR.findall(shown)) - places
    assert not dead, f"The help page {page.slug} links to {sorted(dead)}, which it does not have."


def _check_shown(plugin: Plugin, shelf: HelpShelf, page: HelpPage) -> None:
    engine = build_engine({shelf.id: _folder(plugin) / "templates"}, assets=load_assets())
    try:
        with without_network(f"the help page {page.slug}"):
            shown = render_fragment(engine, page.template, shell=Shell(), shelf=shelf, help=page)
    except (TemplateError, PortalError) as error:
        raise AssertionError(f"The help page {page.slug} cannot be shown: {error}") from error
    check_anchors(page, shown)


def _check_unique(names: list[str], words: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"{words} {', '.join(twice)}."


def _check_words(answer: FieldFeedback, field: str) -> None:
    assert isinstance(answer, FieldFeedback), f"The feedback on {field} is {answer!r}."
    assert answer.tone in TONES, f"The feedback on {field} has the tone {answer.tone!r}."
    assert MIDDLE not in answer.message, f"The feedback on {field} repeats what was typed."


def _folder(plugin: Plugin) -> Path:
    return Path(str(sys.modules[type(plugin).__module__].__file__)).parent


def _template(plugin: Plugin, name: str) -> Path:
    own = f"{plugin.manifest.id}/"
    assert name.startswith(own), f"The template {name} does not begin with {own}"
    return _folder(plugin) / "templates" / name.removeprefix(own)


def _actors(package: str) -> set[str]:
    """Names of the actors in `<package>.actors`, declared on a broker that reaches nobody."""
    name = f"{package}.actors"
    known = sys.modules.get(name)
    before = dramatiq.broker.global_broker
    if known is None:
        dramatiq.set_broker(StubBroker())
    try:
        module = known or import_optional(package, "actors")
    finally:
        if known is None:
            sys.modules.pop(name, None)
            dramatiq.broker.global_broker = before
    found = vars(module).values() if module else ()
    return {value.actor_name for value in found if isinstance(value, dramatiq.Actor)}
