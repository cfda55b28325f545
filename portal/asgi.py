"""What the web server loads: `granian portal.asgi:app`."""

from __future__ import annotations

from portal.app import create_app
from portal.garbage import leave_what_is_loaded
from portal.security.redaction import configure_logging

configure_logging("web")
app = create_app()
leave_what_is_loaded()
