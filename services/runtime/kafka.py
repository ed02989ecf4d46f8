"""How to reach Kafka."""

import ssl
from typing import Any

from services.runtime.settings import Settings


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


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What to trust, where the connection is encrypted."""
    if "SSL" not in settings.kafka_security_protocol:
        return None
    return ssl.create_default_context(cafile=settings.kafka_ca_file)


def sasl_password(settings: Settings) -> str | None:
    """The password, in the clear."""
    return settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else None
