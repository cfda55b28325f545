"""Signed deliveries, written to a file as HTTP requests, and their replay at full speed by `wrk`."""

from __future__ import annotations

import hashlib
import hmac
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from portal.settings import ROOT
from tests.builders import WEBHOOK_SECRET

COMPOSED = ("06_invoice.paid", "04_payment_intent.succeeded", "05_invoice_payment.paid")
"""Events as Stripe composes them; together they have 2.8 kB on average."""
SCRIPT = Path(__file__).with_name("replay.lua")
IDS = re.compile(rb'"((?:evt|in|pi|inpay)_)[A-Za-z0-9_]+"')
_TIMES = re.compile(r"TIMES (\d+) (\d+) (\d+) (\d)")
_STATUS = re.compile(r"(\d{3}):(\d+)")


class WrkMissing(RuntimeError):
    """The load generator is not installed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run sends. `first` numbers the events, so that no two runs send the same ones."""

    path: str
    first: int
    events: int
    copies: int = 1
    """How often each is sent, one right after the other."""
    secret: str = WEBHOOK_SECRET


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came back."""

    statuses: dict[int, int]
    seconds: float
    median_ms: float
    p99_ms: float
    ran_out: bool
    """All was sent before the time was over: the rate is a lower bound."""

    def per_second(self, status: int) -> float:
        """How many answers of this kind a second."""
        return self.statuses.get(status, 0) / self.seconds


def write_requests(batch: Batch, file: Path) -> None:
    """Sign every event now; a signature is good for five minutes."""
    data = ROOT / "tests" / "data" / "stripe_events"
    bodies = [re.sub(rb"\s*\n\s*", b" ", (data / f"{name}.json").read_bytes()) for name in COMPOSED]
    key, stamp = batch.secret.encode(), b"%d" % int(time.time())
    with file.open("wb") as target:
        for number in range(batch.first, batch.first + batch.events):
            body = IDS.sub(rb'"\g<1>1B%018d"' % number, bodies[number % len(bodies)])
            mark = hmac.new(key, stamp + b"." + body, hashlib.sha256).hexdigest()
            raw = _request(batch.path, body, f"t={stamp.decode()},v1={mark}")
            target.write((b"%d\n" % len(raw) + raw) * batch.copies)


def replay(file: Path, url: str, *, connections: int, seconds: int) -> Replayed:
    """Send the requests of a file over so many connections.

    Raises:
        WrkMissing: `apt-get install wrk` first.
    """
    if (wrk := shutil.which("wrk")) is None:
        raise WrkMissing("This measurement needs the load generator wrk.")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url, "--", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    times = _TIMES.search(said)
    assert times, said
    micros, median, p99, ran_out = (int(text) for text in times.groups())
    statuses = {int(code): int(number) for code, number in _STATUS.findall(said.partition("STATUSES")[2])}
    return Replayed(statuses, micros / 1e6, median / 1000, p99 / 1000, bool(ran_out))


def _request(path: str, body: bytes, signature: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Stripe/1.0\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nStripe-Signature: {signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
