"""The first half of a history: people act in Stripe and in the portal."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from plugins.stripe.domain.events import ENDPOINT_EVENTS
from tests.plugins.stripe.services import desks
from tests.plugins.stripe.services.direct import Json
from tests.plugins.stripe.services.shadow import Bill, Buyer, Shadow, Subscribed
from tests.plugins.stripe.services.stages import Stage
from tests.plugins.stripe.services.stories import published_invoice

NUMBERS = st.integers(0, 2**16)
TOLD = ("invoice", "charge.refunded", "refund.", "payment_intent.", "customer.", "credit_note.")
"""The events that anything here depends on."""
ASKED_FOR = tuple(name for name in ENDPOINT_EVENTS if name.startswith(TOLD))


class Acting(RuleBasedStateMachine):
    """What people do, on both sides; the shadow keeps what ought to become of it."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.shadow = Shadow()
        self.stage.direct.sandbox.reset()
        self.seen = 0
        self.waiting: list[Json] = []
        self.delivered: list[Json] = []
        self.asked_for: tuple[str, ...] = TOLD

    def call(self, method: str, path: str, **params: Any) -> Json:
        """Do something in Stripe; its events wait to be delivered."""
        answer = self.stage.run(self.stage.direct.call(method, path, **params))
        self._collect()
        return answer

    def _collect(self) -> None:
        events = self.stage.direct.events()
        self.waiting += [event for event in events[self.seen :] if event["type"].startswith(self.asked_for)]
        self.seen = len(events)

    # ---- what people do

    @initialize(here=st.integers(0, 24), amount=st.integers(100, 99_999))
    def begin(self, here: int, amount: int) -> None:
        if here % 4:  # else an endpoint that somebody made by hand, for every type
            self.asked_for = ASKED_FOR
        buyer = self.call("POST", "customers", name="Globex", email="ap@globex.example")
        self.shadow.buyers.append(Buyer(buyer["id"], "Globex"))
        if here == 24:
            _, external_id = self.stage.run(published_invoice(amount))
            self._collect()
            self.shadow.bills.append(Bill(external_id, amount))
        else:
            self.bill(amount)

    @precondition(lambda self: not self.shadow.buyers[0].deleted)
    @rule(amount=st.integers(100, 99_999))
    def bill(self, amount: int) -> None:
        buyer = self.shadow.buyers[0].external_id
        lines = [{"description": "Work", "amount": amount}]
        made = self.call("POST", "invoices", customer=buyer, currency="usd", collection_method="send_invoice",
                         days_until_due=14)  # fmt: skip
        self.call("POST", f"invoices/{made['id']}/add_lines", lines=lines)
        self.call("POST", f"invoices/{made['id']}/finalize")
        self.shadow.bills.append(Bill(made["id"], amount))

    def _one(self, number: int, *, want: str) -> Bill:
        fitting = [bill for bill in self.shadow.bills if getattr(bill, want)]
        return fitting[number % len(fitting)]

    @precondition(lambda self: any(bill.owed for bill in self.shadow.bills))
    @rule(number=NUMBERS, method=st.sampled_from(["pm_card_visa", "pm_card_visa", "", "debit"]))
    def pay(self, number: int, method: str) -> None:
        bill = self._one(number, want="owed")
        asked = self._asked_for(bill)
        if not asked:
            return  # what was recorded here has paid it there as well
        if method == "debit":
            self.call("POST", f"payment_intents/{self._intent(bill)}/confirm",
                      payment_method="pm_usBankAccount_success")  # fmt: skip
            bill.debit = asked
            return
        how = {"payment_method": method} if method else {"paid_out_of_band": True}
        self.call("POST", f"invoices/{bill.external_id}/pay", **how)
        # Of what is said to have come elsewhere the portal knows a part by its own people.
        bill.pay(asked if method else asked - self._untold(bill))

    def _asked_for(self, bill: Bill) -> int:
        """What Stripe asks for."""
        theirs = self.stage.direct.find("invoice", bill.external_id)
        return int(theirs["amount_remaining"]) if theirs["status"] in ("open", "uncollectible") else 0

    def _untold(self, bill: Bill) -> int:
        """What people recorded here and Stripe has not heard."""
        rows = self.stage.direct.rows("invoice_payment", "invoice", bill.external_id)
        told = sum(row["amount_paid"] for row in rows if "payment_record" in row["payment"])
        return bill.parts - int(told)

    @precondition(lambda self: any(bill.owed for bill in self.shadow.bills))
    @rule(number=NUMBERS, quarters=st.integers(1, 4), told=st.booleans())
    def part(self, number: int, quarters: int, told: bool) -> None:  # noqa: FBT001 - hypothesis fills it in
        """A part, or all of it, comes elsewhere; Stripe hears of it now, or later."""
        bill = self._one(number, want="owed")
        bill.parts += self.stage.run(desks.record_part(bill.external_id, quarters))
        if told:
            self._tell()

    @precondition(lambda self: any(bill.owed for bill in self.shadow.bills))
    @rule(number=NUMBERS, quarters=st.integers(1, 4), here=st.booleans())
    def credit(self, number: int, quarters: int, here: bool) -> None:  # noqa: FBT001 - as above
        """A part is let go, in the portal or in Stripe."""
        bill = self._one(number, want="owed")
        if here:
            self.stage.run(desks.ask_for_credit(bill.external_id, quarters))
            self._tell()
        elif amount := self._asked_for(bill) * quarters // 4:
            self.call("POST", "credit_notes", invoice=bill.external_id, amount=amount)
        self._count_credits()

    @precondition(lambda self: any(bill.credited and bill.owed for bill in self.shadow.bills))
    @rule()
    def take_credit_back(self) -> None:
        bill = next(bill for bill in self.shadow.bills if bill.credited and bill.owed)
        notes = self.stage.direct.rows("credit_note", "invoice", bill.external_id)
        if self._asked_for(bill) and not bill.parts and notes[-1]["status"] == "issued":
            self.call("POST", f"credit_notes/{notes[-1]['id']}/void")
            bill.voided += notes[-1]["amount"]
            self._count_credits()

    def _tell(self) -> None:
        self.stage.run(desks.tell_stripe())
        self._collect()
        self._count_credits()

    def _count_credits(self) -> None:
        for bill in self.shadow.bills:
            theirs = self.stage.direct.find("invoice", bill.external_id)
            bill.credited = theirs["pre_payment_credit_notes_amount"]

    @precondition(lambda self: any(bill.owed for bill in self.shadow.bills))
    @rule(number=NUMBERS)
    def decline(self, number: int) -> None:
        bill = self._one(number, want="owed")
        if not self._asked_for(bill):
            return  # it was let go
        self.call("POST", f"invoices/{bill.external_id}/pay", refused=True,
                  payment_method="pm_card_visa_chargeDeclined")  # fmt: skip

    @precondition(lambda self: any(bill.debit for bill in self.shadow.bills))
    @rule(number=NUMBERS, clears=st.booleans())
    def settle(self, number: int, clears: bool) -> None:  # noqa: FBT001 - hypothesis fills it in
        bill = self._one(number, want="debit")
        intent = self._intent(bill)
        self.stage.run(self._settle(intent, "succeeded" if clears else "insufficient_funds"))
        self._collect()
        if clears:
            bill.pay(bill.debit)
        bill.debit = 0

    async def _settle(self, intent: str, outcome: str) -> None:
        self.stage.direct.settle(intent, outcome)

    def _intent(self, bill: Bill) -> str:
        found = self.stage.direct.rows("invoice_payment", "invoice", bill.external_id)
        return next(str(row["payment"]["payment_intent"]) for row in found if row["is_default"])

    @precondition(lambda self: any(bill.refundable for bill in self.shadow.bills))
    @rule(number=NUMBERS, part=st.integers(1, 4))
    def give_back(self, number: int, part: int) -> None:
        bill = self._one(number, want="refundable")
        intents = self.stage.direct.rows("invoice_payment", "invoice", bill.external_id)
        paid = [
            entry for entry in intents if entry["status"] == "paid" and "payment_intent" in entry["payment"]
        ]
        if not paid or not paid[-1]["payment"]["payment_intent"]:
            return  # it was paid elsewhere, and Stripe has nothing to give back
        amount = max(bill.refundable * part // 4, 1)
        intent = paid[-1]["payment"]["payment_intent"]
        refund = self.call("POST", "refunds", payment_intent=intent, amount=amount)
        bill.give_back(amount, at_once=refund["status"] == "succeeded")

    @precondition(lambda self: any(bill.untouched for bill in self.shadow.bills))
    @rule(number=NUMBERS, how=st.sampled_from(["void", "uncollectible"]))
    def close(self, number: int, how: str) -> None:
        bill = self._one(number, want="untouched")
        if bill.closed != how:
            self.call(
                "POST", f"invoices/{bill.external_id}/{'void' if how == 'void' else 'mark_uncollectible'}"
            )
            bill.close(how)

    @precondition(lambda self: not self.shadow.subscriptions)
    @rule(amount=st.integers(100, 9_999))
    def subscribe(self, amount: int) -> None:
        buyer = self.call("POST", "customers", name="Initech")["id"]
        method = self.call("POST", "payment_methods/pm_card_visa/attach", customer=buyer)["id"]
        price = self._price(amount)
        made = self.call("POST", "subscriptions", customer=buyer, items=[{"price": price}],
                         default_payment_method=method)  # fmt: skip
        self.shadow.buyers.append(Buyer(buyer, "Initech"))
        self.shadow.subscriptions.append(Subscribed(made["id"], made["items"]["data"][0]["id"], price))
        first = Bill(made["latest_invoice"], amount)
        first.pay(amount)
        self.shadow.bills.append(first)

    def _price(self, amount: int) -> str:
        monthly = {"recurring": {"interval": "month"}, "product_data": {"name": "Care"}}
        made = self.call("POST", "prices", currency="usd", unit_amount=amount, **monthly)
        return str(made["id"])

    @precondition(lambda self: any(one.status == "active" for one in self.shadow.subscriptions))
    @rule(what=st.sampled_from(["ends", "stays", "cancel", "other plan"]), amount=st.integers(100, 9_999))
    def change_subscription(self, what: str, amount: int) -> None:
        one = self.shadow.subscriptions[0]
        path = f"subscriptions/{one.external_id}"
        if what == "cancel":
            self.call("DELETE", path)
            one.status = "canceled"
        elif what == "other plan":
            one.plan = self._price(amount)
            self.call("POST", path, items=[{"id": one.item, "price": one.plan}])
        else:
            one.ends = what == "ends"
            self.call("POST", path, cancel_at_period_end=one.ends)

    @rule(name=st.sampled_from(["Globex", "Globex Trading", "Initrode"]))
    def rename(self, name: str) -> None:
        if not self.shadow.buyers[0].deleted:
            self.call("POST", f"customers/{self.shadow.buyers[0].external_id}", name=name)
            self.shadow.buyers[0].name = name
