"""Stripe's names of what is due, in words."""

from __future__ import annotations

import pytest

from plugins.stripe.domain.requirements import describe_requirements


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["external_account"], ("a bank account for payouts",)),
        (["tos_acceptance.date", "tos_acceptance.ip"], ("agreement to Stripe's terms",)),
        (["person_1NxAbc.dob.day", "person_1NxAbc.dob.year"], ("a person's date of birth",)),
        (["representative.address.city"], ("the representative's address",)),
        (["individual.verification.document"], ("the owner's identity document",)),
        (["individual.first_name", "individual.last_name"], ("the owner's name",)),
        (["company.tax_id"], ("the company's tax number",)),
        (["company.verification.document"], ("a document that proves the company",)),
        (["owners.political_exposure"], ("an owner's political exposure",)),
        (["individual"], ("the owner's details",)),
        (["some_new_thing.of_stripe"], ("some new thing: of stripe",)),
        ([], ()),
    ],
)
def test_requirements_are_told_in_words_each_once(names: list[str], words: tuple[str, ...]) -> None:
    assert describe_requirements(names) == words
