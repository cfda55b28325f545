"""The state file: everything in the sandbox, written soon after a change and when it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.wire import decode_json, encode_json

DELAY_SECONDS = 0.5


def load(sandbox: Sandbox, file: Path) -> None:
    """Take over a saved state, if there is one."""
    if file.exists():
        sandbox.restore(decode_json(file.read_bytes()))


def save(sandbox: Sandbox, file: Path) -> None:
    """Write the state; readers see the old or the new file, never a part."""
    write(encode_json(sandbox.dump()), file)


def write(content: bytes, file: Path) -> None:
    """Put content in place of a file that only its owner may read."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
    draft.replace(file)


async def keep_saved(sandbox: Sandbox, file: Path) -> None:
    """Save within a second of each change, until cancelled."""
    seen = sandbox.changes
    while True:
        await asyncio.sleep(DELAY_SECONDS)
        if sandbox.changes != seen:
            seen = sandbox.changes
            # Encoding is quick and must see no half change; writing may wait for the disk.
            await _to_the_end(asyncio.to_thread(write, encode_json(sandbox.dump()), file))


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Be cancelled only once the thread has written: it would come between the last save and its file."""
    writing = asyncio.create_task(work)
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing
        raise
