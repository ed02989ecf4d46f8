"""Logs hold frames and the types of errors, and never what an error or a library says of a value."""

import asyncio
import gc
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.runtime.logs import configure_logs, report_stray
from services.runtime.settings import Settings

VALUE = "whom-to-call"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configure(**settings: Any) -> None:
    given = {"kafka_bootstrap_servers": "unused:9092", "database_url": "postgresql://unused"}
    configure_logs(Settings.model_validate({**given, **settings}), "ticket_sales")


def fail() -> None:
    try:
        raise ValueError(f"cannot read {VALUE}")
    except ValueError as error:
        raise ExceptionGroup(VALUE, [KeyError(VALUE)]) from error


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err
    assert VALUE not in said
    return said


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_error_is_logged_as_frames_and_types(capsys: pytest.CaptureFixture[str], form: str) -> None:
    configure(log_format=form)
    try:
        fail()
    except ExceptionGroup as error:
        structlog.get_logger("a").error("ours", exc_info=error)
        logging.getLogger("b").exception("theirs")

    said = logged(capsys)
    assert all(said.count(name) >= 2 for name in ("ValueError", "KeyError", "ExceptionGroup", "in fail"))


def test_what_nobody_waited_for_is_logged_alike(capsys: pytest.CaptureFixture[str]) -> None:
    configure()

    async def forget() -> None:
        asyncio.get_running_loop().set_exception_handler(report_stray)

        async def stray() -> None:
            raise ValueError(f"cannot read {VALUE}")

        task = asyncio.ensure_future(stray())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(forget())
    line = json.loads(logged(capsys))
    assert (line["event"], line["what"]) == ("stray_error", "Task exception was never retrieved")
    assert line["exception"].endswith("ValueError")


def test_libraries_that_write_whole_requests_when_debugging_are_not_asked_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(log_level="DEBUG")

    for name in ("aiokafka.conn", "aiokafka.consumer.fetcher", "faust.transport", "mode"):
        logging.getLogger(name).debug("Request: %s", VALUE)
    structlog.get_logger("ours").debug("seen")

    assert "seen" in logged(capsys)
