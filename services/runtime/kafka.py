"""How to reach Kafka."""

import ssl
from typing import Any, Protocol

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from services.runtime.settings import ConfigurationError, Settings

ACCESS_TIMEOUT_MS = 10_000
"""Longest wait for a broker's answer to the question whether it lets us in."""
_REFUSALS = (
    AuthenticationFailedError, IllegalSaslStateError, SaslAuthenticationFailed, UnsupportedSaslMechanismError,
)  # fmt: skip


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if (context := tls_context(settings)) is not None:
        options["ssl_context"] = context
    if "SASL" in settings.kafka_security_protocol:
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": sasl_password(settings),
        }
    return options


class Client(Protocol):
    """Any client of aiokafka."""

    async def start(self) -> None:
        """Connect."""
        ...


async def start(client: Client, settings: Settings) -> None:
    """Start a client. Raises ConfigurationError where Kafka does not let us in, KafkaError where it is not reached."""
    try:
        await client.start()
    except KafkaConnectionError:
        await check_access(settings)
        raise


async def check_access(settings: Settings) -> None:
    """Ask the first broker that answers whether it lets us in. Raises ConfigurationError where one does not.

    aiokafka's clients take a refusal for an absence, and in the end say only that they reached nobody. When indeed
    nobody answers, this says nothing: that is for the client to wait for.
    """
    options = client_options(settings)
    for server in options.pop("bootstrap_servers").split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            connection = await create_conn(host, int(port), request_timeout_ms=ACCESS_TIMEOUT_MS, **options)
        except _REFUSALS as error:
            user = f"{settings.kafka_sasl_username} by {settings.kafka_sasl_mechanism} ({type(error).__name__})"
            raise ConfigurationError(f"EVENTOS_KAFKA_SASL_…: {server} does not let in {user}") from None
        except ssl.SSLCertVerificationError as error:
            why = f"the certificate of {server} is not trusted ({error.verify_message})"
            raise ConfigurationError(f"EVENTOS_KAFKA_CA_FILE: {why}") from None
        except ssl.SSLError as error:
            why = f"{server} does not talk TLS with us ({error.reason})"
            raise ConfigurationError(f"EVENTOS_KAFKA_SECURITY_PROTOCOL: {why}") from None
        except (OSError, KafkaError, TimeoutError):
            continue
        connection.close()
        return


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What to trust, where the connection is encrypted."""
    if "SSL" not in settings.kafka_security_protocol:
        return None
    return ssl.create_default_context(cafile=settings.kafka_ca_file)


def sasl_password(settings: Settings) -> str | None:
    """The password, in the clear."""
    return settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else None
