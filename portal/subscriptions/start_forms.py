"""The form that starts a subscription: read as typed, shown again as typed, judged field by field. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from portal.subscriptions.orders import OrderRow
from portal.subscriptions.starts import WantedStart
from portal.web.forms import Form, Problems

FIELDS = (
    "form_key",
    "mode",
    "customer",
    "customer_search",
    "plan",
    "quantity",
    "trial_days",
    "send_link",
    "do",
)
MOST = 1_000_000
LONGEST_TRIAL = 730


@dataclass(frozen=True, slots=True)
class StartInput:
    """The whole form, as typed."""

    form_key: str = ""
    mode: str = ""
    customer: str = ""
    customer_search: str = ""
    plan: str = ""
    quantity: str = "1"
    trial_days: str = "0"
    send_link: bool = False


def read_input(form: Form) -> StartInput:
    """What was sent."""
    texts = {name: form.text(name) for name in FIELDS if name not in ("send_link", "do")}
    return StartInput(**texts, send_link=form.checked("send_link"))


def input_of(order: OrderRow, form_key: str) -> StartInput:
    """The form of an order that was refused, to be sent anew."""
    return StartInput(
        form_key,
        order.mode.value,
        customer=str(order.customer_id),
        plan=str(order.plan_id or ""),
        quantity=str(order.quantity),
        trial_days=str(order.trial_days),
        send_link=order.send_link,
    )


def parse_input(given: StartInput) -> WantedStart:
    """What the form says.

    Raises:
        InvalidInput: with what to do, field by field.
    """
    problems = Problems()
    customer, plan = _whole(given.customer), _whole(given.plan)
    quantity, trial = _whole(given.quantity or "1"), _whole(given.trial_days or "0")
    problems.add("customer", None if customer else "Choose a customer.")
    problems.add("plan", None if plan else "Choose a plan.")
    fits = quantity is not None and 1 <= quantity <= MOST
    problems.add("quantity", None if fits else f"Enter a whole number from 1 to {MOST:,}.")
    fits = trial is not None and trial <= LONGEST_TRIAL
    problems.add("trial_days", None if fits else f"Enter whole days from 0 to {LONGEST_TRIAL}.")
    problems.raise_if_any()
    return WantedStart(customer or 0, plan or 0, quantity or 1, trial or 0, given.send_link)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
