"""How every process of ours logs: lines for people or systemd's journal, or one JSON object a line where
BITGOEUL_LOG=json, as in our containers.
"""

import json
import logging
import os
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType

from contract.problems import UsageProblem

VARIABLE = "BITGOEUL_LOG"
TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
OURS = ("cloud", "commands", "contract", "edge", "simulators")  # whose messages are words and key=value pairs
JOURNAL = "JOURNAL_STREAM"  # set by systemd where standard error goes to its journal
# what syslog calls them: `journalctl -p warning` then leaves out the rest
PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
QUIET = ("alembic",)  # tells of every look at a database

_PAIR = re.compile(r"""(?P<key>[A-Za-z_][\w.-]*)=(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S*)""")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d+)?")
_SECRET = re.compile(r"://[^/\s@:]*:[^/\s@]*@")  # what another's message may say of an address


def set_up() -> None:
    """To standard error, from INFO on; warnings and what nobody caught go the same way. Raises UsageProblem."""
    kind = os.environ.get(VARIABLE) or "text"
    if kind not in ("text", "json"):
        raise UsageProblem(
            f"{VARIABLE} '{kind}': json이나 text여야 합니다", f"{VARIABLE} '{kind}': expected json or text"
        )
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if kind == "json" else _Journal() if JOURNAL in os.environ else _Text(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(capture=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if kind == "json":
        sys.excepthook = _uncaught
        threading.excepthook = lambda gone: _uncaught(gone.exc_type, gone.exc_value, gone.exc_traceback)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _hidden(super().format(record))


class _Journal(_Text):
    """Journald knows the time itself, and takes a line's priority from its beginning."""

    def __init__(self) -> None:
        super().__init__("%(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return f"<{PRIORITIES.get(record.levelno, 6)}>{super().format(record)}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = _hidden(record.getMessage())
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
        }
        if record.name.partition(".")[0] in OURS:
            line |= _taken_apart(message)
        if record.exc_info:
            line["exception"] = _hidden(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _taken_apart(message: str) -> dict[str, object]:
    """`event` is what the message begins with, `fields` its pairs."""
    pairs = {found["key"]: _value(found["value"]) for found in _PAIR.finditer(message)}
    if not pairs:
        return {}
    first = _PAIR.search(message)
    words = message[: first.start()].strip(" :") if first else ""
    event = words or pairs.pop("event", "")
    return ({"event": event} if event else {}) | {"fields": pairs}


def _value(text: str) -> str | int | float:
    if text[:1] in ("'", '"') and len(text) > 1:
        return text[1:-1]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _hidden(text: str) -> str:
    return _SECRET.sub("://***@", text)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    found = error or kind()
    logging.getLogger("commands").critical("ended by %s", kind.__name__, exc_info=(kind, found, trace))
