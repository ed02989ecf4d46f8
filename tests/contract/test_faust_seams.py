"""The hooks of Faust, mode and aiokafka that record batches stand on, some of them private: as they were found."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiokafka
import faust
import mode
import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState, TopicPartitionState
from faust.tables.recovery import Recovery
from faust.transport import conductor
from faust.transport.conductor import ConductorCompiler
from faust.transport.consumer import Consumer as AbstractConsumer
from faust.transport.consumer import ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode.threads import WorkerThread

from services.runtime.record_batches import BatchApp, BatchScheduler, Consumer, ConsumerThread, Transport
from tests.support.records import record

SIGNATURES: dict[Callable[..., Any], str] = {
    driver.AIOKafkaConsumerThread._create_worker_consumer: "self, transport",
    driver.AIOKafkaConsumerThread._ensure_consumer: "self",
    driver.AIOKafkaConsumerThread._fetch_records: "self, consumer, active_partitions, timeout=None, max_records=None",
    driver.AIOKafkaConsumerThread._seek_wait: "self, consumer, partitions",
    driver.AIOKafkaConsumerThread._commit: "self, offsets",
    driver.Consumer._new_consumer_thread: "self",
    driver.Consumer._to_message: "self, tp, record",
    ThreadDelegateConsumer.seek_wait: "self, partitions",
    ThreadDelegateConsumer.seek_to_committed: "self",
    ThreadDelegateConsumer.earliest_offsets: "self, *partitions",
    ThreadDelegateConsumer.highwaters: "self, *partitions",
    ThreadDelegateConsumer.assignment: "self",
    AbstractConsumer.on_buffer_drop: "self, tp",
    AbstractConsumer._wait_next_records: "self, timeout",
    AbstractConsumer._get_active_partitions: "self",
    AbstractConsumer.on_partitions_assigned: "self, assigned, generation_id=0",
    AbstractConsumer.stop_flow: "self",
    AbstractConsumer.perform_seek: "self",
    AbstractConsumer.pause_partitions: "self, tps",
    AbstractConsumer.resume_partitions: "self, tps",
    faust.App._new_transport: "self",
    faust.App._consumer_wait_empty: "self, consumer, logger",
    aiokafka.AIOKafkaConsumer.last_stable_offset: "self, partition",
    aiokafka.AIOKafkaConsumer.assignment: "self",
    aiokafka.AIOKafkaConsumer.seek: "self, partition, offset",
    Fetcher._get_actions_per_node: "self, assignment",
    Fetcher.fetched_records: "self, partitions, timeout=0, max_records=None",
    Fetcher._notify: "self, future",
    SubscriptionState.fetch_context: "self",
    Assignment.state_value: "self, tp",
    WorkerThread.__init__: "self, service, **kwargs",
    mode.Service.add_future: "self, coro",
    mode.Service.sleep: "self, n",
}


def parameters(function: Callable[..., Any]) -> str:
    """The parameters of a function without their types."""
    signature = inspect.signature(function)
    bare = [it.replace(annotation=inspect.Parameter.empty) for it in signature.parameters.values()]
    return str(inspect.Signature(bare))[1:-1]


@pytest.mark.parametrize(
    "package", ["faust-streaming==0.15.3", "mode-streaming==0.7.1", "aiokafka==0.14.0"], ids=lambda it: it.split("=")[0]
)
def test_what_the_hooks_were_found_in_is_what_is_installed(package: str) -> None:
    name, expected = package.split("==")
    assert version(name) == expected


@pytest.mark.parametrize("hook", SIGNATURES, ids=lambda it: it.__qualname__)
def test_a_hook_has_the_signature_that_is_used(hook: Callable[..., Any]) -> None:
    assert parameters(hook) == SIGNATURES[hook]


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (ConsumerThread, driver.AIOKafkaConsumerThread, ["_create_worker_consumer", "_fetch_records", "_seek_wait"]),
        (Consumer, driver.Consumer, ["_new_consumer_thread", "_to_message", "on_buffer_drop", "seek_to_committed"]),
        (Consumer, driver.Consumer, ["on_partitions_assigned", "resume_partitions", "_wait_next_records"]),
        (Transport, driver.Transport, ["Consumer"]),
        (BatchApp, faust.App, ["_new_transport", "_consumer_wait_empty"]),
        (BatchScheduler, faust.types.transports.SchedulingStrategyT, ["iterate"]),
    ],
    ids=lambda it: it.__name__ if isinstance(it, type) else "",
)
def test_what_is_overridden_is_there_to_be_called(ours: type, theirs: type, names: list[str]) -> None:
    for name in names:
        assert hasattr(theirs, name), name
        assert name in vars(ours), name


def test_the_hooks_are_called_where_they_are_expected_to_be() -> None:
    """By their callers' sources: no signature would tell that a hook is not used any more."""
    for caller, calls in (
        (driver.AIOKafkaConsumerThread.getmany, "self._fetch_records"),
        (driver.AIOKafkaConsumerThread.seek_wait, "self._seek_wait"),
        (driver.AIOKafkaConsumerThread._create_consumer, "self._create_worker_consumer"),
        (AbstractConsumer.perform_seek, "await self.seek_to_committed()"),
        (AbstractConsumer.getmany, "await self._wait_next_records(timeout)"),
        (AbstractConsumer._wait_next_records, "self._get_active_partitions()"),
        (AbstractConsumer.getmany, "if records is None or self.should_stop:"),
        (Recovery._resume_streams, "consumer.resume_flow()"),
        (aiokafka.AIOKafkaConsumer.start, "fetch_max_wait_ms=self._fetch_max_wait_ms"),
        (AbstractConsumer.getmany, "to_message = self._to_message"),
        (AbstractConsumer.getmany, "self.scheduler.iterate(records)"),
        (ThreadDelegateConsumer.__init__, "self._new_consumer_thread()"),
        (ConductorCompiler.build, "consumer_on_buffer_drop = app.consumer.on_buffer_drop"),
        (faust.App._stop_consumer, "self._consumer_wait_empty"),
        (driver.AIOKafkaConsumerThread._seek_wait, "consumer.seek(tp, offset)"),
        (Fetcher._get_actions_per_node, "self._fetch_max_wait_ms"),
        (Fetcher._get_actions_per_node, "self._fetch_min_bytes"),
    ):
        assert calls in inspect.getsource(caller), f"{caller.__qualname__} does not use {calls}"


