"""What a message looks like, and that nothing that people type becomes a header or markup."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from portal.mail.letters import Attachment, Envelope, Letter, NoAddress, build_message, html_of

ENVELOPE = Envelope("jo@example.com", "billing@northwind.example", "<1@portal.example>")
EVIL = "Evil\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>"


def received(letter: Letter, envelope: Envelope = ENVELOPE) -> EmailMessage:
    """As a receiver reads it."""
    return message_from_bytes(build_message(letter, envelope).as_bytes(), policy=policy.default)


def test_a_letter_arrives_as_text_and_html_with_its_attachment() -> None:
    letter = Letter("Invoice INV-1", "Hello\n\nPay here: https://p.example/pay/x.", "Müller & Söhne")
    message = received(
        Letter(letter.title, letter.text, letter.from_name, "a@b.example", (Attachment("i.pdf", b"%PDF-"),))
    )
    assert (message["Subject"], message["To"], message["Reply-To"]) == (
        "Invoice INV-1",
        "jo@example.com",
        "a@b.example",
    )
    assert message["From"].addresses[0].display_name == "Müller & Söhne"
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text
    assert page
    assert "https://p.example/pay/x." in text.get_content()
    assert '<a href="https://p.example/pay/x">' in page.get_content()
    assert [part.get_filename() for part in message.iter_attachments()] == ["i.pdf"]


def test_typed_line_ends_make_no_header() -> None:
    message = received(Letter(EVIL, EVIL, EVIL, attachments=(Attachment(EVIL, b"x"),)))
    assert message["Bcc"] is None
    assert set(message.keys()) == {
        "Message-ID",
        "Date",
        "From",
        "To",
        "Subject",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    }


@pytest.mark.parametrize(
    "address",
    ["a@b.example\r\nBcc: e@f.example", "a@b.example, e@f.example", "J <j@b.example>", "", "ü@b.example"],
)
def test_what_is_more_than_one_address_is_no_address(address: str) -> None:
    with pytest.raises(NoAddress):
        build_message(
            Letter("t", "t", "N"), Envelope(address, ENVELOPE.from_address, ENVELOPE.message_id)
        ).as_bytes()


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("a < b & c", "<p>a &lt; b &amp; c</p>"),
        ("one\ntwo\n\nthree", "<p>one<br>\ntwo</p>\n<p>three</p>"),
        (
            'https://a.example/"onload="x',
            '<p><a href="https://a.example/">https://a.example/</a>&quot;onload=',
        ),
        ("javascript:alert(1)", "<p>javascript:alert(1)</p>"),
        ("(https://a.example/x?y=1&z=2).", '(<a href="https://a.example/x?y=1&amp;z=2">'),
    ],
)
def test_html_holds_paragraphs_and_links_and_nothing_that_was_typed(text: str, markup: str) -> None:
    assert markup in html_of(text)


@pytest.mark.parametrize(
    "name",
    [
        "Very Long Company Name, With Commas, And Words That Go On, Until The Line Is Full, Ltd. & Co. KG",
        f"Mallory <mallory@example.org>, {'x' * 80}",
        f"x@{'y' * 80}",
        f"(Holding) {'B' * 90}",
        "\\" * 90,
        f"{'x' * 80} {'x' * 80}",
        '",' * 60,
        f"Müller, Söhne & Töchter, {'ü' * 90}",
        f"{'x' * 80}%@\u200b{'x' * 80}\\=?utf-8?q?x?=\u200b['(\"",
    ],
)
def test_a_name_of_more_than_a_line_stays_one_senders(name: str) -> None:
    letter = Letter("Invoice INV-1", "Pay.", name, "billing@northwind.example")
    read = message_from_bytes(build_message(letter, ENVELOPE).as_bytes(), policy=policy.SMTP)
    assert [sender.addr_spec for sender in read["from"].addresses] == [ENVELOPE.from_address]
    assert [reader.addr_spec for reader in read["to"].addresses] == [ENVELOPE.to_address]
    assert read["subject"] == "Invoice INV-1"


def test_a_name_that_fits_into_a_line_is_written_as_it_is() -> None:
    letter = Letter("Invoice INV-1", "Pay.", 'The "Best", Ltd. (Holding)')
    read = message_from_bytes(build_message(letter, ENVELOPE).as_bytes(), policy=policy.SMTP)
    assert read["from"].addresses[0].display_name == 'The "Best", Ltd. (Holding)'


def test_a_host_with_letters_of_its_own_language_is_written_as_servers_know_it() -> None:
    message = received(Letter("t", "t", "N"), Envelope("jo@müller.example", "portal@localhost", "<1@p>"))
    assert message["To"] == "jo@xn--mller-kva.example"


def test_a_reply_address_that_cannot_be_named_is_told_apart_from_the_customers() -> None:
    envelope = Envelope("jo@example.com", "billing@northwind.example", "<1@portal.example>")
    with pytest.raises(NoAddress, match="Replies would go to") as refused:
        build_message(Letter("Invoice", "Hello", "Northwind", reply_to="jörg@northwind.example"), envelope)
    assert "finance settings" in refused.value.hint
