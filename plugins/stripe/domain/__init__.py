"""Stripe's knowledge without Stripe: pure functions over plain dictionaries."""
