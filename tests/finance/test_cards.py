"""The logo, the tax rates and the reminders of the finance settings."""

from __future__ import annotations

import io
import struct
import zlib
from decimal import Decimal

import pytest
from litestar import Litestar
from PIL import Image, ImageOps

from portal.audit.services import timeline
from portal.errors import InvalidInput
from portal.finance.logos import BOX, redrawn
from portal.finance.services import organisation
from portal.finance.taxes import tax_rates
from tests.visitors import Visitor

REMINDERS = {"reminders_on": "on", "reminder_days": "7, -3, 7", "reminder_note": "Thanks", "version": "1"}


def picture(kind: str, size: tuple[int, int] = (40, 20), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#4f46e5").save(out, kind, **options)
    return out.getvalue()


def vast_png() -> bytes:
    """A few bytes that claim to be 60,000 pixels wide and high."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_logo_is_drawn_anew_as_a_png(kind: str) -> None:
    with Image.open(io.BytesIO(redrawn(picture(kind)))) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (40, 20))


def test_nothing_but_the_picture_is_kept() -> None:
    sneaky = picture("PNG") + b"<script>alert(1)</script>"
    assert b"script" not in redrawn(sneaky)
    with_comment = picture("JPEG", comment=b"secret place")
    assert b"secret" in with_comment
    assert b"secret" not in redrawn(with_comment)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_logo_that_a_camera_turned_is_kept_upright(kind: str) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown a quarter to the right
    with Image.open(io.BytesIO(redrawn(picture(kind, exif=turned)))) as drawn:
        assert drawn.size == (20, 40)


def test_notes_that_are_in_the_wrong_place_are_no_reason_to_refuse_a_picture() -> None:
    """Text where a number belongs can be read, and could not be written again."""
    noted = Image.Exif()
    noted[0x0112], noted[0x010E] = 6, "hello"
    wrong = noted.tobytes().replace(b"\x01\x0e\x00\x02", b"\x01\x08\x00\x02")
    assert wrong != noted.tobytes()
    with Image.open(io.BytesIO(redrawn(picture("PNG", exif=wrong)))) as drawn:
        assert drawn.size == (20, 40)


@pytest.mark.parametrize("way", range(1, 9))
def test_every_way_to_hold_a_camera_is_turned_as_others_turn_it(way: int) -> None:
    corners = Image.new("RGB", (2, 2))
    corners.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)])
    held, out = Image.Exif(), io.BytesIO()
    held[0x0112] = way
    corners.save(out, "PNG", exif=held)
    with Image.open(out) as picture, Image.open(io.BytesIO(redrawn(out.getvalue()))) as drawn:
        assert drawn.convert("RGB").tobytes() == ImageOps.exif_transpose(picture).convert("RGB").tobytes()


def test_large_logo_is_made_smaller() -> None:
    with Image.open(io.BytesIO(redrawn(picture("PNG", (2_000, 500))))) as drawn:
        assert drawn.width <= BOX[0]
        assert drawn.size == (720, 180)


@pytest.mark.parametrize(
    "upload",
    [
        b"",
        b"no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        picture("GIF"),
        picture("PNG")[:60],
        vast_png(),
        bytes(2_000_001),
    ],
    ids=["empty", "text", "svg", "gif", "cut", "vast", "heavy"],
)
def test_what_is_no_picture_is_refused(upload: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        redrawn(upload)
    assert "logo" in refused.value.fields


async def test_saved_logo_is_shown_and_can_be_removed(owner: Visitor, app: Litestar) -> None:
    stranger = Visitor(app)
    answer = await owner.upload("/settings/finance/logo", "logo", picture("PNG"))
    assert answer.status_code == 303
    digest = (await organisation()).logo_digest
    address = f"/merchant/{digest}/logo.png"
    assert address in (await owner.get("/settings/finance")).text
    shown = await stranger.get(address)
    assert "set-cookie" not in shown.headers, "caches that everybody shares would hand it to all"
    assert (shown.headers["content-type"], "immutable" in shown.headers["cache-control"]) == (
        "image/png",
        True,
    )
    await owner.post("/settings/finance/logo/remove", {})
    assert (await stranger.get(address)).status_code == 404
    assert (await stranger.get("/merchant//logo.png")).status_code == 404
    assert [entry.words for entry in await timeline("organisation", 1)] == [
        "Removed the logo",
        "Changed the logo",
    ]


async def test_refused_logo_says_what_to_choose(owner: Visitor) -> None:
    answer = await owner.upload("/settings/finance/logo", "logo", b"no picture")
    assert answer.status_code == 422
    assert "Choose a PNG, JPEG or WebP picture" in answer.text


async def test_tax_rate_is_added_put_away_and_offered_again(owner: Visitor) -> None:
    await owner.post("/settings/finance/tax-rates", {"tax_name": "VAT", "tax_percent": "19,0 %"})
    [rate] = await tax_rates(active=True)
    assert (rate.name, rate.percent, rate.shown_percent) == ("VAT", Decimal(19), "19")
    await owner.post(f"/settings/finance/tax-rates/{rate.id}", {})
    assert await tax_rates(active=True) == []
    assert "Not offered" in (await owner.get("/settings/finance")).text
    await owner.post("/settings/finance/tax-rates", {"tax_name": "vat", "tax_percent": "19"})
    assert [each.id for each in await tax_rates(active=True)] == [rate.id]


@pytest.mark.parametrize(
    ("name", "percent", "words"),
    [
        ("", "19", "Enter what the tax is called"),
        ("VAT", "", "Enter percent from 0 to 100"),
        ("VAT", "101", "Enter percent from 0 to 100"),
        ("VAT", "-1", "Enter percent from 0 to 100"),
        ("VAT", "8.8755", "at most 3 digits"),
        ("VAT", "NaN", "Enter percent from 0 to 100"),
        ("VAT", "1e400", "Enter percent from 0 to 100"),
    ],
)
async def test_wrong_tax_rate_is_told_and_kept_in_the_form(
    owner: Visitor, name: str, percent: str, words: str
) -> None:
    answer = await owner.post("/settings/finance/tax-rates", {"tax_name": name, "tax_percent": percent})
    assert answer.status_code == 422
    assert words in answer.text
    assert f'name="tax_percent" type="text" value="{percent}"' in answer.text
    assert await tax_rates() == []


async def test_same_rate_twice_is_refused(owner: Visitor) -> None:
    for _ in range(2):
        answer = await owner.post("/settings/finance/tax-rates", {"tax_name": "VAT", "tax_percent": "19"})
    assert answer.status_code == 422
    assert "There is a rate of this name and percentage already." in answer.text


async def test_reminder_days_are_sorted_and_said_in_words(owner: Visitor) -> None:
    await owner.post("/settings/finance/reminders", REMINDERS)
    saved = await organisation()
    assert (saved.reminders_on, saved.reminder_days, saved.reminder_note) == (True, (-3, 7), "Thanks")
    page = (await owner.get("/settings/finance")).text
    assert "3 days before the due date, 7 days after the due date" in page


async def test_reminders_can_be_switched_off(owner: Visitor) -> None:
    await owner.post("/settings/finance/reminders", REMINDERS)
    off = {name: value for name, value in REMINDERS.items() if name != "reminders_on"}
    await owner.post("/settings/finance/reminders", {**off, "version": "2"})
    assert (await organisation()).reminders_on is False
    assert "Nobody is reminded by email." in (await owner.get("/settings/finance")).text


async def test_portal_that_cannot_send_says_what_to_set_up(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Mail is not set up" not in (await owner.get("/settings/finance")).text
    monkeypatch.setattr("portal.finance.pages.mail_ready", lambda _: False)
    assert "Set PORTAL_SMTP_URL and PORTAL_MAIL_FROM" in (await owner.get("/settings/finance")).text


@pytest.mark.parametrize("days", ["", "x", "1.5", "-31", "121", "1,2,3,4,5,6,7", "9999"])
async def test_wrong_reminder_days_are_told_and_kept(owner: Visitor, days: str) -> None:
    answer = await owner.post("/settings/finance/reminders", {**REMINDERS, "reminder_days": days})
    assert answer.status_code == 422
    assert f'name="reminder_days" type="text" value="{days}"' in answer.text
    assert (await organisation()).reminder_days == (-3, 3, 10)


async def test_stale_reminders_change_nothing(owner: Visitor) -> None:
    answer = await owner.post("/settings/finance/reminders", {**REMINDERS, "version": "9"})
    assert answer.status_code == 409
    assert (await organisation()).reminders_on is False


@pytest.mark.parametrize("path", ["logo/remove", "tax-rates", "tax-rates/1", "reminders", "logo"])
async def test_viewer_changes_none_of_it(viewer: Visitor, path: str) -> None:
    assert (await viewer.post(f"/settings/finance/{path}", {})).status_code == 403
