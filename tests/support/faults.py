"""The faults that the project has to survive: what happens, and what is to come of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault by its number; `absent` says why no test does it, where none can."""

    number: int
    what: str
    expected: str
    absent: str | None = None


FAULTS = tuple(
    Fault(number, *words)
    for number, words in enumerate(
        (
            ("kill -9 before, during, after COMMIT", "exact state after restart"),
            ("connection cut during COMMIT", "outcome read again; nothing applied twice"),
            ("SIGSTOP past the session timeout, then CONT", "the late batch is fenced and counted; the worker rejoins"),
            ("a zombie holds the row lock during a claim", "the claim waits; the database's timeout frees it"),
            (
                "Postgres down, and longer than the max poll interval",
                "waiting, liveness good, readiness 503, resumes by itself",
            ),
            ("Postgres hangs during assignment", "claimed in the background; the next rebalance works"),
            ("serialization failure, deadlock, pool exhausted", "bounded retries, no dead letter"),
            ("rebalance mid-batch; 1→3→1 replicas; rolling restart", "nothing lost or doubled"),
            ("spare replica idle past the max poll interval, then the owner dies", "the spare takes over"),
            (
                "broker restart; broker down for long",
                "resumes, or the watchdog ends the process with a non-zero exit",
            ),
            ("consumer group offsets deleted or reset in Kafka", "Postgres wins"),
            ("retention passes the stored offset", "gap counted, policy applied, never silent"),
            ("topic made anew", "partition stops, and says so"),
            (
                "bad UTF-8, JSON, schema, oversize, null value, huge integer, NaN, deep nesting",
                "dead letter with its reason; neighbours applied",
            ),
            ("every record poison", "the limit stops the partition; resumed by command"),
            ("dead-letters topic or a derived topic unavailable", "consuming goes on; the outbox's age says so"),
            ("relay killed between send and mark", "at most a repetition with the same id; order per key kept"),
            ("two relays", "one active; the late one is fenced"),
            ("the same event at two offsets, on two partitions, from a replay", "applied once"),
            ("SIGTERM mid-batch; a second SIGTERM", "the batch commits; exit 0 within the grace time"),
            (
                "LLM timeout, 429, malformed or hostile output",
                "consumer not blocked; activity marked; retried later",
                "there are no agents yet, and nothing calls a model",
            ),
            ("redelivery twice, while live, interrupted", "same state; live positions untouched"),
            ("clock step; late and future timestamps", "timers monotonic; days by event time"),
            ("Postgres failover that loses its tail", "positions and effects rewind together, so it re-applies"),
            ("disk full in Postgres; connection limit reached", "waits, and says so; nothing lost"),
            (
                "two projection replicas on the same keys; one killed or frozen between read and write",
                "no older state over a newer one; no mark lost",
            ),
            ("a NOTIFY lost, the listener's connection cut", "the poll finds the marks; latency bounded"),
            (
                "each trap of concurrent transactions, by a scripted interleaving",
                "the right score, counter or outcome",
            ),
        ),
        1,
    )
)
