"""Handing mail over: privately, once, and without the password in any text."""

from __future__ import annotations

import dataclasses
import stat
from email.message import EmailMessage
from pathlib import Path

import pytest

from portal.contract.secrets import Secret
from portal.errors import ConfigurationError
from portal.mail import servers
from portal.mail.letters import Envelope, Letter, build_message
from portal.mail.servers import (
    Encryption,
    MailDelayed,
    MailNotSetUp,
    MailRefused,
    SmtpServer,
    hand_over,
    hand_to_server,
    smtp_server,
)
from portal.settings import Settings, load_settings
from tests.mail.sinks import Sink

PASSWORD = "canary-pass-93xQ"


def message() -> EmailMessage:
    """Any message."""
    envelope = Envelope("jo@example.com", "billing@northwind.example", "<20261126.1@portal.example>")
    return build_message(Letter("Invoice", "Hello", "Northwind"), envelope)


def server_of(sink: Sink, **changes: object) -> SmtpServer:
    """The sink as the settings would name it."""
    return dataclasses.replace(SmtpServer("127.0.0.1", sink.port, Encryption.NONE), **changes)  # type: ignore[arg-type]  # names of fields


def settings_with(url: str, **more: str) -> Settings:
    """Settings that name this server."""
    return load_settings({"PORTAL_SMTP_URL": url, "PORTAL_MAIL_FROM": "a@b.example", **more})


@pytest.mark.parametrize(
    ("url", "host", "port", "encryption"),
    [
        ("smtp://u:p@mail.example", "mail.example", 587, Encryption.STARTTLS),
        ("smtp://mail.example:25", "mail.example", 25, Encryption.STARTTLS),
        ("smtps://u:p@mail.example", "mail.example", 465, Encryption.AT_ONCE),
        ("smtps://127.0.0.1:1", "127.0.0.1", 1, Encryption.AT_ONCE),
        ("smtp://localhost:1025", "localhost", 1025, Encryption.NONE),
        ("smtp://10.0.0.4", "10.0.0.4", 587, Encryption.STARTTLS),
    ],
)
def test_only_a_server_on_this_machine_is_talked_to_in_the_clear(
    url: str, host: str, port: int, encryption: Encryption
) -> None:
    server = smtp_server(settings_with(url))
    assert server
    assert (server.host, server.port, server.encryption) == (host, port, encryption)


def test_letters_with_a_meaning_in_addresses_may_stand_in_a_password() -> None:
    server = smtp_server(settings_with("smtp://me%40x.example:p%2F%3A%40@mail.example"))
    assert server
    assert (server.user, server.password.reveal()) == ("me@x.example", "p/:@")


@pytest.mark.parametrize(
    "url", [f"http://u:{PASSWORD}@h", f"smtp://u:{PASSWORD}@h:port", f"smtp://:{PASSWORD}@h", "smtp://"]
)
def test_a_wrong_address_stops_the_start_without_showing_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_with(url)
    assert "PORTAL_SMTP_URL" in caught.value.message
    assert PASSWORD not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("sender", ["", "Northwind <a@b.example>", "a@b.example\nBcc: c@d.example", "nobody"])
def test_a_server_needs_one_plain_address_to_send_from(sender: str) -> None:
    with pytest.raises(ConfigurationError, match="PORTAL_MAIL_FROM"):
        load_settings({"PORTAL_SMTP_URL": "smtp://h", "PORTAL_MAIL_FROM": sender})


def test_settings_do_not_show_the_password() -> None:
    assert PASSWORD not in repr(settings_with(f"smtp://u:{PASSWORD}@h"))


async def test_a_message_is_handed_over_signed_in(sink: Sink) -> None:
    sink.auth = True
    await hand_to_server(message(), server_of(sink, user="me", password=Secret(PASSWORD)))
    assert [taken["Message-ID"] for taken in sink.messages] == ["<20261126.1@portal.example>"]
    assert f"\0me\0{PASSWORD}" in sink.commands


