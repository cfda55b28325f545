"""The same portal as for the forms: a saved connection is its next page."""

from tests.accounts.conftest import acme_app, acme_is_loaded, ana, good_answers

__all__ = ["acme_app", "acme_is_loaded", "ana", "good_answers"]
