"""What the portal finds when it calls its own address: itself, something in between, or nobody."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from litestar import Litestar

from portal.errors import ConfigurationError
from portal.settings import current_settings
from portal.webhooks import notes, reach
from portal.webhooks.intake import forget_connections
from portal.webhooks.reach import Answerer, Reached, answer_nonce, reach_endpoint
from tests.builders import connect_account
from tests.visitors import Visitor

NONCE = "0123456789abcdef0123456789abcdef"
PATH = "/webhooks/stripe/some-token"
PointAt = Callable[[str], None]


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[PointAt]:
    """Make an address the portal's public one."""

    def change(base_url: str) -> None:
        monkeypatch.setenv("PORTAL_BASE_URL", base_url)
        current_settings.cache_clear()

    yield change
    monkeypatch.undo()
    current_settings.cache_clear()


@pytest.fixture
async def http(app: Litestar, database: None) -> AsyncIterator[httpx.AsyncClient]:
    forget_connections()
    client = Visitor(app).http
    yield client
    await client.aclose()


@contextmanager
def answering(status: int, tls: ssl.SSLContext | None = None, **headers: str) -> Iterator[int]:
    """Something else that answers; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(5)


async def asked(point_at: PointAt, base: str) -> Reached:
    point_at(base)
    return await reach_endpoint(base + PATH)


async def test_the_portal_answers_its_own_nonce_for_any_address_and_counts_nothing(
    http: httpx.AsyncClient,
) -> None:
    account = await connect_account()
    for path in (account.webhook_path, PATH, "/webhooks/nothing/x"):
        answer = await http.post(path, headers={"Portal-Nonce": NONCE})
        assert (answer.status_code, answer.json()) == (400, {"status": "refused"})
        assert answer.headers["portal-answer"] == answer_nonce(NONCE)
    assert not notes._refusals


@pytest.mark.parametrize("nonce", ["", "x", NONCE[:-1], NONCE + "0", NONCE.upper(), "g" * 32])
async def test_what_is_no_nonce_gets_no_answer_to_one(http: httpx.AsyncClient, nonce: str) -> None:
    answer = await http.post(PATH, headers={"Portal-Nonce": nonce})
    assert answer.status_code == 404
    assert "portal-answer" not in answer.headers


def test_an_answer_fits_its_nonce_alone() -> None:
    assert answer_nonce(NONCE) != answer_nonce(NONCE[::-1])


async def test_this_portal_is_recognised(
    http: httpx.AsyncClient, point_at: PointAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: http)
    base = current_settings().base_url
    found = await asked(point_at, base)
    assert (found.by, found.ours, found.private) == (Answerer.OURS, True, True)


@pytest.mark.parametrize("status", [200, 400, 404, 502])
async def test_an_answer_of_something_else_is_told_with_its_status(point_at: PointAt, status: int) -> None:
    with answering(status, portal_answer="0" * 64) as port:
        found = await asked(point_at, f"http://127.0.0.1:{port}")
    assert (found.by, found.status, found.ours) == (Answerer.SOMETHING_ELSE, status, False)
    assert str(status) in found.words


@pytest.mark.parametrize(
    ("location", "named"),
    [("https://www.example.com/login?next=secret", "www.example.com"), ("/elsewhere", "127.0.0.1")],
)
async def test_a_redirect_is_not_followed_and_names_the_host_alone(
    point_at: PointAt, location: str, named: str
) -> None:
    with answering(308, location=location) as port:
        found = await asked(point_at, f"http://127.0.0.1:{port}")
    assert found.by is Answerer.REDIRECT
    assert f"redirects to {named} (308)" in found.words
    assert "secret" not in found.words


async def test_nobody_listens(point_at: PointAt) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = await asked(point_at, f"http://127.0.0.1:{port}")
    assert found.by is Answerer.REFUSED


async def test_a_name_that_does_not_exist(point_at: PointAt, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = await asked(point_at, "https://portal.nowhere.example")
    assert (found.by, found.private) == (Answerer.NO_SUCH_NAME, False)


async def test_a_certificate_that_nobody_trusts(point_at: PointAt, tmp_path: Path) -> None:
    with answering(200, tls=self_signed(tmp_path)) as port:
        found = await asked(point_at, f"https://127.0.0.1:{port}")
    assert found.by is Answerer.NOT_TRUSTED


async def test_silence_has_a_deadline(point_at: PointAt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "SECONDS", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        found = await asked(point_at, f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert found.by is Answerer.SILENT


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/webhooks/stripe/x",
        "https://portal.example.com.evil.example/webhooks/stripe/x",
        "https://portal.example.com@evil.example/webhooks/stripe/x",
        "https://portal.example.com/elsewhere",
    ],
)
async def test_only_addresses_of_this_portal_are_called(point_at: PointAt, url: str) -> None:
    point_at("https://portal.example.com")
    with pytest.raises(ConfigurationError):
        await reach_endpoint(url)


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([]), dt.datetime.now(dt.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
        .add_extension(alternative, critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
