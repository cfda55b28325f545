"""When mail is tried again, and what is shown of an address."""

from __future__ import annotations

import pytest

from portal.mail.rules import LONGEST_DELAY_SECONDS, MAX_ATTEMPTS, masked, one_line, retry_delay


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("jo@example.com", "j•••@example.com"),
        ("a.b@c.example", "a•••@c.example"),
        ("@example.com", "•••@example.com"),
        ("nobody", "•••"),
        ("", "•••"),
    ],
)
def test_an_address_in_a_log_shows_its_first_letter_and_its_host(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_waits_grow_to_an_hour_and_end_after_more_than_a_day() -> None:
    delays = [retry_delay(attempt) for attempt in range(1, MAX_ATTEMPTS + 1)]
    assert delays[0] < 60
    assert max(delays) <= LONGEST_DELAY_SECONDS * 1.25
    assert sum(delays) > 18 * 3600


@pytest.mark.parametrize(
    ("typed", "header"),
    [
        ("Northwind\r\nBcc: eve@example.com", "Northwind Bcc: eve@example.com"),
        ("a\u2028b\x00c", "a b c"),
        ("  Müller  &  Söhne ", "Müller & Söhne"),
    ],
)
def test_a_text_for_a_header_is_one_line(typed: str, header: str) -> None:
    assert one_line(typed) == header
