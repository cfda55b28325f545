"""The list of invoices at a million of them: server time of every order with every filter, and of the tabs.

python -m tests.bench.lists                      # a million invoices, 200,000 customers
python -m tests.bench.lists --short              # twenty thousand, to see that it runs
python -m tests.bench.lists plans.txt            # the plans of the slowest ones into this file, too

A request goes through the whole application in this process: session, statements, page.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from tests.bench.figures import Figure, note
from tests.bench.invoice_seeds import CONFLICTS, CUSTOMERS, INVOICES, SECOND_MODE, SETTLED
from tests.bench.stands import Stand, built_stand

RUNS, SHORT_RUNS = 20, 1
TARGET_MS = 25.0
DEEP_PAGES = 40
SLOWEST = 12
ORDERS = ("-created", "created", "number", "-number", "due", "-due", "amount", "-amount")
HTMX = {"HX-Request": "true"}


def _filters() -> dict[str, dict[str, str]]:
    """By their words; days lie in the past, where a walk from the newest has a long way."""
    day = datetime.now(UTC).date() - timedelta(500)
    month = (day - timedelta(30)).isoformat(), day.isoformat()
    return {
        "all": {},
        **{tab: {"tab": tab} for tab in ("draft", "open", "past-due", "paid", "void")},
        "refunded": {"status": "refunded"},
        **{f"sync {state}": {"sync": state} for state in ("in_step", "waiting", "failed", "conflict")},
        "test mode": {"mode": "test"},
        "customer with few": {"customer": "150000"},
        "customer with 1 %": {"customer": "1"},
        "rare currency": {"currency": "kwd"},
        "one amount": {"currency": "usd", "min": "490", "max": "490"},
        "few amounts": {"currency": "usd", "min": "123", "max": "124"},
        "due on a day": {"due_from": month[1], "due_to": month[1]},
        "due in a month": {"due_from": month[0], "due_to": month[1]},
        "created in a month": {"created_from": month[0], "created_to": month[1]},
        "search INV-00": {"q": "INV-00"},
        "search INV": {"q": "INV"},
        "search INV-1": {"q": "INV-1"},
        "search INV-123456": {"q": "INV-123456"},
        "search a name": {"q": "globex trading"},
        "search two letters": {"q": "gl"},
        "search an address": {"q": "c12"},
        "search nobody": {"q": "zzzz"},
        "sync failed, past due": {"sync": "failed", "tab": "past-due"},
        "search a name, past due": {"q": "globex", "tab": "past-due"},
        "search an address, failed": {"q": "c12", "sync": "failed"},
    }


@dataclass(frozen=True, slots=True)
class Measured:
    """One list, and its milliseconds in order."""

    name: str
    values: dict[str, str]
    took: list[float]

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.took)

    @property
    def p95(self) -> float:
        """So long at most in 95 of 100."""
        return self.took[min(int(len(self.took) * 0.95), len(self.took) - 1)]


async def _seed(stand: Stand, *, invoices: int) -> None:
    size = {"invoices": invoices, "customers": invoices // 5}
    seeds = [one.format(**size) for one in (SECOND_MODE, CUSTOMERS, INVOICES, CONFLICTS)]
    await stand.run("SET session_replication_role = replica", *seeds, *SETTLED, "CHECKPOINT", "SELECT 1")


async def _measure(runs: int, orders: tuple[str, ...], plans: Path | None) -> list[Measured]:
    from portal.app import create_app  # noqa: PLC0415 - reads the settings of the stand
    from portal.database.engine import close_pool, open_pool  # noqa: PLC0415 - as above
    from portal.settings import current_settings  # noqa: PLC0415 - as above
    from tests.visitors import Visitor, add_person, sign_in_as  # noqa: PLC0415 - as above

    await open_pool(name="portal-bench")
    visitor = Visitor(create_app(current_settings()))
    await sign_in_as(visitor, await add_person())
    found = [
        await _one(visitor, f"{name}, by {order}", {**values, "sort": order}, runs)
        for name, values in _filters().items()
        for order in orders
    ]
    found += [await _deep(visitor, order, runs) for order in orders]
    if plans:
        await _write_plans(found, plans)
    await visitor.http.aclose()
    await close_pool()
    return found


async def _one(visitor: object, name: str, values: dict[str, str], runs: int) -> Measured:
    path = f"/invoices?{urlencode(values)}"
    took = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        answer = await visitor.http.get(path, headers=HTMX)  # type: ignore[attr-defined]  # imported late
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
    measured = Measured(name, values, sorted(took[1:]))
    print(f"{name:<50}{measured.p50:8.1f}{measured.p95:8.1f} ms", flush=True)
    return measured


async def _deep(visitor: object, order: str, runs: int) -> Measured:
    """A page that is far down."""
    from portal.invoices.filters import InvoiceFilter, read_filter  # noqa: PLC0415 - as above
    from portal.invoices.queries import list_cursor, list_invoices  # noqa: PLC0415 - as above

    wanted = read_filter({"sort": order}, InvoiceFilter(datetime.now(UTC).date()))
    cursor = list_cursor(wanted, None)
    for _ in range(DEEP_PAGES):
        page = await list_invoices(wanted, cursor, size=5_000)
        if not page.older:
            break
        cursor = list_cursor(wanted, page.older)
    return await _one(visitor, f"far down, by {order}", {"sort": order, "page_at": page.newer}, runs)


async def _write_plans(found: list[Measured], plans: Path) -> None:
    from portal.contract.facts import Mode  # noqa: PLC0415 - as above
    from portal.database.transaction import connection  # noqa: PLC0415 - as above
    from portal.invoices.filters import InvoiceFilter, read_filter  # noqa: PLC0415 - as above
    from portal.invoices.selections import explained  # noqa: PLC0415 - as above

    texts = []
    async with connection() as held:
        for one in sorted(found, key=lambda one: -one.p95)[:SLOWEST]:
            frame = InvoiceFilter(datetime.now(UTC).date(), mode=Mode(one.values.get("mode", "live")))
            lines = await explained(held, read_filter(one.values, frame), 26)
            texts.append("\n".join([f"== {one.name}: p95 {one.p95:.1f} ms", *lines]))
    plans.write_text("\n\n".join(texts))


def main(*, short: bool, plans: Path | None) -> None:
    """Build, seed, measure, tell."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder, built_stand(Path(folder)) as stand:
        asyncio.run(_seed(stand, invoices=20_000 if short else 1_000_000))
        os.environ.update(stand.variables)
        runs, orders = (SHORT_RUNS, ORDERS[:3]) if short else (RUNS, ORDERS)
        found = asyncio.run(_measure(runs, orders, plans))
    print("\nThe slowest:")
    for one in sorted(found, key=lambda one: -one.p95)[:SLOWEST]:
        print(f"{one.name:<50}{one.p50:8.1f}{one.p95:8.1f} ms")
    worst = max(found, key=lambda one: one.p95)
    slow = sum(one.p95 >= TARGET_MS for one in found)
    everything = sorted(ms for one in found for ms in one.took)
    p95 = everything[int(len(everything) * 0.95)]
    note(
        Figure(
            "F4",
            f"{len(found)} lists of invoices, p95 of all requests",
            p95,
            "ms",
            "under 25 ms",
            p95 < TARGET_MS,
        )
    )
    note(Figure("F4", f"the slowest: {worst.name}; {slow} are over the target", worst.p95, "ms"))


if __name__ == "__main__":
    files = [Path(word) for word in sys.argv[1:] if not word.startswith("--")]
    main(short="--short" in sys.argv, plans=files[0] if files else None)