@pytest.mark.parametrize(
    ("verb", "answer", "kind"),
    [
        ("RCPT", "550 No such user", MailRefused),
        ("RCPT", "450 Greylisted", MailDelayed),
        ("MAIL", "553 Not yours", MailRefused),
        ("DATA", "554 Spam", MailRefused),
        (".", "452 Full", MailDelayed),
        (".", "554 Too large", MailRefused),
        ("EHLO", "421 Busy", MailDelayed),
    ],
)
async def test_a_refusal_for_good_fails_and_any_other_waits(
    sink: Sink, verb: str, answer: str, kind: type[Exception]
) -> None:
    sink.answers[verb] = answer
    if verb == "EHLO":
        sink.answers["HELO"] = answer
    with pytest.raises(kind) as caught:
        await hand_to_server(message(), server_of(sink))
    assert answer in str(caught.value).replace(": ", " ")


async def test_a_refused_password_waits_to_be_mended_and_is_in_no_text(sink: Sink) -> None:
    sink.auth = True
    sink.answers["AUTH"] = f"535 Not {PASSWORD}"
    with pytest.raises(MailDelayed) as caught:
        await hand_to_server(message(), server_of(sink, user="me", password=Secret(PASSWORD)))
    assert PASSWORD not in caught.value.message + caught.value.hint


async def test_a_server_that_quotes_the_password_is_not_believed_in_print(sink: Sink) -> None:
    sink.auth = True
    sink.answers["RCPT"] = f"550 {PASSWORD}"
    with pytest.raises(MailRefused) as caught:
        await hand_to_server(message(), server_of(sink, user="me", password=Secret(PASSWORD)))
    assert PASSWORD not in caught.value.message


async def test_a_server_without_encryption_hears_neither_password_nor_mail(sink: Sink) -> None:
    sink.auth = True
    server = server_of(sink, encryption=Encryption.STARTTLS, user="me", password=Secret(PASSWORD))
    with pytest.raises(MailDelayed, match="STARTTLS"):
        await hand_to_server(message(), server)
    assert not sink.bodies
    assert PASSWORD not in " ".join(sink.commands)


async def test_a_server_that_speaks_no_tls_is_given_nothing(sink: Sink) -> None:
    with pytest.raises(MailDelayed):
        await hand_to_server(message(), server_of(sink, encryption=Encryption.AT_ONCE))
    assert not sink.bodies


async def test_a_taken_message_is_sent_though_the_goodbye_goes_wrong(sink: Sink) -> None:
    sink.hangs_up_after_data = True
    await hand_to_server(message(), server_of(sink))
    assert len(sink.bodies) == 1


async def test_a_server_that_is_away_or_silent_costs_a_moment(
    monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    monkeypatch.setattr(servers, "HANDOVER_SECONDS", 0.05)
    with pytest.raises(MailDelayed, match="does not answer"):
        await hand_to_server(message(), SmtpServer("127.0.0.1", 9, Encryption.NONE))

    sink.silent = True
    with pytest.raises(MailDelayed, match="does not answer"):
        await hand_to_server(message(), server_of(sink))


async def test_without_a_server_a_local_portal_writes_a_private_file(tmp_path: Path) -> None:
    settings = load_settings({"PORTAL_DATA_DIR": str(tmp_path)})
    handed = [await hand_over(message(), settings) for _ in range(2)]
    file = Path(handed[0].file)
    assert handed[0] == handed[1], "the same message again is the same file"
    assert list((tmp_path / "mail").iterdir()) == [file]
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert b"Subject: Invoice" in file.read_bytes()


async def test_without_a_server_production_sends_nothing_and_says_what_to_set(tmp_path: Path) -> None:
    settings = load_settings(
        {"PORTAL_ENV": "production", "PORTAL_BASE_URL": "https://p.example", "PORTAL_DATA_DIR": str(tmp_path)}
    )
    with pytest.raises(MailNotSetUp) as caught:
        await hand_over(message(), settings)
    assert "PORTAL_SMTP_URL" in caught.value.hint
    assert not list(tmp_path.iterdir())


async def test_an_address_that_the_server_repeats_is_masked_in_what_is_kept(sink: Sink) -> None:
    sink.answers["RCPT"] = "550 <jo@example.com>: not known, try JO@Example.COM or jo@mx.example.com"
    with pytest.raises(MailRefused) as caught:
        await hand_to_server(message(), server_of(sink))
    assert "jo@" not in caught.value.message.lower()
    assert "550: <j•••@example.com>: not known" in caught.value.message


async def test_a_password_in_any_script_signs_in(sink: Sink) -> None:
    sink.auth = True
    await hand_to_server(message(), server_of(sink, user="mé", password=Secret("pässwörd")))
    assert len(sink.messages) == 1
