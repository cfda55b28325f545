from __future__ import annotations

import pytest

from portal.settings import load_settings
from portal.web.addresses import client_address, is_our_host, is_our_origin, network_of, safe_path

LOCAL = load_settings({"PORTAL_BASE_URL": "http://127.0.0.1:8000"})
PUBLIC = load_settings({"PORTAL_BASE_URL": "https://portal.example", "PORTAL_ENV": "production"})

EVIL = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "https://evil.example",
    "http:evil.example",
    "https:/evil.example",
    "/%2f/evil.example",
    "/%2F%2Fevil.example",
    "/%5cevil.example",
    "/%09/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\tevil",
    "/\nevil",
    "/\r\nSet-Cookie: a=b",
    "\t//evil.example",
    "/@evil.example",
    "@evil.example",
    "user@evil.example",
    "/a//evil.example",
    "/a/../../evil",
    "/../evil",
    "/.evil",
    "/;evil",
    " /x",
    "evil.example",
    "/<script>",
    "/x#//evil",
    "/x\x00",
    "/ünicode",
    "",
    "/" + "a" * 600,
]


@pytest.mark.parametrize("text", EVIL)
def test_nothing_that_could_name_another_host_is_a_path(text: str) -> None:
    assert safe_path(text) == "/"


@pytest.mark.parametrize(
    "text", ["/", "/invoices", "/invoices/12/edit", "/invoices?tab=open&q=a%20b", "/a-b_c.d"]
)
def test_our_own_paths_pass(text: str) -> None:
    assert safe_path(text) == text


@pytest.mark.parametrize(
    ("host", "local", "public"),
    [
        ("127.0.0.1:8000", True, False),
        ("localhost:8000", True, False),
        ("[::1]:8000", True, False),
        ("portal.example", False, True),
        ("portal.example:8000", False, True),
        ("PORTAL.example", False, True),
        ("portal.example.evil.example", False, False),
        ("evilportal.example", False, False),
        ("portal.example@evil.example", False, False),
        ("evil.example#portal.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("", False, False),
        ("portal.example, evil.example", False, False),
    ],
)
def test_only_our_hosts_are_ours(host: str, local: bool, public: bool) -> None:  # noqa: FBT001 - a case of the table
    assert (is_our_host(host, LOCAL), is_our_host(host, PUBLIC)) == (local, public)


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        ("https://portal.example", True),
        ("https://evil.example", False),
        ("https://portal.example.evil.example", False),
        ("https://portal.example:444", False),
        ("null", False),
        ("", False),
        ("file://portal.example", False),
    ],
)
def test_only_our_origin_is_ours(origin: str, ours: bool) -> None:  # noqa: FBT001 - a case of the table
    assert is_our_origin(origin, "portal.example", PUBLIC) is ours


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("198.51.100.1", "203.0.113.9", (), "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9", ("10.0.0.0/8",), "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", ("10.0.0.0/8",), "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", ("10.0.0.0/8",), "203.0.113.9"),
        ("10.0.0.1", "nonsense", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", None, ("10.0.0.0/8",), "10.0.0.1"),
        (None, "203.0.113.9", (), ""),
    ],
)
def test_only_our_proxies_say_who_the_visitor_is(
    peer: str | None, forwarded: str | None, trusted: tuple[str, ...], address: str
) -> None:
    assert client_address(peer, forwarded, trusted) == address


def test_one_ipv6_customer_is_one_network() -> None:
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert network_of("::ffff:198.51.100.1") == network_of("198.51.100.1")
