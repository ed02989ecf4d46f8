"""Settings of every service, read from the environment (`EVENTOS_…`); all faults are reported at once."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_ESCAPES = "in a user and a password, write / ? # @ % as %2F %3F %23 %40 %25"


class ConfigurationError(Exception):
    """The environment does not make valid settings. The message lists every fault, a line each."""


class Settings(BaseSettings):
    """Settings shared by the services and the command line. Durations are in seconds, sizes in records."""

    model_config = SettingsConfigDict(env_prefix="EVENTOS_", frozen=True, extra="ignore", validate_default=True)

    kafka_bootstrap_servers: str = Field(min_length=1, description="host:port of Kafka brokers, comma-separated")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, where the protocol asks for one"
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password")
    kafka_ca_file: str | None = Field(None, description="PEM file of the authority behind the brokers' certificates")
    database_url: SecretStr = Field(
        description="postgresql:// URL; a Unix socket as ?host=/folder, TLS as ?sslmode=verify-full&sslrootcert=FILE"
    )
    database_pool_size: int = Field(6, ge=1, le=100, description="connections that one process keeps at most")
    topic_prefix: str = Field("eventos.", pattern=r"^[a-zA-Z0-9._-]*$", description="before each topic and group name")

    batch_records: int = Field(
        8000, ge=1, le=50_000, description="most records in one transaction; large ones count as more"
    )
    lanes: int = Field(2, ge=1, le=16, description="transactions at once in one intake process")
    refused_in_row_limit: int = Field(10_000, ge=1, description="refusals in a row that stop a partition")
    dead_letters_kept_days: int = Field(
        90, ge=1, le=36_500, description="days after which a dead letter is removed, whatever its status"
    )
    handler_errors_in_row_limit: int = Field(20, ge=1, description="handler errors in a row that stop a partition")
    claim_timeout: Seconds = Field(10.0, le=30, description="longest wait for Postgres inside a rebalance")
    retention_gap: Literal["continue", "stop"] = Field(
        "stop", description="what to do when Kafka dropped records before they were consumed"
    )
    session_timeout: Seconds = Field(30.0, description="Kafka consumer group session timeout")
    watchdog_timeout: Seconds = Field(300.0, description="longest time without progress before the process ends")
    stop_timeout: Seconds = Field(25.0, description="longest wait for work in flight when asked to stop")

    poll_interval: Seconds = Field(1.0, description="longest sleep of a projection or the relay without NOTIFY")
    background_keys: int = Field(2000, ge=1, description="keys of the day's turn taken in one round")
    redrive_interval: Seconds = Field(30.0, description="how often refused events are looked at for re-driving")
    relay_records: int = Field(5000, ge=1, le=50_000, description="outbox rows sent in one Kafka transaction")
    as_of: date | None = Field(
        None, lt=date(9999, 1, 1), description="a fixed UTC day for scores, instead of the current one"
    )

    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /livez and /readyz")
    metrics_port: int = Field(0, ge=0, le=65535, description="port of the same; 0 takes a free one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is logged")
    log_format: Literal["console", "json"] = Field("json", description="how log lines are written")

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        if fault := url_fault(url.get_secret_value()):
            raise ValueError(fault)
        return url

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _is_there_for_sasl(cls, value: SecretStr | str | None, info: ValidationInfo) -> SecretStr | str | None:
        if value is None and "SASL" in info.data.get("kafka_security_protocol", ""):
            raise ValueError(f"is required with {info.data['kafka_security_protocol']}")
        return value

    @field_validator("kafka_ca_file")
    @classmethod
    def _is_a_file(cls, path: str | None) -> str | None:
        if path is not None and not Path(path).is_file():
            raise ValueError(f"there is no file {path}")
        return path

    @field_validator("stop_timeout")
    @classmethod
    def _ends_within_the_session(cls, seconds: float, info: ValidationInfo) -> float:
        if seconds >= info.data.get("session_timeout", float("inf")):
            raise ValueError("must be below EVENTOS_SESSION_TIMEOUT: the group would not wait so long for a batch")
        return seconds

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _has_ports(cls, servers: str) -> str:
        for server in servers.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"{server.strip()!r} is not host:port")
        return servers

    def consumer_group(self, service: str) -> str:
        """The consumer group of a service."""
        return f"{self.topic_prefix}{service}"


def url_fault(url: str) -> str | None:
    """What is wrong with a postgresql:// URL, without citing it; None if nothing is.

    What is not escaped in a password ends up in the host, the port or the path, which drivers cite in their errors.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        return "must start with postgresql://"
    authority, path, query = url.split("://", 1)[1], "", ""
    if (end := re.search(r"[/?#]", authority)) is not None:
        authority, rest = authority[: end.start()], authority[end.start() :]
        path, _, query = rest.partition("?")
    host = authority.rpartition("@")[2]
    ports = [part.rpartition(":")[2] for part in re.sub(r"\[[^]]*\]", "", host).split(",") if ":" in part]
    try:
        parameters = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        return f"is not a URL; {_ESCAPES}"
    missing = [name for name, path in parameters.items() if name in _FILES and not _is_there(path[-1])]
    if missing:
        return f"{missing[0]} names no file"
    if (
        authority.count("@") > 1
        or "@" in path
        or "#" in url
        or any(port and not port.isdigit() for port in ports)
        or re.search("%(?![0-9a-fA-F]{2})", url)
    ):
        return f"is not a URL; {_ESCAPES}"
    return None


def _is_there(path: str) -> bool:
    return path == "system" or Path(path).is_file()


def load_settings() -> Settings:
    """Read the settings from the environment. Raises ConfigurationError with every fault."""
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(
                f"EVENTOS_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False)
            )
        ) from None
