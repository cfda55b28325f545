"""The customer form: read as typed, shown again as typed, judged field by field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from portal.customers.details import CustomerDetail
from portal.customers.services import CustomerProfile
from portal.web.forms import Form, Problems, email_problem

FIELDS = ("name", "email", "address", "tax_id", "version", "form_key", "then")
LONGEST_NAME = 200
LONGEST_ADDRESS = 500
LONGEST_TAX_ID = 50
MOST_LINES = 6
"""So many lines of an address have room in the window of an envelope."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CustomerInput:
    """The whole form, as typed."""

    name: str = ""
    email: str = ""
    address: str = ""
    tax_id: str = ""
    version: str = ""
    form_key: str = ""
    then: str = ""

    @property
    def version_at(self) -> datetime:
        """When the customer was last changed as the form was filled; long ago when that cannot be read."""
        try:
            at = datetime.fromisoformat(self.version)
        except ValueError:
            return NEVER
        return at if at.tzinfo else NEVER


def read_input(form: Form) -> CustomerInput:
    """What was sent."""
    return CustomerInput(**{name: form.text(name) for name in FIELDS})


def stored_input(customer: CustomerDetail) -> CustomerInput:
    """The form of a stored customer."""
    return CustomerInput(
        customer.name, customer.email, customer.address, customer.tax_id, customer.updated_at.isoformat()
    )


def parse_input(given: CustomerInput) -> CustomerProfile:
    """What the form says, ready to be stored.

    Raises:
        InvalidInput: with what to do, field by field.
    """
    problems = Problems()
    problems.add("name", None if given.name else "Enter a name.")
    too_long = len(given.name) > LONGEST_NAME
    problems.add("name", f"Use at most {LONGEST_NAME} characters." if too_long else None)
    problems.add("email", email_problem(given.email) if given.email else None)
    lines = [line for line in (" ".join(line.split()) for line in given.address.splitlines()) if line]
    problems.add("address", _address_problem(lines))
    too_long = len(given.tax_id) > LONGEST_TAX_ID
    problems.add("tax_id", f"Use at most {LONGEST_TAX_ID} characters." if too_long else None)
    problems.raise_if_any()
    return CustomerProfile(given.name, given.email, "\n".join(lines), given.tax_id)


def _address_problem(lines: list[str]) -> str | None:
    if len(lines) > MOST_LINES:
        return f"Use at most {MOST_LINES} lines."
    if sum(map(len, lines)) > LONGEST_ADDRESS:
        return f"Use at most {LONGEST_ADDRESS} characters."
    return None
