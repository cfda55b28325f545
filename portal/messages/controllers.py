"""Messages about an invoice: the page to send one, another try, the switch for its reminders, previews."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.audit.services import person_actor
from portal.errors import Conflict, InvalidInput, PortalError
from portal.finance.services import organisation
from portal.invoices.pay_controllers import new_link_asked
from portal.mail.letters import Letter
from portal.mail.servers import MailNotSetUp, mail_ready
from portal.messages import services
from portal.messages.matters import Matter, facts_of, kinds_by_hand, read_matter
from portal.messages.new_links import ask_for_link
from portal.messages.reminders import read_reminders, reminder_preview
from portal.messages.services import WantedMail
from portal.messages.texts import Kind, write_letter
from portal.settings import current_settings
from portal.web.forms import Form, feedback_on, read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import KEY, UnknownForm, new_form_key
from portal.web.visitors import address_of

FIELDS = ("form_key", "kind", "to_address", "words", "do")
SEND = "messages/send.html"


@dataclass(frozen=True, slots=True)
class _Given:
    """What the form holds, as typed."""

    kind: Kind
    to_address: str
    words: str
    form_key: str


@get("/invoices/{invoice_id:int}/send", guards=[require_role("admin")])
async def show_send(
    request: PortalRequest, invoice_id: FromPath[int], kind: FromQuery[str] = ""
) -> Response[Any]:
    """The message as it would be sent, with room for words of one's own."""
    matter = await read_matter(invoice_id)
    kinds = kinds_by_hand(matter)
    if not kinds:
        notice = "Nothing can be sent about this invoice now."
        return redirect(request, f"/invoices/{invoice_id}", notice=notice, tone="warn")
    chosen = next((each for each in kinds if each == kind), kinds[0])
    given = _Given(chosen, matter.invoice.customer_email, "", new_form_key())
    return await _send_page(request, matter, given)


@post("/invoices/{invoice_id:int}/send")
async def send(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Send it once, however often the button is pressed; or show it again with what was typed."""
    form = await read_form(request, *FIELDS)
    given = _read(form)
    if form.text("do") == "preview":
        return await _send_page(request, await read_matter(invoice_id), given)
    if not KEY.fullmatch(given.form_key):
        raise UnknownForm("This form is too old to be sent.", hint="Load the page again and fill it in.")
    wanted = WantedMail(given.kind, given.to_address, given.words, given.form_key)
    try:
        await services.send_by_hand(invoice_id, wanted, actor=person_actor(request))
    except InvalidInput as error:
        return await _send_page(request, await read_matter(invoice_id), given, problems=error.fields)
    except (Conflict, MailNotSetUp) as error:
        return _sorry(request, invoice_id, error)
    return redirect(request, f"/invoices/{invoice_id}", notice=f"On its way to {given.to_address}.")


@post("/invoices/{invoice_id:int}/mail/{mail_id:int}/retry")
async def retry(request: PortalRequest, invoice_id: FromPath[int], mail_id: FromPath[int]) -> Response[bytes]:
    """Send what failed once more."""
    await read_form(request)
    try:
        address = await services.try_again(invoice_id, mail_id, actor=person_actor(request))
    except Conflict as error:
        return _sorry(request, invoice_id, error)
    return redirect(request, f"/invoices/{invoice_id}", notice=f"On its way to {address} again.")


@post("/invoices/{invoice_id:int}/reminders")
async def switch_reminders(request: PortalRequest, invoice_id: FromPath[int]) -> Response[bytes]:
    """Pause the reminders of this invoice, or let them go on."""
    form = await read_form(request, "paused")
    paused = form.checked("paused")
    await services.pause_reminders(invoice_id, paused=paused, actor=person_actor(request))
    notice = "Reminders of this invoice are paused." if paused else "Reminders of this invoice go on."
    return redirect(request, f"/invoices/{invoice_id}", notice=notice)


@get("/settings/finance/reminder-preview", guards=[require_role("admin")])
async def show_reminders(request: PortalRequest) -> Response[str]:
    """Every reminder as saved, with an example invoice."""
    company, reminders = await organisation(), await read_reminders()
    letters = [
        (day, reminder_preview(company, day, note=reminders.note)) for day in sorted(set(reminders.days))
    ]
    return page(
        request,
        "messages/reminders.html",
        letters=letters,
        reminders=reminders,
        ready=mail_ready(current_settings()),
    )


@post("/pay/{token:str}/new-link", opt={"access": "pay"}, status_code=200, name="pay.new_link")
async def ask_new_link(request: PortalRequest, token: FromPath[str]) -> Response[str]:
    """The same answer to everybody: a new link comes by mail, or does not."""
    await read_form(request)
    await ask_for_link(token, address=address_of(request))
    return await new_link_asked(request)


async def _send_page(
    request: PortalRequest, matter: Matter, given: _Given, *, problems: dict[str, str] | None = None
) -> Response[str]:
    settings = current_settings()
    return page(
        request,
        SEND,
        fragment="messages/_preview.html",
        status=422 if problems else 200,
        failed=bool(problems),
        invoice=matter.invoice,
        kinds=kinds_by_hand(matter),
        given=given,
        letter=await _preview(matter, given),
        problems=problems or {},
        feedback=feedback_on(problems or {}),
        ready=mail_ready(settings),
        folder=str(settings.data_dir / "mail") if settings.smtp_url is None else "",
    )


async def _preview(matter: Matter, given: _Given) -> Letter:
    """The letter; a link that has expired is replaced when it is sent, and not before."""
    facts = await facts_of(matter, words=given.words)
    if not facts.link and matter.invoice.account_id and not matter.invoice.made_in:
        facts = replace(facts, link=f"{current_settings().base_url}/pay/… (made anew when it is sent)")
    return write_letter(given.kind, facts)


def _read(form: Form) -> _Given:
    kind = form.text("kind")
    words = re.sub(r"\n{3,}", "\n\n", form.text("words").replace("\r\n", "\n"))
    chosen = Kind(kind) if kind in (Kind.INVOICE, Kind.REMINDER, Kind.RECEIPT) else Kind.INVOICE
    return _Given(chosen, form.text("to_address"), words, form.text("form_key"))


def _sorry(request: PortalRequest, invoice_id: int, error: PortalError) -> Response[bytes]:
    words = f"{error.message} {error.hint}".strip()
    return redirect(request, f"/invoices/{invoice_id}", notice=words, tone="warn")


routes = [show_send, send, retry, switch_reminders, show_reminders]
public_routes = [ask_new_link]
