"""What a pasted key tells without asking Stripe: every case that people run into."""

from __future__ import annotations

import pytest

from plugins.stripe.domain.keys import KeyKind, Verdict, clean, judge, kind_of, mode_of, shared_mode

BODY = "51QaSandbox7xKLm20pFhT9d4Rz8Yw"
PK, PK_LIVE = f"pk_test_{BODY}", f"pk_live_{BODY}"
SK, SK_LIVE = f"sk_test_{BODY}", f"sk_live_{BODY}"
RK, RK_LIVE = f"rk_test_{BODY}", f"rk_live_{BODY}"
WH = f"whsec_{BODY}"
HIDDEN = "This is a hidden copy. Choose Reveal in Stripe, then copy it."
CUT = "This key looks cut off. Copy it again."
FIELDS = ("publishable_key", "secret_key", "webhook_secret")


def verdict(name: str, value: str, *, finished: bool = True, **others: str) -> tuple[str, str]:
    found = judge(name, {**others, name: value}, finished=finished)
    return found.tone, found.message


@pytest.mark.parametrize(
    ("name", "value", "tone", "message"),
    [
        ("publishable_key", PK, "ok", "Looks right. Test mode key."),
        ("publishable_key", PK_LIVE, "ok", "Looks right. Live mode key."),
        ("secret_key", SK, "ok", "Looks right. Secret key, test mode."),
        ("secret_key", RK_LIVE, "ok", "Looks right. Restricted key, live mode."),
        ("webhook_secret", WH, "ok", "Looks right."),
        ("webhook_secret", "whsec_" + "ab+/=" * 6, "ok", "Looks right."),
        ("secret_key", SK + " ", "ok", "We removed a space from the end."),
        ("secret_key", " " + SK, "ok", "We removed a space from the start."),
        ("secret_key", SK + "\r\n", "ok", "We removed a line break from the end."),
        ("webhook_secret", f"\u200b {WH} ", "ok", "We removed a space from both ends."),
        ("secret_key", SK[:12] + " " + SK[12:], "bad", "Remove the space after character 12."),
        ("secret_key", SK[:20] + "\n" + SK[20:], "bad", "Remove the line break after character 20."),
        (
            "secret_key",
            SK[:20] + "\u200b" + SK[20:],
            "bad",
            "Remove the hidden character after character 20.",
        ),
        ("secret_key", PK, "bad", "This is a publishable key. Paste the key that starts with sk_ or rk_."),
        (
            "publishable_key",
            SK_LIVE,
            "bad",
            "This is a secret key. Do not put it here. Paste the key that starts with pk_.",
        ),
        (
            "publishable_key",
            RK,
            "bad",
            "This is a secret key. Do not put it here. Paste the key that starts with pk_.",
        ),
        (
            "secret_key",
            WH,
            "bad",
            "This is the webhook signing secret. Paste the key that starts with sk_ or rk_.",
        ),
        (
            "webhook_secret",
            SK,
            "bad",
            "This is a secret key. Paste the signing secret that starts with whsec_.",
        ),
        (
            "webhook_secret",
            "we_1QaXyz2eZvKYlo2C",
            "bad",
            "This is the endpoint ID. Paste the signing secret that starts with whsec_.",
        ),
        (
            "webhook_secret",
            "ed_test_61RCjqdTDVO91OgAt",
            "bad",
            "This is the endpoint ID. Paste the signing secret that starts with whsec_.",
        ),
        (
            "publishable_key",
            "acct_1QaXyz2eZvKYlo2C",
            "bad",
            "This is an account ID. Paste the key that starts with pk_.",
        ),
        (
            "secret_key",
            "sk_org_live_51QaSandbox7xKLm",
            "bad",
            "This is an organization key. Paste a key of one account, from its API keys page.",
        ),
        ("secret_key", "sk_test_••••••••••••wxyz", "bad", HIDDEN),
        ("secret_key", "sk_test_************wxyz", "bad", HIDDEN),
        ("secret_key", "sk_live_51Qa...wxyz", "bad", HIDDEN),
        ("secret_key", "rk_test_51Qa…wxyz", "bad", HIDDEN),
        ("publishable_key", "pk_test_xxxxxxxxxxxxxxxxxxxx", "bad", HIDDEN),
        ("webhook_secret", "whsec_••••••••••••", "bad", HIDDEN),
        ("secret_key", "sk_test_51QaSand", "bad", CUT),
        ("publishable_key", "pk_live_", "bad", CUT),
        ("publishable_key", "pk_te", "bad", CUT),
        ("webhook_secret", "whsec_abc", "bad", CUT),
        ("secret_key", f'"{SK}"', "bad", "Remove the quotation marks around the key."),
        ("secret_key", f"STRIPE_SECRET_KEY={SK}", "bad", "There is text before the key. Leave only the key."),
        ("secret_key", SK + SK, "bad", "Two keys are pasted into one field. Leave only one."),
        ("secret_key", SK + ";", "bad", "Remove the character “;”. Keys hold only letters, digits and _."),
        (
            "webhook_secret",
            WH + ";",
            "bad",
            "Remove the character “;”. Keys hold only letters, digits and _.",
        ),
    ],
)
def test_each_case_is_told_in_words(name: str, value: str, tone: str, message: str) -> None:
    assert verdict(name, value) == (tone, message)


