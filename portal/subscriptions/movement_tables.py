"""What subscriptions brought each month, change by change. A trigger of `subscription` writes the rows."""

from __future__ import annotations

from piccolo.columns import BigSerial, ForeignKey, Numeric, OnDelete, Text, Timestamptz
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount
from portal.subscriptions.tables import Subscription


class RecurringChange(Table, tablename="recurring_change"):
    """One subscription brought another sum a month from a moment on. The sums are whole `PARTS`."""

    id: BigSerial
    id = BigSerial(primary_key=True)  # noqa: PIE794 - gives Piccolo's column its type
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    subscription = ForeignKey(Subscription, null=False, on_delete=OnDelete.cascade)
    kind = Text(null=False)
    """`new`, `expansion`, `contraction`, `churn` or `reactivation`."""
    currency = Text(null=False)
    before_parts = Numeric(digits=(38, 0), null=False)
    after_parts = Numeric(digits=(38, 0), null=False)
    at = Timestamptz(null=False)
    """When it took effect, as far as the provider tells; never later than when it was seen."""
