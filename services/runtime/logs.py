"""Structured logs: one JSON object a line, or readable lines for a person. Never values of events.

Messages of exceptions quote what they choke on, so a traceback is logged as frames and the types of its errors.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog

from services.runtime.settings import Settings


def configure_logs(settings: Settings, service: str) -> None:
    """Send structlog and the standard library's loggers to standard error, at the level of the settings."""
    people = settings.log_format == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(_frames),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())] if people else [structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    # Never DEBUG: at that level aiokafka writes whole requests, with the records and SASL messages in them.
    for noisy in ("faust", "mode", "aiokafka", "asyncio"):
        logging.getLogger(noisy).setLevel("INFO" if settings.log_level == "DEBUG" else "WARNING")
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def report_stray(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody waits for, as an event loop's exception handler: asyncio's own would cite the error."""
    structlog.get_logger(__name__).error("stray_error", what=context["message"], exc_info=context.get("exception"))


def _frames(exc_info: structlog.typing.ExcInfo) -> str:
    return "\n".join(_chain(exc_info[1]))


def _chain(error: BaseException) -> Iterator[str]:
    """The errors behind `error` first, as Python prints them, without what they say."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _chain(cause)
    yield "".join(traceback.format_tb(error.__traceback__)) + name_of(error)
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _chain(inner)


def name_of(error: BaseException) -> str:
    """The error's type, with the SQLSTATE where Postgres raised it."""
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" ({state})" if state else "")
