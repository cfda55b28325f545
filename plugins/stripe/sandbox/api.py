"""`/v1`: key, faults, idempotency, parameters, rights, handler, expansion, shape check - in this order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from plugins.stripe.sandbox import authentication, idempotency, permissions
from plugins.stripe.sandbox.authentication import Key, key_from_header
from plugins.stripe.sandbox.calls import HANDLERS, Call, Handler
from plugins.stripe.sandbox.errors import NOT_BUILT, ApiError, Json, not_built
from plugins.stripe.sandbox.expansion import expanded
from plugins.stripe.sandbox.faults import Fault
from plugins.stripe.sandbox.idempotency import Claim, Kept
from plugins.stripe.sandbox.objects import load_handlers
from plugins.stripe.sandbox.parameters import SeenParams, check_metadata
from plugins.stripe.sandbox.publishable import check_client_secret, split_browser_params, visible_to_browser
from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.spec import shapes
from plugins.stripe.sandbox.spec.params import read_params
from plugins.stripe.sandbox.spec.routes import Match, match
from plugins.stripe.sandbox.store.ids import new_request_id
from plugins.stripe.sandbox.store.worlds import World
from plugins.stripe.sandbox.versions import CURRENT, for_version, is_endive, requested_version
from plugins.stripe.sandbox.wire import decode_form, encode_json

load_handlers()

Headers = list[tuple[bytes, bytes]]
_NO_TYPES_SINCE_ENDIVE = ("POST /v1/payment_intents", "POST /v1/setup_intents")


@dataclass(slots=True)
class Request:
    """What arrived, undecoded."""

    method: str
    path: str
    query: str
    body: bytes
    headers: dict[bytes, bytes]
    id: str = field(default_factory=new_request_id)

    def header(self, name: bytes) -> str | None:
        """A header as text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


