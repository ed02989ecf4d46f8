"""Faust, fed in record batches: one event per partition and poll instead of one per record (docs/adr/0001).

These are the only lines that know Faust's inside; tests/contract/test_faust_seams.py says which parts of it. Offsets
are not acknowledged to Faust: the position lives in Postgres, and what is committed to Kafka is a hint for lag tools.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, cast

import aiokafka
import faust
import structlog
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from faust.types.transports import SchedulingStrategyT
from mode import Service
from mode.threads import WorkerThread

from services.runtime.records import Record, RecordBatch, size_of

log = structlog.get_logger(__name__)

Claim = Callable[[Mapping[int, int], Mapping[int, int]], Awaitable[Mapping[int, "Claimed"]]]
"""From the earliest and the end offset of each assigned partition to where to read on."""

IDLE_TICK = 10.0
"""Seconds between signs of life of a member that has nothing to fetch: aiokafka would let it drop out for good."""

IDLE_WAIT_MS = 500
"""Milliseconds that the broker holds a fetch when there is nothing; anything that comes is answered at once. Whatever
else is asked of the broker waits behind it, such as the offsets that a claim needs."""
GATHER_MS_PER_RECORD, LONGEST_GATHER_MS = 6, 40
"""Milliseconds that the broker gathers for the next fetch, by how many records beyond one the last has brought: where
little comes it is there at once; where more does, it shares requests and transactions, each of which has its price."""
GATHERED_BYTES = 128 * 1024
"""Bytes that end the gathering."""


class Claimed:
    """Where a partition goes on, and whether it is stopped there."""

    __slots__ = ("offset", "stopped")

    def __init__(self, offset: int, *, stopped: bool) -> None:
        self.offset, self.stopped = offset, stopped


class BatchScheduler(SchedulingStrategyT):
    """Hands out what a poll returned one partition at a time, whole."""

    def iterate(self, batches: Mapping[TP, list[RecordBatch]]) -> Iterator[tuple[TP, RecordBatch]]:
        """Yield each partition with all its records."""
        for tp, (batch,) in batches.items():
            yield tp, batch


class LetGoThread(WorkerThread):
    """A thread that the process does not wait for when it ends: aiokafka's consumer waits for answers that are due."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches and seeks; reads only what its publisher committed.

    What a batch follows is noted here, where fetches and seeks are in one order. Elsewhere, records fetched before a
    seek could pass for those that come after it, and what lies between would be skipped.
    """

    Worker: type[WorkerThread] = LetGoThread

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        self._next: dict[TP, int] = {}
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = IDLE_WAIT_MS  # for the fetch that begins before the first claim
        return consumer

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's
        max_records: int | None = None,
    ) -> dict[TP, list[Any]]:
        try:
            fetched = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        except NoOffsetForPartitionError:  # nor need it: where a partition begins is for the claim to say
            return {}
        except OffsetOutOfRangeError as error:
            log.warning("offset_out_of_range", error=str(error))
            self.consumer.loop.call_soon_threadsafe(cast("Consumer", self.consumer).claim_again)
            return {}
        _gather(consumer._fetcher, sum(map(len, fetched.values())))
        to_come = range(len(fetched) - 1, -1, -1)
        return {
            tp: [self._batch(tp, records, left)] for (tp, records), left in zip(fetched.items(), to_come, strict=True)
        }

    def _batch(self, tp: TP, records: list[Record], to_come: int) -> RecordBatch:
        follows = self._next.get(tp, records[0].offset)
        self._next[tp] = records[-1].offset + 1
        return RecordBatch(tp.partition, records, follows, to_come=to_come, size=size_of(records))

    async def _seek_wait(self, consumer: aiokafka.AIOKafkaConsumer, partitions: Mapping[TP, int]) -> None:
        self._next.update(partitions)
        await super()._seek_wait(consumer, partitions)

    def sign_of_life(self) -> None:
        """Tell aiokafka that this member is alive although it fetches nothing."""
        with self._ensure_consumer()._subscription.fetch_context():
            pass

    def look_again(self) -> None:
        """Let a poll that is under way look for what is there for it now. For other threads to call."""
        with suppress(RuntimeError):  # the thread has ended
            self.thread_loop.call_soon_threadsafe(_wake, self._ensure_consumer()._fetcher)

    def ends(self) -> dict[int, int]:
        """Where the records of each assigned partition end, as far as fetches have told it.

        The end of the log lies beyond, where a transaction's marker is the last thing in it.
        """
        consumer, ends = self._ensure_consumer(), {}
        assignment = consumer._subscription.subscription.assignment
        for tp in consumer.assignment():
            state, end = assignment.state_value(tp), consumer.last_stable_offset(tp)
            if end is not None and state.has_valid_position:
                ends[tp.partition] = end if state._position < end else self._next.get(tp, 0)
        return ends


def _wake(fetcher: Any) -> None:
    for waiter in fetcher._fetch_waiters:
        fetcher._notify(waiter)


def _gather(fetcher: Any, brought: int) -> None:
    """Say how long the broker is to gather records for the next fetch, after one that `brought` so many."""
    wait = min(LONGEST_GATHER_MS, GATHER_MS_PER_RECORD * (brought - 1))
    gathering = wait > 0
    fetcher._fetch_min_bytes = GATHERED_BYTES if gathering else 1
    fetcher._fetch_max_wait_ms = wait if gathering else IDLE_WAIT_MS


class Consumer(driver.Consumer):
    """Delivers record batches, and begins each assignment at the positions that `BatchApp.claim` returns."""

    app: "BatchApp"
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._claiming = asyncio.Lock()
        self._claiming_later: int | None = None  # of the generation that it is for
        self._let_in = asyncio.Event()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, batch: RecordBatch) -> ConsumerMessage:
        last = batch.records[-1]
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type, [], None,
            cast(bytes, batch), None, 0, 0, tp, generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    def on_buffer_drop(self, tp: TP) -> None:
        """Deliver from `tp` again, of which enough was waiting, and from now on.

        The poll under way is of the other partitions: where nothing comes of them, it would wait for a second, while
        records of this one are there.
        """
        if tp in self._paused_partitions:  # it does not come again by itself
            self._buffered_partitions.discard(tp)
            return
        super().on_buffer_drop(tp)
        self._let_in.set()
        self._thread.look_again()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Deliver from `tps` again: from now on, where there was nothing to poll."""
        super().resume_partitions(tps)
        self._let_in.set()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Let nothing be polled before the claim has said from where; Faust resumes the flow after it.

        Faust itself stops the flow only of a member that had partitions before.
        """
        self.stop_flow()
        await super().on_partitions_assigned(assigned, generation_id)

    async def _wait_next_records(self, timeout: float) -> tuple[Any, set[TP] | None]:  # noqa: ASYNC109 - Faust's
        """Poll; and where there is nothing to poll, wait until there is: Faust sleeps for a second."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        if self._get_active_partitions():
            return await super()._wait_next_records(timeout)
        self._let_in.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._let_in.wait()
        return None, None  # nothing was polled: not even what Faust would take for records to be sought back

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Begin at the positions in Postgres. When they cannot be had now, pause, and go on trying behind.

        Raises what `BatchApp.postpone` does.
        """
        try:
            return await self._seek_to_claimed()
        except Exception as error:
            self.app.postpone(error)
            self.pause_partitions(self.assignment())
            if self._claiming_later != (generation := self.app.consumer_generation_id):
                self._claiming_later = generation
                self.add_future(self._claim_later(generation))
            return {}

    async def _claim_later(self, generation: int) -> None:
        while not self.should_stop and self.app.consumer_generation_id == generation:
            await self.sleep(1.0)
            try:
                await self._seek_to_claimed()
            except Exception as error:
                self.app.postpone(error)
                continue
            self._claiming_later = None
            return

    async def _seek_to_claimed(self) -> Mapping[TP, int]:
        """Claim what is assigned, one claim at a time.

        Faust asks twice when a rebalance meets a fetch. A claim of what was assigned before that rebalance, finished
        after the claim of what is assigned now, would stand for partitions that are gone.
        """
        async with asyncio.timeout(self.app.claim_timeout), self._claiming:
            return await self._claim_and_seek({tp.partition: tp for tp in self.assignment()})

    async def _claim_and_seek(self, tps: Mapping[int, TP]) -> Mapping[TP, int]:
        if not tps:
            return {}
        earliest = await self.earliest_offsets(*tps.values())
        ends = await self.highwaters(*tps.values())
        claimed = await self.app.claim(
            {tp.partition: offset for tp, offset in earliest.items()},
            {tp.partition: offset for tp, offset in ends.items()},
        )
        offsets = {tps[partition]: place.offset for partition, place in claimed.items()}
        self.app.stopped = {tps[partition] for partition, place in claimed.items() if place.stopped}
        await self.seek_wait({tp: offset for tp, offset in offsets.items() if tp not in self.app.stopped})
        self.pause_partitions(self.app.stopped)
        self.resume_partitions(self._paused_partitions & offsets.keys() - self.app.stopped)
        return offsets

    def claim_again(self) -> None:
        """Ask Postgres anew where to read on: what was to be read next is not there, and the claim says what to do."""
        if not self._claiming.locked():
            self.add_future(self.app.restart_at_positions())

    def ends(self) -> dict[int, int]:
        """Where the records of each assigned partition end."""
        return self._thread.ends()

    @Service.task
    async def _stay_in_the_group(self) -> None:
        while not self.should_stop:
            await self.sleep(IDLE_TICK)
            self._thread.sign_of_life()


class Transport(driver.Transport):
    """Faust's own transport with the consumer above."""

    Consumer: ClassVar[type[Consumer]] = Consumer


class BatchApp(faust.App):
    """A Faust app whose one agent hears record batches.

    `claim` gives the positions; `postpone` hears why it could not, and raises what no later claim would mend; `drain`
    waits for the work in flight when partitions are about to go.
    """

    claim: Claim
    claim_timeout: float
    postpone: Callable[[Exception], None]
    drain: Callable[[], Awaitable[None]]
    stopped: set[TP]

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self, loop=self.loop)

    def _create_directories(self) -> None:
        """Make none: nothing is kept on disk."""

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        await self.drain()

    async def restart_at_positions(self) -> None:
        """Read all assigned partitions again from their positions in Postgres."""
        await self.consumer.perform_seek()

    def pause(self, partitions: Iterable[int]) -> None:
        """Fetch no more from `partitions`."""
        tps = {tp for tp in self.consumer.assignment() if tp.partition in set(partitions)}
        self.stopped |= tps
        self.consumer.pause_partitions(tps)