@pytest.mark.parametrize("value", [f"rkcs_test_{BODY}", f"sk_preview_{BODY}", "something-new-from-stripe"])
def test_an_unknown_prefix_warns_and_does_not_block(value: str) -> None:
    found = judge("secret_key", {"secret_key": value}, finished=True)
    assert found.tone == "warn"
    assert not found.blocks


@pytest.mark.parametrize(
    ("edited", "other", "words"),
    [
        ("secret_key", "publishable_key", "This key is live but the publishable key is test."),
        ("publishable_key", "secret_key", "This key is live but the secret key is test."),
    ],
)
def test_mixed_modes_are_named_from_the_edited_field(edited: str, other: str, words: str) -> None:
    values = {"publishable_key": (PK, PK_LIVE), "secret_key": (SK, SK_LIVE)}
    found = judge(edited, {edited: values[edited][1], other: values[other][0]}, finished=True)
    assert found == Verdict("bad", f"{words} Use two keys from the same mode.")


def test_a_wrong_partner_is_not_compared() -> None:
    assert verdict("publishable_key", PK, secret_key=PK_LIVE)[0] == "ok"


@pytest.mark.parametrize("value", ["s", "sk", "sk_", "sk_te", "r", "rk_live", SK[:14]])
def test_a_key_in_the_making_is_not_called_wrong(value: str) -> None:
    assert verdict("secret_key", value, finished=False) == ("mute", "")


@pytest.mark.parametrize(
    ("name", "value"), [("secret_key", "pk_t"), ("secret_key", "pk_test_5"), ("webhook_secret", "we_1")]
)
def test_what_can_no_longer_become_right_is_told_at_once(name: str, value: str) -> None:
    tone, _ = verdict(name, value, finished=False)
    assert tone in ("bad", "warn")


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_an_empty_field_says_nothing(name: str, value: str) -> None:
    assert verdict(name, value) == ("mute", "")


def test_no_verdict_repeats_the_secret() -> None:
    for name in FIELDS:
        for value in (PK, SK, RK, WH, SK[:12] + " " + SK[12:], f"key={SK}", SK + SK, SK + "!"):
            assert BODY[6:] not in judge(name, {name: value}, finished=True).message


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"publishable_key": PK, "secret_key": RK}, "test"),
        ({"publishable_key": PK_LIVE}, "live"),
        ({"publishable_key": PK, "secret_key": SK_LIVE}, "mixed"),
        ({"publishable_key": "", "secret_key": "what"}, None),
    ],
)
def test_the_form_knows_its_mode(values: dict[str, str], expected: str | None) -> None:
    assert shared_mode(values) == expected


def test_kind_and_mode_ignore_what_surrounds_the_key() -> None:
    assert kind_of(f"  {RK}\n") is KeyKind.RESTRICTED
    assert mode_of(f"\t{SK_LIVE} ") == "live"
    assert clean(f"\u200b{WH}\n") == WH


def test_only_bad_blocks() -> None:
    assert [Verdict(tone, "").blocks for tone in ("ok", "warn", "mute", "bad")] == [False, False, False, True]
