"""How an endpoint's address compares with ours, and which hosts the internet reaches."""

from __future__ import annotations

import pytest

from plugins.stripe.domain.addresses import (
    Likeness,
    compare,
    differences,
    is_public,
    shorten_address,
)
from plugins.stripe.domain.endpoints import made_for, made_here, marks, replaces

OURS = "https://pay.example.com/webhooks/stripe/TokenOfTheTest01"


@pytest.mark.parametrize(
    ("url", "likeness"),
    [
        (OURS, Likeness.EXACT),
        (OURS + "/", Likeness.NEAR_MISS),
        (OURS.replace("https", "http"), Likeness.NEAR_MISS),
        (OURS.replace("pay.", "www."), Likeness.NEAR_MISS),
        (OURS.replace(".com", ".com:8443"), Likeness.NEAR_MISS),
        (OURS.replace("pay.example", "PAY.example"), Likeness.NEAR_MISS),
        (OURS.replace("Token", "Other"), Likeness.SIBLING),
        (OURS.replace("Token", "Other").replace(".com", ".com:443"), Likeness.SIBLING),
        (OURS.lower(), Likeness.SIBLING),
        (OURS.replace("Token", "Other").replace("pay.", "www."), Likeness.FOREIGN),
        (OURS.replace("/stripe/", "/other/"), Likeness.FOREIGN),
        ("https://shop.example.com/hook", Likeness.FOREIGN),
        ("https://pay.example.com:port/hook", Likeness.FOREIGN),
    ],
)
def test_an_address_is_ours_nearly_ours_once_ours_or_foreign(url: str, likeness: Likeness) -> None:
    assert compare(url, OURS) is likeness


def test_an_address_that_differs_in_writing_alone_is_said_to() -> None:
    assert differences(OURS.replace("pay.example", "PAY.example"), OURS) == ("is written differently",)


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("pay.example.com", True),
        ("8.8.8.8", True),
        ("127.0.0.1", False),
        ("localhost", False),
        ("portal", False),
        ("portal.local", False),
        ("portal.internal", False),
        ("10.0.0.4", False),
        ("192.168.1.4", False),
        ("::1", False),
        ("", False),
    ],
)
def test_a_host_is_public_or_not(host: str, public: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_public(host) is public


def test_an_address_is_named_without_its_secret() -> None:
    assert shorten_address(OURS) == "https://pay.example.com/webhooks/stripe/TokenO…"
    assert shorten_address("https://shop.example.com/hook") == "https://shop.example.com/hook"


@pytest.mark.parametrize(
    ("metadata", "instance", "account_id", "ours"),
    [
        (marks("here", 7), "here", 7, True),
        (marks("here", None), "here", 7, True),
        (marks("here", 7), "here", None, False),
        (marks("here", None), "here", None, False),
        (marks("here", 8), "here", 7, False),
        (marks("there", 7), "here", 7, False),
        (marks("", 7), "", 7, False),
        ({}, "here", 7, False),
        ({"portal_instance": ""}, "", 7, False),
    ],
)
def test_only_what_this_installation_made_for_this_connection_is_its_own(
    metadata: dict[str, str],
    instance: str,
    account_id: int | None,
    ours: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert made_for(metadata, instance, account_id) is ours
    assert made_here(metadata, instance) or not ours


def test_a_replacement_remembers_what_it_replaces() -> None:
    assert replaces(marks("here", 7, replaces=["we_1", "we_2"])) == {"we_1", "we_2"}
    assert replaces(marks("here", 7)) == frozenset()
