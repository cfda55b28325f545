"""Stripe's test bank accounts: how a debit of each one ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BankFailure:
    """Why a debit came back."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Bank:
    """One test bank account."""

    number: str
    names: tuple[str, ...] = ()
    """What follows `pm_usBankAccount_`."""
    failure: BankFailure | None = None
    stays_processing: bool = False
    dispute: bool = False
    microdeposits_fail: bool = False

    @property
    def last4(self) -> str:
        """The last four digits."""
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """The same for each use of an account."""
        return hashlib.sha256(self.number.encode()).hexdigest()[:16]


ROUTING_NUMBER = "110000000"
BANK_NAME = "STRIPE TEST BANK"

AMOUNTS_RIGHT, CODE_RIGHT = [32, 45], "SM11AA"
AMOUNTS_EXCEEDED, CODE_EXCEEDED = [10, 11], "SM33CC"
AMOUNTS_TIMEOUT, CODE_TIMEOUT = [40, 41], "SM44DD"

BANKS: tuple[Bank, ...] = (
    Bank("000123456789", ("success",)),
    Bank(
        "000111111113",
        ("accountClosed",),
        BankFailure("account_closed", "The customer's bank account has been closed."),
    ),
    Bank(
        "000111111116",
        ("noAccount",),
        BankFailure("no_account", "The customer's bank account could not be located."),
    ),
    Bank(
        "000222222227",
        ("insufficientFunds",),
        BankFailure(
            "insufficient_funds", "The customer's account has insufficient funds to cover this payment."
        ),
    ),
    Bank(
        "000333333335",
        ("debitNotAuthorized",),
        BankFailure(
            "debit_not_authorized", "The customer has notified their bank that this payment was unauthorized."
        ),
    ),
    Bank(
        "000444444440",
        ("invalidCurrency",),
        BankFailure(
            "payment_method_currency_mismatch", "The bank account does not take debits in this currency."
        ),
    ),
    Bank("000555555559", ("dispute",), dispute=True),
    Bank("000666666661", ("failMicrodeposits",), microdeposits_fail=True),
    Bank(
        "000777777771",
        ("weeklyLimitExceeded",),
        BankFailure(
            "charge_exceeds_source_limit",
            "The payment would exceed the weekly limit of debits from this bank account.",
        ),
    ),
    Bank("000000000009", ("processing",), stays_processing=True),
)

_BY_NUMBER = {bank.number: bank for bank in BANKS}
_BY_NAME = {name: bank for bank in BANKS for name in bank.names}


def by_number(number: str) -> Bank:
    """The test account of a number; any other number pays."""
    return _BY_NUMBER.get(number) or Bank(number)


def by_token(token: str) -> Bank | None:
    """The account behind `pm_usBankAccount_…`."""
    head = "pm_usBankAccount_"
    return _BY_NAME.get(token.removeprefix(head)) if token.startswith(head) else None
