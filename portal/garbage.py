"""Python's garbage collector in processes that serve for long."""

from __future__ import annotations

import gc


def leave_what_is_loaded() -> None:
    """Let the collector forget everything that is there by now, for it stays to the end.

    Call it when all is imported. Without it each full collection walks through some hundred thousand objects
    of modules and classes, and nobody is answered meanwhile.
    """
    gc.collect()
    gc.freeze()
