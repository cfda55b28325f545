"""Logs: one JSON object a line, nothing in it that opens anything, nothing that drives a terminal."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

from portal.contract.secrets import Secret

HIDDEN = "[hidden]"
KEY_PATTERN = re.compile(r"\b((?:sk|rk|pk)_(?:live|test)|whsec)_[A-Za-z0-9+/=_-]{3,}")
CLIENT_SECRET = re.compile(r"\b((?:pi|seti|cs|src|ek|acs)_[A-Za-z0-9_]*?)_secret_[A-Za-z0-9_-]+")
URL_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]+@", re.IGNORECASE)
BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
NAMED_VALUE = re.compile(
    r"""(["']?\b[a-z_]*(?:password|passwd|secret|token|api_key|secret_key|authorization|cookie)["']?\s*[=:]\s*)"""
    r"""("[^"]*"|'[^']*'|[^\s,;&)}\]]+)""",
    re.IGNORECASE,
)
TOKEN_PATH = re.compile(r"(/(?:pay|method|webhooks/[\w-]+)/)[A-Za-z0-9_-]{16,}")
FAILING_ROW = re.compile(r"(Failing row contains \().*?(?:\)\.(?=\n)|\Z)", re.DOTALL)
"""What PostgreSQL says of a row that breaks a constraint: all of it, names and addresses as well."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
SUSPECT = re.compile(
    r"_live|_test|_secret_|whsec_|://|bearer|basic|passw|secret|token|api_key|authorization|cookie"
    r"|/pay/|/method/|/webhooks/|failing row|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]",
    re.IGNORECASE,
)
"""Without any of these none of the patterns above can match: most texts are looked at once."""
SECRET_NAMES = re.compile(r"password|passwd|secret|token|api_key|authorization|cookie|private", re.IGNORECASE)
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

request_id_now: ContextVar[str] = ContextVar("request_id_now", default="")
"""The id of the request in hand; the same that error pages show."""


def redact(text: str) -> str:
    """The text without keys, tokens, passwords or control characters (line feeds and tabs stay)."""
    if SUSPECT.search(text) is None:
        return text
    clean = KEY_PATTERN.sub(rf"\1_{HIDDEN}", text)
    clean = CLIENT_SECRET.sub(rf"\1_secret_{HIDDEN}", clean)
    clean = URL_CREDENTIALS.sub(rf"\1:{HIDDEN}@", clean)
    clean = BEARER.sub(rf"\1 {HIDDEN}", clean)
    clean = NAMED_VALUE.sub(rf"\1{HIDDEN}", clean)
    clean = FAILING_ROW.sub(rf"\1{HIDDEN}).", clean)
    clean = TOKEN_PATH.sub(rf"\1{HIDDEN}", clean)
    return CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", clean)


def redact_value(name: str, value: object) -> object:
    """A value of a log record's `extra`: by its name, by its type, and by what it looks like."""
    if isinstance(value, Secret) or (SECRET_NAMES.search(name) and value is not None):
        return HIDDEN
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_value(name, item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact(str(value))


class JsonLines(logging.Formatter):
    """One line of JSON a record. Redaction comes last, so that arguments and tracebacks are covered."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self.process,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if request_id := request_id_now.get():
            line["request_id"] = request_id
        extra = {k: redact_value(k, v) for k, v in vars(record).items() if k not in STANDARD}
        if record.exc_info:
            extra["traceback"] = redact(self.formatException(record.exc_info))
        return msgspec.json.encode(line | extra).decode()


def configure_logging(process: str, *, level: int = logging.INFO) -> None:
    """Send every logger of this process through `JsonLines` to standard error. May be called again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("granian.access", "httpx", "httpcore", "stripe", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("_granian", "granian", "dramatiq", "uvicorn"):
        quiet = logging.getLogger(name)
        quiet.handlers.clear()
        quiet.propagate = True
    sys.excepthook = _log_crash


def _log_crash(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("portal.crash").critical("the process ends", exc_info=(kind, error, trace))
