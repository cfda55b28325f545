"""`/_sandbox/`: JSON calls that steer the sandbox itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from plugins.stripe.sandbox import jobs, planting
from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.cards import by_token
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.expansion import lookup
from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.sandbox.objects import payment_method_domains, subscriptions
from plugins.stripe.sandbox.objects.accounts import change_account
from plugins.stripe.sandbox.objects.attempts import end_debit
from plugins.stripe.sandbox.objects.customer_sessions import element_offer
from plugins.stripe.sandbox.objects.disputes import return_late
from plugins.stripe.sandbox.objects.subscription_dunning import AFTER_RETRIES
from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.store.ids import new_signing_secret
from plugins.stripe.sandbox.store.worlds import World

Control = Callable[[Sandbox, Json], Any]

_CONTROLS: dict[tuple[str, str], Control] = {}


def control(method: str, path: str) -> Callable[[Control], Control]:
    """Register a control call. A path part in braces arrives among the parameters."""

    def register(function: Control) -> Control:
        _CONTROLS[method, path] = function
        return function

    return register


def steer(sandbox: Sandbox, method: str, path: str, body: Json) -> Any:
    """Carry out a control call.

    Raises:
        ApiError: there is no such call, or its parameters are wrong.
    """
    for (known_method, template), function in _CONTROLS.items():
        names = _matched(template, path) if known_method == method else None
        if names is not None:
            try:
                return function(sandbox, {**body, **names})
            except (KeyError, TypeError, ValueError) as error:
                raise ApiError(400, f"Control call refused: {type(error).__name__}: {error}") from error
    known = ", ".join(sorted(f"{m} {p}" for m, p in _CONTROLS))
    raise ApiError(404, f"There is no control call {method} {path}. Known: {known}.")


def _matched(template: str, path: str) -> dict[str, str] | None:
    wanted, given = template.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    names: dict[str, str] = {}
    for want, got in zip(wanted, given, strict=True):
        if want.startswith("{"):
            names[want[1:-1]] = got
        elif want != got:
            return None
    return names


# ---- which world


def _world(sandbox: Sandbox, body: Json) -> World:
    """The world named by `world` (its name or one of its keys); account A in test mode otherwise."""
    name = body.get("world", DEFAULT.name)
    if name in sandbox.worlds:
        return sandbox.worlds[name]
    return sandbox.worlds[sandbox.keyring.open(name).world]


def _worlds(sandbox: Sandbox, body: Json) -> list[World]:
    return [_world(sandbox, body)] if "world" in body else list(sandbox.worlds.values())


def _holder(sandbox: Sandbox, object_id: str) -> tuple[World, Json]:
    """The world that holds an object, and the object."""
    for world in sandbox.worlds.values():
        row = lookup(world, object_id)
        if row is not None:
            return world, row
    raise ApiError(404, f"No world of the sandbox holds '{object_id}'.")


# ---- the calls


@control("GET", "/customer_sessions")
def customer_sessions(sandbox: Sandbox, _body: Json) -> Any:
    """Every open session."""
    return {"data": list(sandbox.customer_sessions.values())}


@control("GET", "/customer_sessions/{secret}")
def saved_methods(sandbox: Sandbox, body: Json) -> Any:
    """For the stand-in's Payment Element, which asks as a browser does: with the session's client secret."""
    return element_offer(sandbox, body["secret"])


@control("GET", "/ready")
def ready(_sandbox: Sandbox, _body: Json) -> Json:
    """The sandbox answers."""
    return {"ready": True}


@control("POST", "/reset")
def reset(sandbox: Sandbox, _body: Json) -> Json:
    """Empty everything."""
    sandbox.reset()
    return {"reset": True}


@control("GET", "/faults")
def list_faults(sandbox: Sandbox, _body: Json) -> Json:
    """The faults in force."""
    return sandbox.faults.as_json()


@control("POST", "/faults")
def add_faults(sandbox: Sandbox, body: Json) -> Json:
    """Add one fault, or several under `faults`."""
    for rule in body.get("faults", [body]):
        sandbox.faults.add(rule)
    return sandbox.faults.as_json()


@control("DELETE", "/faults")
def clear_faults(sandbox: Sandbox, _body: Json) -> Json:
    """Forget every fault."""
    sandbox.faults.clear()
    return sandbox.faults.as_json()


@control("GET", "/calls")
def calls(sandbox: Sandbox, _body: Json) -> Json:
    """How often each route was called, and the last calls."""
    return {"counts": dict(sorted(sandbox.calls.items())), "recent": list(sandbox.recent_calls)}


@control("DELETE", "/calls")
def forget_calls(sandbox: Sandbox, _body: Json) -> Json:
    """Count from zero."""
    sandbox.calls.clear()
    sandbox.recent_calls.clear()
    return {"counts": {}, "recent": []}


@control("GET", "/clock")
def read_clock(sandbox: Sandbox, _body: Json) -> Json:
    """What time it is in each world."""
    return {name: world.clock.now() for name, world in sandbox.worlds.items()}


@control("POST", "/clock")
def move_clock(sandbox: Sandbox, body: Json) -> Json:
    """Move the time of one world or of all; what becomes due happens at once."""
    for world in _worlds(sandbox, body):
        if "now" in body:
            world.clock.set(float(body["now"]))
        else:
            world.clock.advance(float(body["advance_seconds"]))
        jobs.run_due(sandbox, world)
        world.on_change()
    return {name: world.clock.now() for name, world in sandbox.worlds.items()}


@control("POST", "/deliver")
def deliver(sandbox: Sandbox, body: Json) -> Json:
    """Change how deliveries behave."""
    return dict(vars(sandbox.courier.change(body)))


@control("POST", "/billing")
def set_billing(sandbox: Sandbox, body: Json) -> Json:
    """Say what becomes of a subscription after its last retry: `cancel`, `past_due` or `unpaid`."""
    wanted = body.get("after_retries")
    if wanted not in AFTER_RETRIES:
        raise ApiError(400, f"after_retries is one of {', '.join(AFTER_RETRIES)}.")
    for world in _worlds(sandbox, body):
        world.billing["after_retries"] = wanted
        world.on_change()
    return {"after_retries": wanted}


@control("POST", "/payment_methods/{id}/decline")
def decline_method(sandbox: Sandbox, body: Json) -> Json:
    """Let a saved card be refused from now on, as the test card of this name is; null: it pays again."""
    world, method = _holder(sandbox, body["id"])
    name = body.get("as")
    card = by_token(f"pm_card_{name}") if name else None
    if name and (card is None or card.decline is None):
        raise ApiError(400, f"No test card {name} is refused.")
    world.note(method["id"])["declined_as"] = name
    world.on_change()
    return {"payment_method": method["id"], "declined_as": name}


@control("GET", "/deliveries")
def deliveries(sandbox: Sandbox, body: Json) -> Json:
    """Deliveries with their attempts, newest first."""
    rows = [d for world in _worlds(sandbox, body) for d in reversed(world.deliveries.values())]
    return {"data": rows[: int(body.get("limit", 200))]}


@control("POST", "/settle")
def settle(sandbox: Sandbox, body: Json) -> Json:
    """End a bank debit now; `outcome` is `succeeded` or a failure code, else as the test account says."""
    world, intent = _holder(sandbox, body["payment_intent"])
    if intent["status"] != "processing":
        raise ApiError(400, f"The payment intent is {intent['status']}, not processing.")
    end_debit(Call(sandbox, world), intent, body.get("outcome"))
    return intent


@control("POST", "/return")
def return_debit(sandbox: Sandbox, body: Json) -> Json:
    """Let the bank take a debit back that had succeeded; `reason` is that of the dispute it makes."""
    world, intent = _holder(sandbox, body["payment_intent"])
    charge = world.get("charge", str(intent["latest_charge"]))
    if charge["status"] != "succeeded":
        raise ApiError(400, f"The charge is {charge['status']}, not succeeded.")
    return_late(Call(sandbox, world), charge, body.get("reason", "insufficient_funds"))
    return intent


@control("POST", "/emit")
def emit(sandbox: Sandbox, body: Json) -> Json:
    """Make an event of any type about an object as it is now."""
    world, row = _holder(sandbox, body.get("object") or body["id"])
    return Call(sandbox, world).send_event(body["type"], row, body.get("previous_attributes"))


@control("POST", "/events/{id}/resend")
def resend(sandbox: Sandbox, body: Json) -> Json:
    """Deliver an event again, to every endpoint that wants it or to `webhook_endpoint`."""
    world, event = _holder(sandbox, body["id"])
    return {"deliveries": sandbox.courier.send(world, event, body.get("webhook_endpoint"))}


@control("GET", "/keys")
def list_keys(sandbox: Sandbox, _body: Json) -> Json:
    """Every key."""
    return {"data": sandbox.keyring.dump()}


@control("POST", "/keys")
def make_key(sandbox: Sandbox, body: Json) -> Json:
    """Make a restricted key with exactly these permissions."""
    key = sandbox.keyring.make_restricted(_world(sandbox, body).keys.name, body["permissions"])
    return {"key": key.text, "permissions": sorted(key.permissions or ())}


@control("POST", "/keys/revoke")
def revoke_key(sandbox: Sandbox, body: Json) -> Json:
    """Make a key invalid."""
    return {"state": sandbox.keyring.change_state(body["key"], "revoked").state}


@control("POST", "/keys/expire")
def expire_key(sandbox: Sandbox, body: Json) -> Json:
    """Make a key an expired one, as after a roll."""
    return {"state": sandbox.keyring.change_state(body["key"], "expired").state}


@control("POST", "/keys/activate")
def activate_key(sandbox: Sandbox, body: Json) -> Json:
    """Make a key valid again."""
    return {"state": sandbox.keyring.change_state(body["key"], "active").state}


@control("POST", "/account")
def account(sandbox: Sandbox, body: Json) -> Json:
    """Change the account of a world: every field but `world` is laid over it."""
    changes = {k: v for k, v in body.items() if k != "world"}
    return change_account(Call(sandbox, _world(sandbox, body)), changes)


@control("POST", "/subscriptions")
def plant_subscriptions(sandbox: Sandbox, body: Json) -> Json:
    """Put subscriptions there: `count` of them in one `status`, of a new customer or of `customer`."""
    call = Call(sandbox, _world(sandbox, body))
    count, status = int(body.get("count", 1)), body.get("status", "active")
    return {"data": subscriptions.plant(call, count, status, body.get("customer"))}


@control("POST", "/invoice-copies")
def copy_invoice(sandbox: Sandbox, body: Json) -> Json:
    """Copy an invoice with all that belongs to it `count` times, each `apart` seconds newer."""
    world, invoice = _holder(sandbox, body["invoice"])
    apart, first = int(body.get("apart", 0)), int(body.get("first", 0))
    return {"objects": planting.copy_invoice(world, invoice, int(body["count"]), apart=apart, first=first)}


@control("POST", "/payment_method_domains")
def judge_domain(sandbox: Sandbox, body: Json) -> Json:
    """Decide whether wallets work on a domain, registered or not yet: `error_message`, or null for yes."""
    call = Call(sandbox, _world(sandbox, body))
    ruling = payment_method_domains.Ruling(
        body["error_message"], body.get("method"), until_validated=bool(body.get("until_validated"))
    )
    return {"data": payment_method_domains.rule(call, body["domain_name"].lower(), ruling)}


@control("POST", "/webhook_endpoints/{id}/roll-secret")
def roll_secret(sandbox: Sandbox, body: Json) -> Json:
    """Give an endpoint a new secret; the old one signs too, unless `expire_now` is set."""
    world, endpoint = _holder(sandbox, body["id"])
    note = world.note(endpoint["id"])
    kept = [] if body.get("expire_now") else note["secrets"][:1]
    note["secrets"] = [new_signing_secret(), *kept]
    note["rolled_at"] = time.time()
    world.on_change()
    return {"secret": note["secrets"][0]}


@control("GET", "/shape-errors")
def shape_errors(sandbox: Sandbox, _body: Json) -> Json:
    """Answers that contradicted the SDK's types."""
    return {"data": sandbox.shape_errors}
