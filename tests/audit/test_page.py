from __future__ import annotations

import re

from portal.audit.services import SYSTEM, Actor, record, verify
from portal.database.transaction import transaction
from tests.visitors import Visitor


async def write(count: int, action: str = "invoice.edited", words: str = "Edited") -> None:
    async with transaction() as tx:
        for number in range(count):
            await record(
                tx.connection,
                actor=Actor("provider", "stripe", "Stripe") if number % 2 else SYSTEM,
                action=action,
                words=f"{words} {number}",
                subject=("invoice", number),
                mode="test",
            )


async def test_pages_lead_back_and_forth_without_gap_or_repeat(owner: Visitor) -> None:
    await write(60)
    seen: list[str] = []
    path = "/audit-log"
    while path:
        page = (await owner.get(path)).text
        seen += re.findall(r"Edited (\d+)\s*<", page)
        older = re.search(r'href="(/audit-log\?page_at=o[0-9a-f]+)"', page)
        path = older[1] if older else ""
    assert seen == [str(number) for number in range(59, -1, -1)]


async def test_filter_keeps_one_area_and_clears_again(owner: Visitor) -> None:
    await write(3)
    await write(2, action="customer.created", words="Created")
    page = (await owner.get("/audit-log?action=customer.")).text
    assert "Created 1" in page
    assert "Edited" not in page.partition("<table")[2]
    assert "Clear" in page


async def test_filter_by_object_shows_its_history_alone(owner: Visitor) -> None:
    await write(3)
    page = (await owner.get("/audit-log?kind=invoice&object_id=2")).text
    assert "Edited 2" in page
    assert "Edited 1" not in page


async def test_nothing_found_says_so(owner: Visitor) -> None:
    assert "No entries match" in (await owner.get("/audit-log?action=nothing%25")).text


async def test_names_from_outside_are_text_not_markup(owner: Visitor) -> None:
    await write(1, words='<img src=x onerror=alert(1)> ‘"')
    page = (await owner.get("/audit-log")).text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


async def test_htmx_gets_the_table_alone(owner: Visitor) -> None:
    await write(1)
    part = await owner.get("/audit-log", hx_request="true", hx_request_type="partial")
    assert part.text.lstrip().startswith('<div id="audit-list">')
    assert part.headers["vary"] == "HX-Request"


async def test_signing_in_and_out_leaves_entries_in_an_intact_chain(owner: Visitor) -> None:
    await owner.post("/sign-out")
    found = await verify()
    assert (found.intact, found.entries) == (True, 1)
