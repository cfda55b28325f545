"""What Stripe still wants of an account, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = {
    "business_profile.mcc": "the kind of business",
    "business_profile.name": "the name customers know",
    "business_profile.product_description": "what the business sells",
    "business_profile.support_email": "an email address for customers",
    "business_profile.support_phone": "a phone number for customers",
    "business_profile.url": "the website",
    "business_type": "the legal form",
    "company.address": "the company's address",
    "company.directors_provided": "whether all directors are named",
    "company.executives_provided": "whether all executives are named",
    "company.name": "the company's name",
    "company.owners_provided": "whether all owners are named",
    "company.phone": "the company's phone number",
    "company.registration_number": "the company's registration number",
    "company.tax_id": "the company's tax number",
    "company.vat_id": "the company's VAT number",
    "company.verification.document": "a document that proves the company",
    "external_account": "a bank account for payouts",
    "settings.payments.statement_descriptor": "the text on card statements",
    "tos_acceptance": "agreement to Stripe's terms",
}
_OF_A_PERSON = {
    "address": "address",
    "dob": "date of birth",
    "email": "email address",
    "first_name": "name",
    "id_number": "identity number",
    "last_name": "name",
    "nationality": "nationality",
    "phone": "phone number",
    "relationship": "role in the company",
    "ssn_last_4": "last four digits of the social security number",
    "verification.additional_document": "second identity document",
    "verification.document": "identity document",
}
_PEOPLE = {
    "directors": "a director's",
    "executives": "an executive's",
    "individual": "the owner's",
    "owners": "an owner's",
    "representative": "the representative's",
}
_PERSON_ID = re.compile(r"person_\w+")


def describe_requirements(names: Iterable[str]) -> tuple[str, ...]:
    """Stripe's names of what is due as words, each once: `dob.day` and `dob.year` are one date of birth."""
    return tuple(dict.fromkeys(map(_describe, names)))


def _describe(name: str) -> str:
    if words := _longest(name, _WORDS):
        return words
    whose, _, rest = name.partition(".")
    person = "a person's" if _PERSON_ID.fullmatch(whose) else _PEOPLE.get(whose)
    if person is None:
        return _tidied(name)
    return f"{person} {_longest(rest, _OF_A_PERSON) or _tidied(rest) or 'details'}"


def _longest(name: str, words: dict[str, str]) -> str:
    """What the table says of the name, or of the thing that it is a part of."""
    parts = name.split(".")
    heads = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((words[head] for head in heads if head in words), "")


def _tidied(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")
