"""What an invoice costs as a PDF: processor time and memory of the process that makes it.

python -m tests.bench.documents
python -m tests.bench.documents --short     # each size once
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal

from portal.documents.invoice_contents import invoice_contents
from portal.documents.typesetting import CHILD
from portal.invoices.sums import DraftLine
from portal.money import Money
from tests.bench.figures import Figure, note
from tests.documents.papers import make_sheet

SIZES = (3, 10, 100)
RUNS = 20
WATCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, env={})
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
"""
"""A small process between: what a child held is counted from what its parent was when it began."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    milliseconds: float
    """Of processor."""
    megabytes: float
    """The most it held."""
    pdf_bytes: int


def measure(lines: int) -> Cost:
    """Make one invoice with so many lines, in the process that the portal makes it in."""
    made = [
        DraftLine(f"Part {at}: consulting on the new warehouse", at, Money(12_345, "eur"), Decimal(19), "VAT")
        for at in range(1, lines + 1)
    ]
    contents = json.dumps(invoice_contents(make_sheet(*made)))
    done = subprocess.run(
        [sys.executable, "-I", "-c", WATCHER, sys.executable, "-I", str(CHILD), "invoice", "1"],
        input=contents.encode(),
        capture_output=True,
        check=True,
    )
    seconds, kilobytes = done.stderr.split()
    return Cost(float(seconds) * 1000, int(kilobytes) / 1024, len(done.stdout))


def main(words: list[str]) -> None:
    """Print the figures and note them."""
    for lines in SIZES:
        costs = [measure(lines) for _ in range(1 if "--short" in words else RUNS)]
        milliseconds = statistics.median(cost.milliseconds for cost in costs)
        megabytes = max(cost.megabytes for cost in costs)
        kilobytes = costs[0].pdf_bytes / 1024
        print(f"{lines} lines: {milliseconds:.0f} ms of processor, {megabytes:.0f} MB, {kilobytes:.0f} KB")
        note(Figure("", f"invoice of {lines} lines as PDF, processor", round(milliseconds), "ms"))
        note(Figure("", f"invoice of {lines} lines as PDF, memory at most", round(megabytes), "MB"))


if __name__ == "__main__":
    main(sys.argv[1:])
