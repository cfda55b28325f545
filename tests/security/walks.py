"""Every route of the app, filled in with given ids, so that a new one cannot be forgotten."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from litestar import Litestar
from litestar.response import ServerSentEvent
from pypdf import PdfReader

from portal.security.headers import RouteClass
from tests.visitors import Visitor

PLACE = re.compile(r"\{(\w+):\w+\}")
SECONDS = 20.0
"""For one answer: a stream that was not refused never ends."""
USUAL = {"plugin_id": "stripe", "shelf_id": "stripe", "slug": "none", "digest": "0" * 64, "path": "none"}


@dataclass(frozen=True, slots=True)
class Call:
    """A method on an address."""

    method: str
    template: str
    path: str
    access: str
    viewer_may: bool
    streams: bool
    """Once it is let in, its answer does not end."""

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def calls(app: Litestar, values: Mapping[str, object]) -> Iterator[Call]:
    """Every call. Places of the address take `values`, then the usual ones, then 1."""
    filled = {**USUAL, **values}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:  # type: ignore[union-attr]  # the other kinds
            for method in sorted(set(getattr(handler, "http_methods", ())) - {"OPTIONS", "HEAD"}):
                yield Call(
                    method,
                    route.path,
                    PLACE.sub(lambda found: str(filled.get(found[1], 1)), route.path),
                    str(handler.opt.get("access")),
                    bool(handler.opt.get("viewer_may")),
                    _streams(route.path, handler),
                )


def of_class(app: Litestar, access: RouteClass, values: Mapping[str, object]) -> list[Call]:
    """The calls of one class of routes; an empty list would prove nothing."""
    found = [call for call in calls(app, values) if call.access == access]
    assert found
    return found


def _streams(path: str, handler: Any) -> bool:
    answer = handler.parsed_fn_signature.return_type.annotation
    return answer is ServerSentEvent or path.endswith("/live")


async def make(visitor: Visitor, call: Call, *, query: str = "", **headers: str) -> httpx.Response:
    """Make the call as our own pages would."""
    async with asyncio.timeout(SECONDS):
        if call.method == "GET":
            return await visitor.get(call.path + query, **headers)
        return await visitor.post(call.path + query, None, **headers)


def told(answer: httpx.Response) -> str:
    """Everything that an answer says: its headers, its body, and the text and the names in a PDF."""
    said = f"{answer.headers}\n{answer.text}"
    if answer.headers.get("content-type", "").startswith("application/pdf"):
        reader = PdfReader(io.BytesIO(answer.content))
        said += "\n".join(page.extract_text() for page in reader.pages) + str(reader.metadata)
    return said
