"""The page of the finance settings: one frame for all of its forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar import Response

from portal.errors import Conflict
from portal.finance.choices import currency_choices, time_zone_choices
from portal.finance.rules import reminder_words
from portal.finance.services import Organisation, organisation
from portal.finance.taxes import tax_rates
from portal.mail.servers import mail_ready
from portal.settings import current_settings
from portal.web.forms import feedback_on
from portal.web.request import PortalRequest, Role
from portal.web.responses import page

ADDRESS = "/settings/finance"
FIELDS = (
    "name",
    "contact_email",
    "address",
    "tax_id",
    "bank_details",
    "footer",
    "default_currency",
    "time_zone",
    "invoice_prefix",
    "next_invoice_number",
    "number_shown",
    "terms_days",
    "pay_link_days",
    "version",
)
REMINDER_FIELDS = ("reminders_on", "reminder_days", "reminder_note", "version")
PREVIEW = "/settings/finance/reminder-preview"


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was not saved, to be shown again as it was typed."""

    values: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)
    conflict: Conflict | None = None


async def settings_page(request: PortalRequest, refused: Refused | None = None) -> Response[str]:
    """Every form of the page; the refused one keeps what was typed."""
    saved = await organisation()
    refused = refused or Refused({})
    failed = bool(refused.problems or refused.conflict)
    return page(
        request,
        "finance/settings.html",
        status=409 if refused.conflict else 422 if refused.problems else 200,
        failed=failed,
        saved=saved,
        values={**saved_values(saved), **refused.values},
        problems=refused.problems,
        conflict=refused.conflict,
        feedback=feedback_on(dict(refused.problems)),
        currencies=currency_choices(),
        zones=time_zone_choices(),
        rates=await tax_rates(),
        reminder_words=reminder_words,
        mail_is_ready=mail_ready(current_settings()),
        preview=PREVIEW if PREVIEW in request.app.state.pages else "",
        may_write=request.user.role.covers(Role.ADMIN),
    )


def saved_values(saved: Organisation) -> dict[str, Any]:
    """What the inputs show before anybody typed."""
    values = {name: str(getattr(saved, name, "")) for name in FIELDS}
    return {
        **values,
        "tax_name": "",
        "tax_percent": "",
        "number_shown": str(saved.next_invoice_number),
        "reminders_on": "on" if saved.reminders_on else "",
        "reminder_days": ", ".join(map(str, saved.reminder_days)),
        "reminder_note": saved.reminder_note,
    }
