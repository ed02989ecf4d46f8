"""Settings from the environment."""

import os

import pytest

from services.runtime.settings import ConfigurationError, load_settings

GOOD = {
    "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": "one:9092, two:9093",
    "EVENTOS_DATABASE_URL": "postgresql://user:secret@db/eventos",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing but what a service needs."""
    for name in [name for name in os.environ if name.startswith("EVENTOS_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_two_addresses_are_enough() -> None:
    settings = load_settings()

    assert settings.topic_prefix == "eventos."
    assert settings.consumer_group("ticket_sales") == "eventos.ticket_sales"


def test_all_faults_are_told_at_once_a_line_each(environment: pytest.MonkeyPatch) -> None:
    faults = {
        "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": "one:9092,two",
        "EVENTOS_DATABASE_URL": "mysql://user:secret@db",
        "EVENTOS_LANES": "0",
        "EVENTOS_AS_OF": "yesterday",
        "EVENTOS_TOPIC_PREFIX": "a b",
        "EVENTOS_LOG_LEVEL": "LOUD",
        "EVENTOS_CLAIM_TIMEOUT": "31",
        "EVENTOS_RETENTION_GAP": "skip",
    }
    for name, value in faults.items():
        environment.setenv(name, value)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    told = str(caught.value).splitlines()
    assert sorted(line.split(":")[0] for line in told) == sorted(faults)
    assert "secret" not in str(caught.value)


def test_what_is_missing_is_named(environment: pytest.MonkeyPatch) -> None:
    for name in GOOD:
        environment.delenv(name)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert {line.split(":")[0] for line in str(caught.value).splitlines()} == set(GOOD)


def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(load_settings())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:sec/ret@db/eventos",
        "postgresql://user:12/ret@db/eventos",
        "postgresql://user:sec?ret@db/eventos",
        "postgresql://user:sec#ret@db/eventos",
        "postgresql://user:sec@ret@db/eventos",
        "postgresql://user:sec%ret@db/eventos",
        "postgresql://user:secret@db:ret/eventos",
        "postgresql://user@db/eventos?password",
        "postgresql://user@db/eventos?sslmode=verify-full&sslrootcert=/nowhere/sec.pem",
        "http://user:secret@db",
    ],
)
def test_a_database_url_that_is_none_is_refused_and_not_cited(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("EVENTOS_DATABASE_URL", url)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert str(caught.value).startswith("EVENTOS_DATABASE_URL: ")
    assert "sec" not in str(caught.value) and "ret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db",
        "postgres://user:a:b%2F%40%3F@[::1]:5432/eventos?sslmode=verify-full&sslrootcert=system",
        f"postgresql://db/eventos?sslmode=verify-full&sslrootcert={__file__}",
        "postgresql://user@/eventos?host=/tmp/socket",
        "postgresql:///eventos?host=/tmp&password=a@b&user=x",
        "postgresql://one:5432,two:5433/eventos?target_session_attrs=read-write",
    ],
)
def test_a_database_url_as_drivers_read_it_is_taken(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("EVENTOS_DATABASE_URL", url)

    assert load_settings().database_url.get_secret_value() == url
