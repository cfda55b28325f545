"""The account behind a key."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.store.worlds import World
from plugins.stripe.sandbox.wire import copied

_CREATED = 1735689600

_REQUIREMENTS: Json = {
    "alternatives": [],
    "current_deadline": None,
    "currently_due": [],
    "disabled_reason": None,
    "errors": [],
    "eventually_due": [],
    "past_due": [],
    "pending_verification": [],
}

_SETTINGS: Json = {
    "bacs_debit_payments": {"display_name": None, "service_user_number": None},
    "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
    "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
    "card_payments": {
        "decline_on": {"avs_failure": False, "cvc_failure": True},
        "statement_descriptor_prefix": None,
        "statement_descriptor_prefix_kana": None,
        "statement_descriptor_prefix_kanji": None,
    },
    "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "offer"},
    "payments": {
        "statement_descriptor": "WORKESTRA SANDBOX",
        "statement_descriptor_kana": None,
        "statement_descriptor_kanji": None,
    },
    "payouts": {
        "debit_negative_balances": True,
        "schedule": {"delay_days": 2, "interval": "daily"},
        "statement_descriptor": None,
    },
    "sepa_debit_payments": {},
}


def account_of(world: World) -> Json:
    """The account of a world as its API shows it."""
    name = world.keys.display_name
    account: Json = {
        "id": world.keys.account,
        "object": "account",
        "business_profile": {
            "annual_revenue": None,
            "estimated_worker_count": None,
            "mcc": "5734",
            "minority_owned_business_designation": None,
            "name": name,
            "product_description": None,
            "support_address": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": "https://example.com",
        },
        "business_type": "company",
        "capabilities": {
            "card_payments": "active",
            "link_payments": "active",
            "transfers": "active",
            "us_bank_account_ach_payments": "active",
        },
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "created": _CREATED,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "owner@example.com",
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "total_count": 0,
            "url": f"/v1/accounts/{world.keys.account}/external_accounts",
        },
        "future_requirements": copied(_REQUIREMENTS),
        "metadata": {},
        "payouts_enabled": True,
        "requirements": copied(_REQUIREMENTS),
        "settings": copied(_SETTINGS) | {"dashboard": {"display_name": name, "timezone": "Etc/UTC"}},
        "tos_acceptance": {"date": _CREATED, "ip": None, "user_agent": None},
        "type": "standard",
    }
    return _merged(account, world.account_changes)


def _merged(base: Json, changes: Json) -> Json:
    """Changes laid over a hash, hash by hash."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def change_account(call: Call, changes: Json) -> Json:
    """Change the account's state, and tell it with `account.updated`."""
    before = account_of(call.world)
    call.world.account_changes = _merged(call.world.account_changes, changes)
    call.world.on_change()
    after = account_of(call.world)
    changed = {k: before[k] for k in before if before[k] != after[k]}
    if changed:
        call.emit("account.updated", after, changed)
    return after


@handles("GET /v1/account")
def retrieve_current(call: Call) -> Json:
    """Read the key's own account."""
    return account_of(call.world)


@handles("GET /v1/accounts/{account}")
def retrieve(call: Call) -> Json:
    """Read the key's own account by its id."""
    if call.ids[0] != call.world.keys.account:
        raise ApiError(
            403,
            f"The provided key does not have access to account '{call.ids[0]}' (or that account does not "
            "exist). "
            "Application access may have been revoked.",
            code="account_invalid",
        )
    return account_of(call.world)
