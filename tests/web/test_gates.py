"""Foreign hosts, foreign forms, form tokens, headers, and what people see when something breaks."""

from __future__ import annotations

import json
import logging
import re
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar, Router, get
from litestar.datastructures import State
from litestar.response import ServerSentEvent
from litestar.routes import HTTPRoute

from portal.app import check_routes, create_app
from portal.database.transaction import connection
from portal.security.headers import RouteClass, pay_csp, security_headers
from portal.security.redaction import JsonLines
from portal.settings import Settings, current_settings
from portal.web.errors import exception_handlers
from portal.web.guards import SAFE_METHODS
from portal.web.middlewares import header_hook
from portal.web.request import PortalRequest
from tests.visitors import TOKEN_COOKIE, Visitor

OURS = "http://testserver.local"


async def entries() -> int:
    async with connection() as held:
        count: int = await held.fetchval("SELECT count(*) FROM audit_entry")
    return count


@pytest.mark.parametrize("number", [f"{2**63}", "9" * 20, "9" * 4_500], ids=["bigint", "longer", "endless"])
async def test_number_that_no_record_can_have_is_an_address_without_a_page(
    owner: Visitor, number: str
) -> None:
    for path in ("/invoices/{}", "/invoices/-{}/edit", "/invoices/{}/invoice.pdf", "/customers/{}"):
        assert (await owner.get(path.format(number))).status_code == 404
    for path in ("/invoices/{}/reminders", "/settings/finance/tax-rates/{}"):
        assert (await owner.post(path.format(number))).status_code == 404


async def test_form_without_token_is_refused(owner: Visitor) -> None:
    await owner.token()
    answer = await owner.http.post("/sign-out", data={})
    assert answer.status_code == 403
    assert await entries() == 0


@pytest.mark.parametrize("token", ["", "guess", "0" * 128, "é" * 128, "null"])
async def test_wrong_token_is_refused_without_a_fault(owner: Visitor, token: str) -> None:
    await owner.token()
    answer = await owner.http.post("/sign-out", data={"_csrf_token": token})
    assert answer.status_code == 403


async def test_token_of_another_browser_is_refused(owner: Visitor, app: Litestar) -> None:
    foreign = await Visitor(app).token()
    await owner.token()
    answer = await owner.http.post("/sign-out", data={"_csrf_token": foreign})
    assert answer.status_code == 403


