"""Structured logs: one JSON object a line on stdout, without keys, secrets or personal data.

Whoever logs gives an event name and figures. As a second line of defence everything is scrubbed: fields that carry what
must not be logged are dropped, and texts lose e-mail addresses, long numbers, API keys and quoted values.
"""

import logging
import re
import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from shared.telemetry import trace

_UNLOGGED = frozenset(
    {"authorization", "body", "cookie", "email", "key", "password", "phone", "query", "secret", "token"}
)
_SCRUBS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\btsk_[\w-]+"), "<key>"),
    (re.compile(r"(?i)\bbearer\s+\S+"), "Bearer <key>"),
    (re.compile(r"[\w.+%-]+@[\w-]+\.[\w.-]+"), "<email>"),
    (re.compile(r"(?<![\w-])\+?\d[\d ()-]{7,}\d(?![\w-])"), "<number>"),
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|(?<==)\([^)]*\)")
_MAX_CAUSES = 5


def logger(service: str, level: str = "info", stream: TextIO | None = None) -> FilteringBoundLogger:
    """The logger of a service; `level` is the least that is written. Lines go to `stream`, stdout if None."""
    made: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream or sys.stdout),
        processors=_processors(service),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
    ).bind()  # once: the lazy proxy would assemble a logger for every line, also for those that are not written
    return made


def take_over(service: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Bring all that is logged in this process into the same form: by `structlog.get_logger` and by `logging`.

    Libraries speak from `warning` on only; their chatter tells an operator nothing.
    """
    structlog.configure(
        processors=_processors(service),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stdout),
        context_class=dict,
    )
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [_Forward(logger(service, level, stream))]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))


class _Forward(logging.Handler):
    """Hands records of `logging` to structlog."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:
            self.handleError(record)


def _processors(service: str) -> list[Processor]:
    def add_service(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [
        _render_exception,
        _scrub,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        add_service,
        _add_context,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _add_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    if request_id := trace.current_request_id():
        event["request_id"] = request_id
    if trace_id := trace.current_trace_id():
        event["trace_id"] = trace_id
    return event


def _render_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    if isinstance(given, BaseException):
        error: BaseException | None = given
    else:
        error = (given if isinstance(given, tuple) else sys.exc_info())[1] if given else None
    if error is not None:
        event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> str:
    """The traceback with its causes. Messages keep their first line only and lose every quoted value, because drivers
    and parsers put the data that they failed on there."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(parts) < _MAX_CAUSES:
        frames = "".join(traceback.format_tb(seen.__traceback__))
        parts.append(f"{frames}{type(seen).__module__}.{type(seen).__qualname__}: {_message(seen)}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\ncaused by\n".join(parts)


def in_words(error: BaseException) -> str:
    """An error's type and message for an answer: with no more of the data that it failed on than a line would have."""
    return ": ".join(filter(None, (type(error).__qualname__, str(_clean(_message(error))))))


def _message(error: BaseException) -> str:
    return _QUOTED.sub("<value>", str(error).partition("\n")[0])[:300]


def _scrub(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return {name: _clean(value) for name, value in event.items() if name not in _UNLOGGED}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, replacement in _SCRUBS:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, int | float | bool | None):
        return value
    return _clean(str(value)) if not isinstance(value, list | tuple) else [_clean(item) for item in value]
