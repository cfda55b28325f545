"""A small portal for the pay page: real templates, script and headers, around one payment at a sandbox."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
from litestar.plugins.jinja import JinjaTemplateEngine

from plugins.stripe.domain.declines import bank_returns, customer_texts
from portal.contract.payables import PayPage
from portal.invoices.pay_history import BankReturn
from portal.invoices.pay_views import PATHS
from portal.money import Money
from portal.security.headers import pay_csp
from portal.settings import ROOT
from portal.web.assets import Assets, load_assets
from portal.web.templates import build_engine

STRIPE_JS = "https://js.stripe.com/endive/stripe.js"
STRIPE_HOSTS = ("https://js.stripe.com", "https://*.js.stripe.com")
AT = datetime(2026, 11, 23, 9, 14, tzinfo=UTC)
PATH = "/pay/token"
CSRF = "token-of-the-form"
NEWS_SECONDS = 0.05
SETTLED = {"succeeded": "paid", "processing": "processing", "canceled": "void"}


@functools.cache
def _parts() -> tuple[JinjaTemplateEngine, Assets]:
    plugin = ROOT / "plugins" / "stripe"
    assets = load_assets({"stripe": plugin / "static"})
    return build_engine({"stripe": plugin / "templates"}, assets=assets), assets


@dataclass
class PayPortal:
    """What the page's server knows. Tests change it and call `announce`."""

    api_url: str
    publishable_key: str
    secret_key: str
    script: str = STRIPE_JS
    url: str = ""
    state: str = "ready"
    amount_minor: int = 48000
    theme: str | None = None
    start_status: int = 200
    start_body: dict[str, Any] = field(default_factory=dict)
    start_refuses_once: bool = False
    refresh_works: bool = True
    live_works: bool = True
    payment_method: str = "Visa ending 4242"
    express: bool = True
    bank_return: BankReturn | None = None
    hosted_url: str | None = None
    writes: bool = True
    customer_session: str | None = None
    starts: int = 0
    news: int = 0
    shown: int = 0
    """How many of them the page that was rendered last knew: its stream begins behind those."""
    intent: dict[str, Any] | None = None
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.engine, self.assets = _parts()

    @property
    def page_url(self) -> str:
        """Where the customer opens the invoice."""
        return self.url + PATH

    def announce(self, state: str | None = None) -> None:
        """Change the state, if one is given, and tell every open page."""
        self.state = state or self.state
        self.news += 1

    def intent_now(self) -> dict[str, Any]:
        """The payment as the sandbox has it; made at the first call."""
        if self.intent is None:
            params = {
                "amount": self.amount_minor,
                "currency": "usd",
                "automatic_payment_methods[enabled]": "true",
            }
            self.intent = self._call("POST", "/v1/payment_intents", params)
        return self._call("GET", f"/v1/payment_intents/{self.intent['id']}")

    def start(self) -> tuple[int, dict[str, Any]]:
        """The answer to start, as the portal gives it."""
        self.starts += 1
        if self.start_status != 200:
            refusal = self.start_status, self.start_body
            self.start_status = 200 if self.start_refuses_once else self.start_status
            return refusal
        if self.state not in ("ready", "partly_paid"):
            return 409, {"state": self.state}
        return 200, {
            "publishable_key": self.publishable_key,
            "client_secret": self.intent_now()["client_secret"],
            "amount_minor": self.amount_minor,
            "currency": "usd",
            "amount_text": self.amount,
            "return_url": f"{self.page_url}/return",
            **({"customer_session": self.customer_session} if self.customer_session else {}),
        }

    def refresh(self) -> None:
        """Read the payment at the sandbox and take its state over."""
        if self.refresh_works:
            self.state = SETTLED.get(self.intent_now()["status"], self.state)

    @property
    def amount(self) -> str:
        """The sum as people read it."""
        return f"${self.amount_minor // 100}.{self.amount_minor % 100:02d}"

    @property
    def csp(self) -> str:
        """The policy that the page is served with."""
        origin = urlsplit(self.script)
        if origin.hostname != "js.stripe.com":
            own = (f"{origin.scheme}://{origin.netloc}",)
            return pay_csp({"script-src": own, "frame-src": own, "connect-src": own})
        return pay_csp(
            {
                "script-src": STRIPE_HOSTS,
                "frame-src": (*STRIPE_HOSTS, "https://hooks.stripe.com"),
                "connect-src": ("https://api.stripe.com",),
            }
        )

    def render(self, template: str) -> str:
        """One of the pay templates in the present state."""
        self.shown = self.news
        return str(self.engine.get_template(template).render(self._context()))

    def _call(self, method: str, path: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.secret_key}"}
        answer = httpx.request(method, self.api_url + path, data=params, headers=headers, timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def _context(self) -> dict[str, Any]:
        pay = PayPage(
            template="stripe/pay.html",
            context={
                "declines": customer_texts(),
                "bank_returns": bank_returns(),
                "test_card": "4242 4242 4242 4242",
                "express": self.express,
            },
            scripts=(self.script, self.assets.url("plugins/stripe/pay.js")),
            csp={},
        )
        return {
            "merchant": {
                "name": "Northwind Studio",
                "contact_email": "billing@northwind.example",
                "initial": "N",
                "logo_url": None,
            },
            "mode": "test",
            "theme": self.theme,
            "csrf_token": CSRF,
            "state": self.state,
            "invoice": self._invoice(),
            "payment": self._payment() if self.state in ("paid", "processing") else None,
            "pay": pay if self.state in ("ready", "partly_paid", "processing") else None,
            "urls": {name: f"{PATH}/{path}" for name, path in PATHS.items()},
            "renew_url": None,
            "bank_return": self.bank_return,
            "hosted_url": self.hosted_url,
            "writes": self.writes,
        }

    def _invoice(self) -> dict[str, Any]:
        return {
            "number": "INV-0043",
            "currency": "usd",
            "lines": [
                ("Brand guidelines, second edition", 1, "$320.00", "$320.00"),
                ("Icon set, 40 glyphs", 2, "$40.00", "$80.00"),
            ],
            "subtotal": "$400.00",
            "discount": Money(2_000, "usd"),
            "discount_title": "Discount (5%)",
            "taxes": [("VAT 20%", "$60.00"), ("VAT 5%", "$40.00")],
            "total": "$480.00",
            "amount_due": "$0.00" if self.state == "paid" else self.amount,
            "amount_paid": Money(12_000, "usd") if self.state == "partly_paid" else None,
            "amount_returned": None,
            "amount_credited": Money(8_000, "usd") if self.state == "partly_paid" else None,
            "due_at": datetime(2026, 11, 30, tzinfo=UTC),
            "due_in_days": 7,
            "issued_at": datetime(2026, 11, 16, tzinfo=UTC),
            "customer_name": "Globex Trading Ltd",
        }

    def _payment(self) -> dict[str, Any]:
        bank = self.state == "processing"
        return {
            "amount": self.amount,
            "method": "Test Bank ending 6789" if bank else self.payment_method,
            "date": AT,
            "reference": "INV-0043",
            "expected_at": datetime(2026, 11, 27, tzinfo=UTC) if bank else None,
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    portal: PayPortal


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        portal, path = self.server.portal, urlsplit(self.path).path
        if path.startswith("/static/"):
            return self._send_asset(path.removeprefix("/static/"))
        if path == f"{PATH}/live":
            return self._stream() if portal.live_works else self._send(404, "", "text/plain")
        if path == f"{PATH}/return":
            portal.refresh()
        name = {PATH: "page.html", f"{PATH}/return": "page.html", f"{PATH}/card": "_card.html"}.get(path)
        if name is None:
            return self._send(404, "no such page", "text/plain")
        return self._send(200, portal.render(f"pay/{name}"), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        portal = self.server.portal
        if self.headers.get("x-csrftoken") != CSRF:
            return self._send(403, "{}", "application/json")
        if self.path == f"{PATH}/start":
            status, body = portal.start()
            return self._send(status, json.dumps(body), "application/json")
        portal.refresh()
        return self._send(200, json.dumps({"state": portal.state}), "application/json")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
        pass

    def _send_asset(self, path: str) -> None:
        found = self.server.portal.assets.find(path)
        if found is None:
            return self._send(404, "", "text/plain")
        return self._send(200, found[0].body, found[0].media_type)

    def _send(self, status: int, body: str | bytes, media_type: str) -> None:
        raw = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(raw)))
        self.send_header("content-security-policy", self.server.portal.csp)
        self.send_header("x-pay-state", self.server.portal.state)
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self) -> None:
        portal = self.server.portal
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        seen = portal.shown
        try:
            self.wfile.write(b": hello\n\n")
            while not portal.closing.wait(NEWS_SECONDS) and portal.live_works:
                if portal.news != seen:
                    seen = portal.news
                    self.wfile.write(f"event: changed\ndata: {portal.state}\n\n".encode())
        except OSError:
            return


@contextmanager
def running_portal(portal: PayPortal, port: int = 0) -> Iterator[PayPortal]:
    """Serve the portal on the loopback until the block ends."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.portal = portal
    portal.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield portal
    finally:
        portal.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
