"""The keys change under a portal that works: nothing is refused, nothing restarts, nothing stays closed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from portal.failpoints import Failpoint
from portal.security.keyrings import read_keyring
from portal.settings import ROOT
from tests.processes.deliveries import Sender, traffic_of
from tests.processes.products import OPEN_EVENTS, PAID_ONCE, Product
from tests.security.rings import change

RECOVERED_SECONDS, APPLIED_SECONDS = 15.0, 60.0
INVOICE = 21
"""One that no other test of this folder asks about."""
NEEDED = """
    SELECT DISTINCT split_part(text, '.', 2) FROM (
        SELECT value AS text FROM connected_account, jsonb_each_text(sealed_credentials)
        UNION ALL SELECT sealed_pay_token FROM invoice
    ) AS sealed WHERE text <> ''
"""


def keys(product: Product, *arguments: str, **variables: str) -> int:
    """`portal keys …` beside the product; what it exits with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    own = {"PORTAL_DATA_DIR": str(product.settings.data_dir), "PORTAL_PLUGINS": ""}
    return subprocess.run(
        [sys.executable, "-m", "portal", "keys", *arguments],
        cwd=ROOT,
        env={**kept, **own, **variables},
        capture_output=True,
        timeout=60,
        check=False,
    ).returncode


async def test_keys_are_added_rotated_and_retired_under_traffic_without_a_restart(
    product: Product, sender: Sender
) -> None:
    file: Path = product.settings.keyring_file
    old = read_keyring(file).primary
    processes = {process.pid for process in [*product.web_processes, *product.worker_processes]}
    armed = {"PORTAL_FAILPOINTS": f"{Failpoint.RESEALING_COMMITTED}=kill"}

    async with traffic_of(sender) as traffic:
        await traffic.sees(200, seconds=RECOVERED_SECONDS)
        assert await asyncio.to_thread(keys, product, "add") == 0
        assert await asyncio.to_thread(keys, product, "rotate", **armed) == -signal.SIGKILL
        await traffic.sees(200, seconds=RECOVERED_SECONDS)
        assert await asyncio.to_thread(keys, product, "rotate") == 0
        change(file, primary_since=0)
        assert await asyncio.to_thread(keys, product, "retire", old) == 0
        await traffic.sees(200, seconds=RECOVERED_SECONDS)

    assert traffic.statuses == {200}
    new = read_keyring(file)
    assert list(new.keys) == [new.primary] != [old]
    assert [row[0] for row in await product.rows(NEEDED)] == [new.primary]

    # The worker reads the invoice with the provider's key, which the new key opens.
    paid = product.invoice_ids[INVOICE]
    await sender.insist((await product.pay(paid))[-1])
    await product.until(OPEN_EVENTS, is_=0, seconds=APPLIED_SECONDS)
    assert await product.ledger_of([paid]) == [PAID_ONCE]
    assert {process.pid for process in [*product.web_processes, *product.worker_processes]} == processes