def test_a_fetch_hands_out_records_without_waiting_between_taking_and_returning_them() -> None:
    """Else a seek could come between, and what a batch follows would be noted too late."""
    source = inspect.getsource(Fetcher.fetched_records)
    taking = source.index("getall(")
    assert "await" not in source[taking : source.rindex("return drained")]


async def test_aiokafka_keeps_what_signs_of_life_and_ends_are_read_from() -> None:
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers="nowhere:9092")
    assert consumer._isolation_level == "read_uncommitted"
    assert isinstance(consumer._subscription, SubscriptionState)
    with consumer._subscription.fetch_context():
        pass
    tp = aiokafka.TopicPartition("t", 0)
    consumer.assign([tp])
    assignment = consumer._subscription.subscription.assignment
    state = assignment.state_value(tp)
    assert isinstance(state, TopicPartitionState)
    assert not state.has_valid_position
    state.seek(7)
    assert (state.has_valid_position, state._position) == (True, 7)
    assert consumer.last_stable_offset(tp) is None
    await consumer.stop()


@pytest.mark.parametrize(
    ("brought", "wait_ms", "least_bytes"),
    [(0, 500, 1), (1, 500, 1), (2, 6, 131_072), (6, 30, 131_072), (500, 40, 131_072)],
)
def test_the_broker_gathers_for_the_next_fetch_by_what_the_last_one_brought(
    monkeypatch: pytest.MonkeyPatch, brought: int, wait_ms: int, least_bytes: int
) -> None:
    tp = TP("t", 3)

    async def fetch(*_: object) -> Mapping[TP, Any]:
        return {tp: [record(b"", partition=3, offset=offset) for offset in range(brought)]} if brought else {}

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)
    thread = ConsumerThread.__new__(ConsumerThread)
    thread._next = {}
    consumer: Any = SimpleNamespace(_fetcher=SimpleNamespace(_fetch_max_wait_ms=7, _fetch_min_bytes=7))
    asyncio.run(thread._fetch_records(consumer, {tp}))
    assert (consumer._fetcher._fetch_max_wait_ms, consumer._fetcher._fetch_min_bytes) == (wait_ms, least_bytes)


def test_a_message_is_made_of_these_parts() -> None:
    expected = (
        "topic, partition, offset, timestamp, timestamp_type, headers, key, value, checksum, serialized_key_size=None, "
        "serialized_value_size=None, tp=None, time_in=None, time_out=None, time_total=None, generation_id=None"
    )
    assert parameters(ConsumerMessage).removeprefix("self, ") == expected