@dataclass(slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    headers: Headers
    dropped: bool = False
    """The connection breaks instead of bringing this."""


async def answer(sandbox: Sandbox, request: Request) -> Answer:
    """Answer one request under `/v1`."""
    fault = sandbox.faults.strike(request.method, request.path)
    if fault is None:
        return _answer(sandbox, request, None)
    if fault.drop == "before":
        return Answer(500, b"", [], dropped=True)
    if not fault.delay_ms:
        return _answer(sandbox, request, fault)
    return await _answer_late(sandbox, request, fault)


async def _answer_late(sandbox: Sandbox, request: Request, fault: Fault) -> Answer:
    """A slow call holds its idempotency key all the while, so a second one meets 409."""
    held: Claim | None = None
    try:
        world = sandbox.worlds[_authenticate(sandbox, request, {}).world]
        held = _claim(world, request)
    except ApiError:
        # The same refusal, or the answer under the key, comes at the end of the wait.
        held = None
    await asyncio.sleep(fault.delay_ms / 1000)
    if held is not None:
        held.release()
    return _answer(sandbox, request, fault)


def _claim(world: World, request: Request) -> Claim | None:
    name = request.header(b"idempotency-key") if request.method == "POST" else None
    if name is None:
        return None
    return idempotency.claim(world, name, f"{request.method} {request.path}", request.body)


def _answer(sandbox: Sandbox, request: Request, fault: Fault | None) -> Answer:
    world: World | None = None
    claim: Claim | None = None
    executed = False
    try:
        form = decode_form(request.query if request.method in ("GET", "DELETE") else _text(request.body))
        key = _authenticate(sandbox, request, form)
        world = sandbox.worlds[key.world]
        sandbox.faults.check_rate()
        found = _route(request)
        claim = _claim(world, request)
        if claim is not None and claim.kept is not None:
            return _replayed(request, claim.kept)
        if fault is not None and (error := fault.error()) is not None:
            raise error
        body = encode_json(_execute(sandbox, request, form, key=key, found=found))
        result = Answer(200, body, headers_of(request))
        executed = True
    except ApiError as error:
        result = failure_answer(request, world, error)
        executed = error.executed
    finally:
        if claim is not None and claim.kept is None:
            if executed:
                claim.keep(result.status, result.body, request.id)
            claim.release()
    result.dropped = fault is not None and fault.drop == "after"
    return result


def _authenticate(sandbox: Sandbox, request: Request, form: Json) -> Key:
    text = key_from_header(request.header(b"authorization")) or form.get("key")
    if not text or not isinstance(text, str):
        raise authentication.no_key()
    return sandbox.keyring.open(text)


def _route(request: Request) -> Match:
    found = match(request.method, request.path)
    if found is None:
        raise ApiError(
            404,
            f"Unrecognized request URL ({request.method}: {request.path}). Please see "
            "https://stripe.com/docs or we "
            "can help at https://support.stripe.com/.",
        )
    return found


def _execute(sandbox: Sandbox, request: Request, form: Json, *, key: Key, found: Match) -> Json:
    """Run the handler. Errors after this point may have changed something."""
    route, world = found.route, sandbox.worlds[key.world]
    version = requested_version(request.header(b"stripe-version"))
    publishable = key.kind == "publishable"
    _check_account(request, world)
    browser = split_browser_params(form, publishable=publishable)
    _check_rights(key, found, world)
    handler = HANDLERS.get(route.key)
    if handler is None:
        raise not_built(f"{route.operation} ({route.key})")
    params = read_params(route, browser.form)
    if browser.method is not None:
        params["payment_method_data"] = browser.method
    if publishable:
        check_client_secret(world, found, browser.secret)
    if (
        is_endive(version)
        and "payment_method_types" in params
        and route.key.startswith(_NO_TYPES_SINCE_ENDIVE)
    ):
        raise _types_no_longer_supported()
    paths = params.pop("expand", None) or []
    check_metadata(params)
    params = SeenParams(params)
    call = Call(
        sandbox,
        world,
        params,
        found.ids,
        request.path,
        request_id=request.id,
        idempotency_key=request.header(b"idempotency-key"),
        version=version,
        publishable=publishable,
    )
    body = _handled(handler, call)
    params.check_all_seen(route.operation)
    body = for_version(body, version)
    if paths:
        body = expanded(world, body, paths)
    if publishable:
        body = visible_to_browser(body)
    if sandbox.shape_mode != "off":
        _check_shape(sandbox, found, body, partial=publishable)
    return body


def _check_account(request: Request, world: World) -> None:
    """The sandbox has no connected accounts: `Stripe-Account` may only name the key's own."""
    account = request.header(b"stripe-account")
    if account is not None and account != world.keys.account:
        raise ApiError(
            403,
            f"The provided key does not have access to account '{account}' (or that account does not exist). "
            "Application access may have been revoked.",
            code="account_invalid",
        )


def _handled(handler: Handler, call: Call) -> Json:
    try:
        return handler(call)
    except ApiError as error:
        error.executed = error.status != NOT_BUILT
        if call.publishable:
            error.extra = {
                k: visible_to_browser(v) if isinstance(v, dict) else v for k, v in error.extra.items()
            }
        raise


def _check_rights(key: Key, found: Match, world: World) -> None:
    route = found.route
    if key.kind == "publishable" and not permissions.is_browser_call(route):
        raise authentication.secret_key_required()
    needed = permissions.needed_permission(route)
    if key.permissions is not None and not permissions.is_allowed(key.permissions, needed):
        raise permissions.more_permissions_required(
            authentication.masked(key.text), world.keys.account, needed
        )


def _check_shape(sandbox: Sandbox, found: Match, body: Json, *, partial: bool) -> None:
    wrong = shapes.problems(found.route, body, partial=partial)
    if wrong:
        sandbox.shape_errors.append({"operation": found.route.operation, "problems": wrong[:20]})
        if sandbox.shape_mode == "strict":
            words = "; ".join(wrong[:5])
            raise ApiError(
                500, f"The sandbox's answer contradicts the SDK's types: {words}", kind="api_error"
            )


def _types_no_longer_supported() -> ApiError:
    return ApiError(
        400,
        "The `payment_method_types` parameter is no longer supported. Use `allowed_payment_method_types`, "
        "`excluded_payment_method_types` or manage payment methods in the Dashboard.",
        code="payment_method_types_no_longer_supported",
        param="payment_method_types",
    )


def failure_answer(request: Request, world: World | None, error: ApiError) -> Answer:
    """The envelope of an error, as an answer."""
    body = error.body(_log_url(world, request))
    extra = [(k.lower().encode(), v.encode()) for k, v in error.headers.items()]
    return Answer(error.status, encode_json(body), headers_of(request) + extra)


def _replayed(request: Request, kept: Kept) -> Answer:
    headers = [*headers_of(request), (b"idempotent-replayed", b"true")]
    headers.append((b"original-request", kept.request_id.encode()))
    return Answer(kept.status, kept.body, headers)


def _log_url(world: World | None, request: Request) -> str:
    account = f"{world.keys.account}/" if world else ""
    mode = "" if world is None or world.livemode else "test/"
    return f"https://dashboard.stripe.com/{account}{mode}workbench/logs?object={request.id}"


def headers_of(request: Request) -> Headers:
    """The headers that Stripe puts on each answer."""
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"request-id", request.id.encode()),
        (b"stripe-version", request.headers.get(b"stripe-version") or CURRENT.encode()),
    ]
    if key := request.headers.get(b"idempotency-key"):
        headers.append((b"idempotency-key", key))
    return headers


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise ApiError(400, "Invalid request body: not UTF-8.") from None
