"""Loads like any plugin."""

from __future__ import annotations

from plugins.stripe.plugin import StripePlugin
from portal.contract.descriptions import Manifest


class FailingPlugin(StripePlugin):
    """Stripe under another name, without Stripe's actors."""

    manifest = Manifest("failing", "Failing", "1.0", "Cannot work.", requires_portal=">=1,<2")


plugin = FailingPlugin()
