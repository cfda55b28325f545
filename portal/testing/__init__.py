"""Assertions that an author of a plugin runs in tests of their own. Each failure is a sentence to act on."""

from portal.testing.deliveries import Delivery, check_deliveries
from portal.testing.plugins import check_plugin

__all__ = ["Delivery", "check_deliveries", "check_plugin"]
