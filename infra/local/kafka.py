"""An Apache Kafka broker for this machine: one KRaft node, run from the jars that `make setup` fetches."""

import os
import shutil
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local import servers
from infra.local.servers import Server, ServerError

HOST = "127.0.0.1"
USUAL_PORT = 9092
_CLUSTER_ID = "EventosStreamsLocalAAA"  # 16 bytes in base64
_HEAP = "-Xmx512m"
_QUICK = "-XX:TieredStopAtLevel=1"  # halves the CPU time of a start; a broker mostly moves bytes
_LOGGING = Path(__file__).with_name("kafka-log4j2.properties")

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
# Topics are declared, never made by a typing error.
auto.create.topics.enable=false
# One node holds every copy.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A laptop's worth of partitions, threads and memory.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
# Workers start one after the other here; nobody is waited for.
group.initial.rebalance.delay.ms=0
"""


@dataclass(frozen=True)
class Kafka:
    """A running broker and its port."""

    server: Server
    port: int

    @property
    def bootstrap_servers(self) -> str:
        """The broker's host:port."""
        return f"{HOST}:{self.port}"

    def wait_until_ready(self) -> None:
        """Wait until the broker answers a request. Raises ServerError."""
        self.server.wait_until(lambda: _answers(self.port))

    def stop(self) -> None:
        """End it in order."""
        self.server.stop()


def start(
    folder: Path, jars: Path, *, port: int | None = None, properties: Mapping[str, str] | None = None,
    format_words: Sequence[str] = (),
) -> Kafka:  # fmt: skip
    """Start a broker on `folder`, which it makes where missing; does not wait for it to answer.

    `port` None takes 9092 where it is free and another one where not; 0 takes any free one. `properties` are set
    besides ours, or in their place; `format_words` go to the tool that makes a new folder. The caller must own
    `folder` alone: a broker that an earlier owner left there is stopped. Raises ServerError.
    """
    if not any(jars.glob("kafka_*.jar")):
        raise ServerError(f"Kafka's jars are not in {jars}: run `make setup`, or set EVENTOS_KAFKA_BOOTSTRAP_SERVERS")
    java = _java()
    marker = f"-Deventos.kafka={folder}"
    servers.stop_orphans("java", [marker], signal.SIGTERM)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _choose(port)
    classpath = ["-cp", f"{jars}/*", f"-Dlog4j2.configurationFile={_LOGGING}"]
    data, file = folder / "data", folder / "server.properties"
    if not data.exists():
        _format(folder, [java, _QUICK, *classpath, "kafka.tools.StorageTool"], data, format_words)
    more = "".join(f"{name}={value}\n" for name, value in (properties or {}).items())
    file.write_text(_properties(chosen, data) + more)  # of a name that is set twice, Java takes the last value
    server = servers.start(
        "Kafka",
        [java, marker, _HEAP, _QUICK, "-XX:+ExitOnOutOfMemoryError", *classpath, "kafka.Kafka", str(file)],
        folder / "kafka.log",
        stop_signal=signal.SIGTERM,
    )
    return Kafka(server, chosen)


def _format(folder: Path, tool: list[str], data: Path, words: Sequence[str]) -> None:
    """Make the log folder beside its place and move it there: a half-made one is never taken for whole."""
    half, properties = folder / "data.new", folder / "format.properties"
    shutil.rmtree(half, ignore_errors=True)
    properties.write_text(_properties(USUAL_PORT, half))
    command = [*tool, "format", "--cluster-id", _CLUSTER_ID, "--config", str(properties), *words]
    servers.run("Kafka's format", command, folder / "format.log")
    half.rename(data)


def _properties(port: int, data: Path) -> str:
    return _PROPERTIES.format(host=HOST, port=port, controller_port=_free_port(other_than=port), data=data)


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise ServerError("Java is missing: install a Java runtime of at least 17 (Debian: default-jre-headless)")
    return found


def _choose(port: int | None) -> int:
    if port is None:
        return USUAL_PORT if _is_free(USUAL_PORT) else _free_port()
    if port and not _is_free(port):
        raise ServerError(f"Port {port} is taken: choose another one for Kafka, or stop what listens there")
    return port or _free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port(other_than: int = 0) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port != other_than:
            return port


def _answers(port: int) -> bool:
    """Whether a broker answers an ApiVersions request (key 18, version 0, correlation 1, no client id)."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            return connection.recv(10, socket.MSG_WAITALL)[4:] == struct.pack(">ih", 1, 0)
    except OSError:
        return False
