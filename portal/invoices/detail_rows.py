"""What an invoice's page tells of a try to pay, of a refund and of a dispute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.invoices.rules import dispute_stage
from portal.money import Money


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """A try to pay. `code` and `reason` are for admins."""

    external_id: str
    state: str
    amount: Money
    method: str | None
    code: str
    reason: str
    expected_at: datetime | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refund as it stands. `failure` is for admins."""

    external_id: str | None
    amount: Money
    status: str
    reason: str
    failure: str
    requested_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """A dispute as it stands. `withdrawn`: the bank has the money now."""

    external_id: str
    amount: Money
    status: str
    reason: str
    respond_by: datetime | None
    withdrawn: bool
    opened_at: datetime

    @property
    def stage(self) -> str:
        """`answer` (somebody has to), `held`, `lost`, `watch`, or empty when nothing came of it."""
        return dispute_stage(self.status, withdrawn=self.withdrawn)
