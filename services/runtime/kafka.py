"""How to reach Kafka: the same settings for Faust, and for clients of our own."""

import ssl
from typing import Any

from faust.auth import Credentials, SASLCredentials, SSLCredentials

from services.runtime.settings import Settings


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if (context := _tls(settings)) is not None:
        options["ssl_context"] = context
    if "SASL" in settings.kafka_security_protocol:
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": _password(settings),
        }
    return options


def faust_credentials(settings: Settings) -> Credentials | None:
    """The same, in Faust's words."""
    if "SASL" in settings.kafka_security_protocol:
        return SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=_password(settings),
            ssl_context=_tls(settings),
        )
    context = _tls(settings)
    return SSLCredentials(context) if context is not None else None


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if "SSL" not in settings.kafka_security_protocol:
        return None
    return ssl.create_default_context(cafile=settings.kafka_ca_file)


def _password(settings: Settings) -> str | None:
    return settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else None
