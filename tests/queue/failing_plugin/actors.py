"""Fails, with a secret in the words of its error."""

from __future__ import annotations

raise LookupError("sk_test_planted_in_an_import")
