"""From a layout and its contents to a PDF: in a process of its own, within bounds."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from portal.errors import PortalError

CHILD: Final = Path(__file__).resolve().parent / "child.py"
SECONDS: Final = 20.0
"""How long somebody waits for a document, with its turn."""
MOST_AT_ONCE: Final = 2
MOST_WAITING: Final = 20
"""Documents asked for and not there yet, in this process."""
MOST_KEPT: Final = 16
_runners = ThreadPoolExecutor(max_workers=MOST_AT_ONCE, thread_name_prefix="documents")
_places = threading.BoundedSemaphore(MOST_WAITING)


class DocumentsBusy(PortalError):
    """Too many documents were asked for at once, or one took too long."""

    code = "DOCUMENTS_BUSY"
    status_code = 503


async def typeset(layout: str, contents: Mapping[str, Any], *, at: datetime) -> bytes:
    """The PDF of `layouts/<layout>.typ` with these contents.

    Args:
        layout: `invoice` or `receipt`.
        contents: texts, numbers and lists. They reach the layout as data, so nothing in them is markup.
        at: the time that the file says it was made: equal contents give equal bytes.

    Raises:
        DocumentsBusy: it has to wait longer than a person would.
    """
    if not _places.acquire(blocking=False):
        raise _busy()
    try:
        made = asyncio.get_running_loop().run_in_executor(
            _runners, make_pdf, layout, int(at.timestamp()), json.dumps(contents)
        )
        # Out of time, it leaves the queue; the process of one that has begun is stopped a little later.
        return await asyncio.wait_for(made, SECONDS)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise _busy() from None
    finally:
        _places.release()


@functools.lru_cache(maxsize=MOST_KEPT)
def make_pdf(layout: str, made_at: int, contents: str) -> bytes:
    """The bytes of the PDF, made by `child.py`. The last few are kept: they depend on nothing else."""
    done = subprocess.run(
        [sys.executable, "-I", str(CHILD), layout, str(made_at)],
        input=contents.encode(),
        capture_output=True,
        timeout=SECONDS,
        check=True,
        env={},
    )
    return done.stdout


def _busy() -> DocumentsBusy:
    return DocumentsBusy("Too many documents are being made just now.", hint="Try again in a minute.")
