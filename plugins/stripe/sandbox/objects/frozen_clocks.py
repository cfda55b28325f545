"""Test clocks: frozen time for the customers made on them."""

from __future__ import annotations

from plugins.stripe.sandbox import jobs
from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.expansion import deleted
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.subscription_ends import end_all

_LIFE_SECONDS = 30 * 86400
KIND = "test_helpers.test_clock"


@handles("POST /v1/test_helpers/test_clocks")
def create(call: Call) -> Json:
    """Make a clock that stands still."""
    if call.world.livemode:
        raise ApiError(400, "Test clocks can only be used in test mode.", code="testmode_charges_only")
    clock = call.world.add(
        KIND,
        {
            "deletes_after": call.world.clock.now() + _LIFE_SECONDS,
            "frozen_time": call.params["frozen_time"],
            "name": call.params.get("name"),
            "status": "ready",
            "status_details": {},
        },
    )
    call.emit(f"{KIND}.created", clock)
    return clock


@handles("GET /v1/test_helpers/test_clocks/{test_clock}")
def retrieve(call: Call) -> Json:
    """Read a clock; one that was told to advance has arrived by now."""
    if call.ids[0] in call.world.table(KIND).deleted:
        return deleted(KIND, call.ids[0])
    return call.world.get(KIND, call.ids[0])


@handles("GET /v1/test_helpers/test_clocks")
def list_(call: Call) -> Json:
    """List clocks."""
    return listed(call, KIND)


@handles("POST /v1/test_helpers/test_clocks/{test_clock}/advance")
def advance(call: Call) -> Json:
    """Set a clock on with all that becomes due by it; the answer says `advancing`, the next read `ready`."""
    clock = call.world.get(KIND, call.ids[0])
    moment = call.params["frozen_time"]
    if moment <= clock["frozen_time"]:
        raise ApiError(
            400,
            "The new frozen time must be after the current frozen time of the test clock.",
            param="frozen_time",
        )
    with call.changing(clock):
        clock["status"] = "advancing"
        clock["status_details"] = {"advancing": {"target_frozen_time": moment}}
    call.emit(f"{KIND}.advancing", clock)
    answer = clock | {"frozen_time": moment}
    jobs.run_clock(call.sandbox, call.world, clock, moment)
    with call.changing(clock):
        clock |= {"status": "ready", "status_details": {}}
    call.emit(f"{KIND}.ready", clock)
    return answer


@handles("DELETE /v1/test_helpers/test_clocks/{test_clock}")
def delete(call: Call) -> Json:
    """Delete a clock with the customers on it, whose subscriptions end."""
    clock = call.world.get(KIND, call.ids[0])
    customers = call.world.table("customer")
    for customer in [c for c in customers.rows.values() if c["test_clock"] == clock["id"]]:
        end_all(call, customer)
        customers.remove(customer["id"])
    call.world.jobs = [j for j in call.world.jobs if j.get("clock") != clock["id"]]
    call.world.table(KIND).remove(clock["id"])
    call.emit(f"{KIND}.deleted", clock)
    return deleted(KIND, clock["id"])
