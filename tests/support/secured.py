"""A Kafka and a Postgres that let nobody in without TLS and a password, with certificates made for them."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from pydantic import SecretStr

from infra.local import kafka, postgres
from infra.local.stack import DATABASE, JARS
from services.runtime.settings import Settings
from tests.support.tls_front import tls_front

KAFKA_USER, DATABASE_USER = "streams", "deploy"
KAFKA_PASSWORD, DATABASE_PASSWORD = "planted/kafka:p@ss w0rd", "planted/postgres:p@ss w0rd?#%"
"""Full of what has a meaning in URLs and properties."""
_BROKERS_OWN = "brokers-own"

_RULES = """\
local all postgres trust
local all all scram-sha-256
"""


@dataclass(frozen=True)
class Certificates:
    """An authority and the certificate of a server on this machine; and an authority that has signed nothing here."""

    folder: Path

    @property
    def authority(self) -> Path:
        """Whom to trust."""
        return self.folder / "authority.pem"

    @property
    def stranger(self) -> Path:
        """Whom nobody here has a certificate from."""
        return self.folder / "stranger.pem"

    def make(self) -> None:
        """Make them, for a day."""
        for name in ("authority", "stranger"):
            self._openssl("req -x509 -newkey rsa:2048 -nodes -days 1", f"-subj /CN={name}", *self._pair(name))
        self._openssl("req -newkey rsa:2048 -nodes -subj /CN=server", "-keyout server.key -out server.csr")
        (self.folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        self._openssl(
            "x509 -req -in server.csr -out server.pem -days 1 -extfile server.ext",
            "-CA authority.pem -CAkey authority.key -CAcreateserial",
        )
        both = (self.folder / "server.key").read_text() + (self.folder / "server.pem").read_text()
        (self.folder / "keystore.pem").write_text(both)

    def _pair(self, name: str) -> tuple[str, str]:
        return f"-keyout {name}.key", f"-out {name}.pem"

    def _openssl(self, *words: str) -> None:
        command = ["openssl", *" ".join(words).split()]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)


@dataclass(frozen=True)
class Secured:
    """Where both answer, and how to be let in."""

    certificates: Certificates
    kafka_bootstrap_servers: str
    database_port: int

    def database_url(
        self, *, password: str = DATABASE_PASSWORD, authority: Path | None = None, mode: str = "verify-full"
    ) -> str:
        """The database, over TCP."""
        trusted = f"&sslrootcert={authority or self.certificates.authority}" if mode.startswith("verify") else ""
        login = f"{DATABASE_USER}:{quote(password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.database_port}/{DATABASE}?sslmode={mode}{trusted}"

    def settings(self, database_url: str | None = None, **changed: str) -> Settings:
        """Settings with which both let a service in, but for what is `changed`."""
        given = {
            "kafka_bootstrap_servers": self.kafka_bootstrap_servers,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_username": KAFKA_USER,
            "kafka_sasl_password": KAFKA_PASSWORD,
            "kafka_ca_file": str(self.certificates.authority),
            "database_url": SecretStr(database_url or self.database_url()),
        }
        return Settings.model_validate(given | changed)


@contextmanager
def secured_servers() -> Iterator[Secured]:
    """Both, for the time of the block."""
    folder = Path(tempfile.mkdtemp(prefix="eventos-secured-"))
    certificates = Certificates(folder / "certificates")
    certificates.folder.mkdir()
    try:
        certificates.make()
        with _kafka(folder / "kafka", certificates) as servers, _postgres(folder / "postgres", certificates) as port:
            yield Secured(certificates, servers, port)
    finally:
        shutil.rmtree(folder)


@contextmanager
def _kafka(folder: Path, certificates: Certificates) -> Iterator[str]:
    port, controller = _free_port(), f"{kafka.HOST}:{_free_port()}"
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    broker = kafka.start(
        folder,
        JARS,
        port=port,
        properties={
            "listeners": f"SASL_SSL://{kafka.HOST}:{port},CONTROLLER://{controller}",
            "controller.quorum.voters": f"1@{controller}",
            "advertised.listeners": f"SASL_SSL://{kafka.HOST}:{port}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{plain} required username="{_BROKERS_OWN}"'
            f' password="{_BROKERS_OWN}" user_{_BROKERS_OWN}="{_BROKERS_OWN}";',
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram."
            "ScramLoginModule required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.folder / "keystore.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.authority),
        },
        format_words=["--add-scram", f'SCRAM-SHA-512=[name="{KAFKA_USER}",password="{KAFKA_PASSWORD}"]'],
    )
    try:
        broker.server.wait_until(lambda: _listens(port))
        yield f"{kafka.HOST}:{port}"
    finally:
        broker.stop()


@contextmanager
def _postgres(folder: Path, certificates: Certificates) -> Iterator[int]:
    rules = certificates.folder / "pg_hba.conf"
    rules.write_text(_RULES)
    settings = {"hba_file": str(rules), "fsync": "off", "shared_buffers": "64MB"}
    server = postgres.start(folder, settings=settings)
    try:
        server.wait_until_ready()
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            login = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}")
            connection.execute(login.format(sql.Identifier(DATABASE_USER), sql.Literal(DATABASE_PASSWORD)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        socket_file = server.socket_folder / ".s.PGSQL.5432"
        with tls_front(certificates.folder / "server.pem", certificates.folder / "server.key", socket_file) as port:
            yield port
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
