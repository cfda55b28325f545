"""A form with one file in it."""

from __future__ import annotations

from typing import Any

from litestar.connection import Request
from litestar.datastructures import UploadFile

from portal.web.forms import TOKEN_FIELD, FormRefused


async def read_upload(request: Request[Any, Any, Any], field: str, most_bytes: int) -> bytes:
    """The file of the form, cut one byte behind `most_bytes`; empty when none was chosen.

    The handler's own `request_max_body_size` bounds what is taken in at all.

    Raises:
        FormRefused: the form has other fields.
    """
    sent = await request.form()
    if set(sent) - {field, TOKEN_FIELD}:
        raise FormRefused("This form has a field that the page does not.", hint="Load the page again.")
    file = sent.get(field)
    return await file.read(most_bytes + 1) if isinstance(file, UploadFile) else b""
