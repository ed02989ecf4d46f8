"""What runs beside the work: gauges and looks that wait for a database that is away, and hide no bug."""

import asyncpg
import pytest
from pydantic import SecretStr

from services.runtime.health import Pulse
from services.runtime.metrics import ServiceMetrics
from services.runtime.projection import Projection
from services.runtime.service import Tools, repeatedly
from services.runtime.settings import Settings
from services.runtime.wake import Bell
from services.sponsor_activity.app import ProposalViews

SETTINGS = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr("postgresql://unused"))
PASSING: list[Exception] = [
    ConnectionRefusedError(),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.InterfaceError("connection is closed"),
]


class Failing:
    """Fails in these ways, one after the other, and with a bug in the end."""

    def __init__(self) -> None:
        self.errors: list[Exception] = [*PASSING, ZeroDivisionError()]

    async def __call__(self) -> None:
        raise self.errors.pop(0)


async def test_what_is_done_repeatedly_goes_on_until_it_has_a_bug() -> None:
    failing, metrics = Failing(), ServiceMetrics("any")
    pool: asyncpg.Pool = asyncpg.create_pool("postgresql://unused")

    with pytest.raises(ZeroDivisionError):
        await repeatedly(failing, 0, Tools(SETTINGS, pool, metrics, Pulse(60)))

    retries = {error: metrics.registry.get_sample_value(
        "eventos_database_retries_total", {"service": "any", "kind": type(error).__name__}
    ) for error in PASSING}  # fmt: skip
    assert set(retries.values()) == {1.0}


async def test_a_sweep_goes_on_until_it_has_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    pool: asyncpg.Pool = asyncpg.create_pool("postgresql://unused")
    projection = Projection(ProposalViews(), "any", pool, SETTINGS, ServiceMetrics("any"), Pulse(60))
    failing = Failing()
    monkeypatch.setattr(projection, "sweep", failing)

    with pytest.raises(ZeroDivisionError):
        await projection.run(Bell(SETTINGS, "any", "any"))

    assert failing.errors == []