def test_records_that_were_fetched_before_a_seek_say_what_they_followed_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would pass for those that come after the seek, and what lies between would be skipped."""
    tp = TP("t", 3)
    fetched: Mapping[TP, Any] = {tp: [record(b"", partition=3, offset=offset) for offset in (500, 501)]}

    async def fetch(*_: object) -> Mapping[TP, Any]:
        return fetched

    async def seek(*_: object) -> None:
        return None

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_seek_wait", seek)
    thread = ConsumerThread.__new__(ConsumerThread)
    thread._next = {tp: 500}
    consumer: Any = SimpleNamespace(_fetcher=SimpleNamespace())

    async def happen() -> list[int]:
        follows = [(await thread._fetch_records(consumer, {tp}))[tp][0].follows]
        follows.append((await thread._fetch_records(consumer, {tp}))[tp][0].follows)
        await thread._seek_wait(None, {tp: 100})
        follows.append((await thread._fetch_records(consumer, {tp}))[tp][0].follows)
        return follows

    assert asyncio.run(happen()) == [500, 502, 100]


class Fetched:
    """Records of a partition as aiokafka keeps them until a poll takes them."""

    def __init__(self, *offsets: int) -> None:
        self._offsets, self.next_fetch_offset = iter(offsets), offsets[0]

    def __iter__(self) -> "Fetched":
        return self

    def __next__(self) -> int:
        offset = next(self._offsets)
        self.next_fetch_offset = offset + 1
        return offset


def test_the_compiled_handler_of_messages_calls_the_hook_too() -> None:
    source = Path(conductor.__file__).with_name("_cython") / "conductor.pyx"
    assert "self.consumer_on_buffer_drop = self.app.consumer.on_buffer_drop" in source.read_text("utf-8")
    assert "self.consumer_on_buffer_drop(self.tp)" in source.read_text("utf-8")


def test_a_partition_that_is_stopped_does_not_come_again_once_no_more_of_it_waits() -> None:
    stopped = TP("t", 1)
    consumer = Consumer.__new__(Consumer)
    consumer._active_partitions, consumer._buffered_partitions = set(), {stopped}
    consumer._paused_partitions = {stopped}
    consumer.on_buffer_drop(stopped)
    assert (consumer._active_partitions, consumer._buffered_partitions) == (set(), set())


async def test_a_poll_under_way_takes_what_is_there_of_a_partition_of_which_no_more_waits() -> None:
    """Else it would wait for other partitions, and everybody for it, while there are records."""
    quiet, busy = TP("t", 0), TP("t", 1)
    subscription = SubscriptionState()
    subscription.assign_from_user([quiet, busy])
    assignment = subscription.subscription.assignment
    assignment.state_value(busy).seek(5)
    loop = asyncio.get_running_loop()
    fetcher = Fetcher(SimpleNamespace(_loop=loop, _metadata_max_age_ms=1000), subscription)
    fetcher._fetch_task.cancel()
    fetcher._records[busy] = FetchResult(busy, assignment=assignment, partition_records=Fetched(5, 6), backoff=0)

    thread = ConsumerThread.__new__(ConsumerThread)
    thread.thread_loop = loop
    thread._consumer = SimpleNamespace(_fetcher=fetcher)
    consumer = Consumer.__new__(Consumer)
    consumer._thread, consumer._let_in = thread, asyncio.Event()
    consumer._active_partitions, consumer._buffered_partitions = {quiet}, {busy}
    consumer._paused_partitions = set()

    poll = asyncio.create_task(fetcher.fetched_records(consumer._get_active_partitions(), timeout=3600))
    for _ in range(3):
        await asyncio.sleep(0)
    assert fetcher._fetch_waiters
    consumer.on_buffer_drop(busy)
    assert await asyncio.wait_for(poll, 5) == {busy: [5, 6]}


@pytest.mark.parametrize("let_in", ["on_buffer_drop", "resume_partitions"])
async def test_the_next_poll_begins_once_there_is_a_partition_to_poll(let_in: str) -> None:
    """Faust's own begins with none of them, and sleeps for a second."""
    tp = TP("t", 0)
    consumer: Any = Consumer.__new__(Consumer)
    consumer._thread, consumer._let_in = SimpleNamespace(look_again=lambda: None), asyncio.Event()
    consumer._active_partitions, consumer._buffered_partitions, consumer._paused_partitions = set(), {tp}, set()

    nothing = asyncio.create_task(consumer._wait_next_records(3600))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not nothing.done()
    getattr(consumer, let_in)(tp if let_in == "on_buffer_drop" else {tp})
    assert await asyncio.wait_for(nothing, 5) == (None, None)
    assert consumer._get_active_partitions() == {tp}


async def test_nothing_is_polled_before_the_claim_even_of_a_member_that_had_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was polled before would begin at the offset that Kafka knows, which is only a hint."""
    tp = TP("t", 0)
    story: list[str] = []
    consumer: Any = Consumer.__new__(Consumer)
    consumer._thread, consumer._let_in = SimpleNamespace(look_again=lambda: None), asyncio.Event()
    consumer.can_resume_flow, consumer.suspend_flow = asyncio.Event(), asyncio.Event()
    consumer._active_partitions, consumer._buffered_partitions, consumer._paused_partitions = set(), set(), set()

    async def assigned(self: Any, partitions: set[TP], generation_id: int) -> None:
        self.resume_partitions(partitions)
        for _ in range(3):
            await asyncio.sleep(0)
        story.append("claimed")
        self.resume_flow()

    async def poll(self: Any, timeout: float) -> tuple[Any, set[TP]]:  # noqa: ASYNC109 - Faust's
        story.append("polled")
        return {}, {tp}

    async def wait(self: Any, resumed: Awaitable[object]) -> None:
        await resumed

    monkeypatch.setattr(AbstractConsumer, "on_partitions_assigned", assigned)
    monkeypatch.setattr(AbstractConsumer, "_wait_next_records", poll)
    monkeypatch.setattr(Consumer, "wait", wait)

    async def fetch() -> None:
        while not story or story[-1] != "polled":
            await consumer._wait_next_records(3600)

    fetching = asyncio.create_task(fetch())
    await asyncio.sleep(0)
    await consumer.on_partitions_assigned({tp}, 1)
    await asyncio.wait_for(fetching, 5)
    assert story == ["claimed", "polled"]