async def test_damaged_token_cookie_is_replaced_and_never_shown(visitor: Visitor) -> None:
    visitor.http.cookies.set(
        TOKEN_COOKIE, "x<script>alert(1)</script>" + "A" * 130, domain="testserver.local"
    )
    page = await visitor.get("/sign-in")
    assert "alert(1)" not in page.text
    assert TOKEN_COOKIE in page.headers["set-cookie"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": OURS}, 303),
        ({"Origin": OURS, "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://testserver.local.evil.example"}, 403),
        ({"Origin": "http://testserver.local:81"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": OURS, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_form_of_another_site_is_refused_even_with_a_token(
    owner: Visitor, headers: dict[str, str], status: int
) -> None:
    data = {"_csrf_token": await owner.token()}
    answer = await owner.http.post("/sign-out", data=data, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("host", ["evil.example", "testserver.local.evil.example", "a@testserver.local"])
async def test_foreign_host_gets_no_page(visitor: Visitor, host: str) -> None:
    answer = await visitor.http.get("/sign-in", headers={"Host": host})
    assert answer.status_code == 400
    assert "Sign in" not in answer.text.partition("<main")[2].partition("</h1>")[0]


async def test_links_never_follow_a_forwarded_host(visitor: Visitor) -> None:
    page = await visitor.http.get(
        "/sign-in", headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    )
    assert "evil.example" not in page.text


async def test_form_larger_than_the_cap_is_refused(visitor: Visitor) -> None:
    answer = await visitor.post("/sign-in", {"email": "a" * 70_000})
    assert answer.status_code == 413


async def test_field_that_the_form_does_not_have_is_refused(visitor: Visitor) -> None:
    answer = await visitor.post("/sign-in", {"email": "a", "password": "b", "role": "owner"})
    assert answer.status_code == 400


def streams(app: Litestar) -> set[str]:
    """What does not end by itself: it tells what changes."""
    found = {
        route.path: route.route_handler_map.get("GET") for route in app.routes if isinstance(route, HTTPRoute)
    }
    return {
        path
        for path, handler in found.items()
        if handler and handler[0].parsed_fn_signature.return_type.annotation is ServerSentEvent
    }


async def test_reading_changes_nothing(owner: Visitor, app: Litestar) -> None:
    async def snapshot() -> list[str]:
        async with connection() as held:
            return [
                str(await held.fetchval(f"SELECT array_agg(t::text ORDER BY t::text) FROM {table} t"))  # noqa: S608 - our own table names
                for table in (
                    "person",
                    "organisation",
                    "audit_entry",
                    "setup_token",
                    "login_attempt",
                    "invoice",
                )
            ]

    before = await snapshot()
    for path in sorted(app.state.pages - streams(app)):
        if "{" not in path:
            answer = await owner.get(path)
            assert answer.status_code < 500, path
    assert await snapshot() == before


@pytest.mark.parametrize(
    ("path", "status"), [("/sign-in", 200), ("/nothing-here", 404), ("/audit-log", 303), ("/health", 200)]
)
async def test_every_answer_carries_the_headers(visitor: Visitor, path: str, status: int) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == status
    expected = security_headers(RouteClass.ADMIN, secure=False)
    assert {name: answer.headers[name] for name in expected} == expected
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'"
    )
    assert "unsafe" not in answer.headers["content-security-policy"]


async def test_errors_carry_the_headers_too(owner: Visitor) -> None:
    answer = await owner.http.post("/sign-out")
    assert answer.status_code == 403
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_https_adds_strict_transport_and_pay_pages_stay_silent() -> None:
    pay = security_headers(RouteClass.PAY, secure=True)
    assert pay["strict-transport-security"].startswith("max-age=31536000")
    assert pay["referrer-policy"] == "no-referrer"
    assert "payment" not in pay["permissions-policy"]
    assert "payment=()" in security_headers(RouteClass.ADMIN, secure=True)["permissions-policy"]


def test_plugin_adds_hosts_to_the_pay_page_and_nothing_else() -> None:
    policy = pay_csp({"script-src": ("https://js.stripe.com", "https://*.js.stripe.com")})
    assert "script-src 'self' https://js.stripe.com https://*.js.stripe.com;" in policy
    for bad in (
        {"script-src": ("'unsafe-inline'",)},
        {"script-src": ("https://*",)},
        {"script-src": ("*",)},
        {"script-src": ("http://js.stripe.com",)},
        {"base-uri": ("https://js.stripe.com",)},
        {"script-src": ("https://a.example; object-src *",)},
    ):
        with pytest.raises(ValueError, match=r"plugin|takes"):
            pay_csp(bad)


async def test_static_files_and_probes_set_no_cookie(visitor: Visitor, app: Litestar) -> None:
    for path in (app.state.assets.url("portal.css"), "/health", "/ready"):
        answer = await visitor.get(path)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers


async def test_pages_are_compressed_once(visitor: Visitor, app: Litestar) -> None:
    page = await visitor.get("/sign-in", accept_encoding="gzip")
    assert page.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["vary"]
    assert page.text.startswith("<!doctype html>")
    style = await visitor.get(app.state.assets.url("portal.css"), accept_encoding="gzip")
    assert ".p-shell" in style.text


@get("/break")
async def break_down() -> None:
    """Fails the way a bug would."""
    raise RuntimeError("the key sk_test_abc123def456 did not work")


async def test_fault_shows_a_reference_that_the_log_has_and_no_detail(
    settings: Settings, app: Litestar, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Litestar(
        [Router("/", route_handlers=[break_down], opt={"access": RouteClass.ADMIN})],
        request_class=PortalRequest,
        exception_handlers=exception_handlers(),
        before_send=[header_hook(settings)],
        template_config=None,
        state=State({}),
        openapi_config=None,
        logging_config=None,
    )
    broken.template_engine = app.template_engine
    with caplog.at_level(logging.ERROR, "portal.web"):
        answer = await Visitor(broken).get("/break")
    assert answer.status_code == 500
    assert "sk_test" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "Traceback" not in answer.text
    reference = re.search(r"Reference <code>([0-9a-f]+)</code>", answer.text)
    assert reference
    line = JsonLines("web").format(caplog.records[-1])
    assert "sk_test_abc123def456" not in line
    assert json.loads(line)["request_id"] == reference[1] == answer.headers["x-request-id"]


async def test_unknown_address_is_a_page_for_people_and_a_fragment_for_htmx(owner: Visitor) -> None:
    assert "This page does not exist" in (await owner.get("/nope")).text
    fragment = await owner.get("/nope", hx_request="true", hx_request_type="partial")
    assert "<html" not in fragment.text
    assert "There is nothing at this address." in fragment.text


async def test_viewer_reads_and_does_not_write(viewer: Visitor) -> None:
    assert (await viewer.get("/settings/finance")).status_code == 200
    answer = await viewer.post("/settings/finance", {"name": "Mine"})
    assert answer.status_code == 403
    assert "This needs the role admin. Yours is viewer." in answer.text
    assert (await viewer.post("/sign-out")).status_code == 303


async def test_every_page_of_the_navigation_exists(owner: Visitor, app: Litestar) -> None:
    items = [item for section in app.state.navigation.sections for item in section.items]
    assert {"/", "/audit-log", "/settings/finance"} <= {item.href for item in items}
    for item in items:
        assert (await owner.get(item.href)).status_code == 200, item.href


async def test_every_unsafe_route_refuses_a_stranger_and_a_viewer(
    app: Litestar, visitor: Visitor, viewer: Visitor
) -> None:
    """The role matrix, made from the route table itself."""
    for route in app.routes:
        for method in getattr(route, "methods", set()) - SAFE_METHODS:
            handler, _ = route.route_handler_map[method]  # type: ignore[union-attr]  # HTTP routes alone have methods
            if handler.opt["access"] != RouteClass.ADMIN or handler.opt.get("viewer_may"):
                continue
            path = re.sub(r"\{\w+:(\w+)\}", lambda found: "1" if found[1] == "int" else "stripe", route.path)
            assert (await visitor.post(path)).status_code == 303, path
            assert (await viewer.post(path)).status_code == 403, path


async def test_readiness_tells_no_versions(visitor: Visitor) -> None:
    answer = await visitor.get("/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_production_cookies_have_the_host_prefix(
    monkeypatch: pytest.MonkeyPatch, database: None
) -> None:
    monkeypatch.setenv("PORTAL_BASE_URL", "https://portal.example")
    current_settings.cache_clear()
    try:
        transport = httpx.ASGITransport(app=cast("Any", create_app(current_settings(), plugins=())))
        async with httpx.AsyncClient(transport=transport, base_url="https://portal.example") as browser:
            answer = await browser.get("/sign-in")
    finally:
        current_settings.cache_clear()
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-portal_csrf=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "strict-transport-security" in answer.headers


def test_all_routes_stand_the_check(app: Litestar) -> None:
    check_routes(app)
