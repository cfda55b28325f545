"""`POST /v1/…_intents/{id}/_sandbox_authenticate`: how the Stripe.js stand-in ends a challenge.

Stripe has no such call; it takes the publishable key, the client secret and `outcome=pass|fail`.
"""

from __future__ import annotations

from plugins.stripe.sandbox.api import Answer, Request, failure_answer, headers_of
from plugins.stripe.sandbox.authentication import key_from_header, no_key
from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError, Json, missing_param
from plugins.stripe.sandbox.objects.challenges import finish_challenge
from plugins.stripe.sandbox.publishable import check_secret_of, visible_to_browser
from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.store.worlds import World
from plugins.stripe.sandbox.wire import decode_form, encode_json


def authenticate_intent(sandbox: Sandbox, request: Request) -> Answer:
    """End the challenge and answer the intent, as a confirmation would."""
    world: World | None = None
    try:
        form = decode_form(request.body.decode("utf-8", "replace") or request.query)
        text = key_from_header(request.header(b"authorization")) or form.get("key")
        if not isinstance(text, str):
            raise no_key()
        world = sandbox.worlds[sandbox.keyring.open(text).world]
        intent = _intent(world, request.path, form)
        if form.get("outcome") not in ("pass", "fail"):
            raise missing_param("outcome")
        call = Call(sandbox, world, request_id=request.id, publishable=True)
        finish_challenge(call, intent, passed=form["outcome"] == "pass")
        return Answer(200, encode_json(visible_to_browser(intent)), headers_of(request))
    except ApiError as error:
        return failure_answer(request, world, error)


def _intent(world: World, path: str, form: Json) -> Json:
    parts = path.split("/")
    kinds = {"payment_intents": "payment_intent", "setup_intents": "setup_intent"}
    if len(parts) != 5 or parts[2] not in kinds:
        raise ApiError(404, f"Unrecognized request URL (POST: {path}).")
    intent = world.get(kinds[parts[2]], parts[3], param="intent")
    check_secret_of(intent, form.get("client_secret"))
    return intent
