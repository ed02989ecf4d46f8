"""Wiring of lead_scoring: stale pairs, sponsors and events in; sponsor_lead_scores and topic lead-scores out.

A round of the view: hold the day → pass events on → read → compute → write what changed → tell what moved.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial

from tenacity import AsyncRetrying, retry_if_exception, wait_exponential_jitter

from services.lead_scoring import store
from services.lead_scoring.domain import Pair, all_counts, changed, do_not_email, engagement, lead, tombstone
from services.lead_scoring.fit import fit
from services.lead_scoring.rules import Rules, load_rules
from services.runtime.database import Connection, Fault, acquire, classify, transaction
from services.runtime.effects import Derived
from services.runtime.projection import AT_ONCE, Key
from services.runtime.service import Parts, Service, Tools, repeatedly
from services.runtime.settings import ConfigurationError
from services.runtime.wake import wake

SPONSORS_AT_ONCE, COUNTS_AT_ONCE = 200, 50_000
"""Sponsors whose counts are in memory at once, and about as many counts at most; the runtime hands over all that is
stale in a shard."""

DAY_CHECK_INTERVAL = 5.0
"""Seconds between looks at the clock."""

PERFORMANCE_AGE = timedelta(minutes=5)
"""Age at which the summary of sponsors' performance is refreshed, whatever the number of replicas."""
PERFORMANCE_CHECK_INTERVAL = 60.0
"""Seconds between looks at its age."""
PERFORMANCE_TIMEOUT = 600.0
"""Longest time that a refresh may take, in seconds; one that takes longer is tried again."""


class LeadScores:
    """The view `lead_scores`: a row for each pair with any count, and the engagement of each sponsor.

    Keys: `pair` (a sponsor, and an event or none), `sponsor` (all of its pairs), and `event` (all of its
    pairs, which lie in the shards of their sponsors, so they are marked there).
    """

    name = "lead_scores"
    pace = AT_ONCE

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._at_once = SPONSORS_AT_ONCE

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Score what is stale as of the day that is set. Raises LookupError when none ever was."""
        day = await store.hold_day(connection)
        if day is None:
            raise LookupError("control has no as_of: the day's turn comes before any projecting")
        if events := [key.key for key in keys if key.kind == "event"]:
            await store.mark_pairs(connection, events)
        whole = {key.key for key in keys if key.kind == "sponsor"}
        pairs: dict[str, set[Pair]] = {key.key: set() for key in keys if key.kind != "event"}
        for key in keys:
            if key.kind == "pair" and key.other is not None:
                pairs[key.key].add((key.key, key.other))
        sponsors = sorted(pairs)
        derived: list[Derived] = []
        while sponsors:
            some, sponsors = sponsors[: self._at_once], sponsors[self._at_once :]
            marked = {pair for sponsor in some for pair in pairs[sponsor]}
            counts = await store.read_counts(connection, some)
            derived += await self._score(connection, day, counts, marked, whole.intersection(some))
            self._at_once = sponsors_at_once(counts)
        return derived

    async def _score(
        self, connection: Connection, day: date, counts: store.Counts, marked: set[Pair], whole: set[str]
    ) -> list[Derived]:
        """Score the sponsors of `counts`: the pairs `marked`, and all pairs of those `whole`; tell what moved."""
        sponsors = [*counts]
        suitors = await store.read_sponsors(connection, sponsors)
        facts = await store.read_pairs(connection, marked, whole, self._rules.fit.similarity.max)

        gates = {sponsor: do_not_email(counts[sponsor]) for sponsor in sponsors}
        before = {pair: known.standing for pair, known in facts.items() if known.standing}
        after = {
            (s, e): lead(
                counts[s][e],
                fit(suitors[s], known.event, known.proposal, known.similarity, self._rules),
                gates[s],
                day,
                self._rules,
            )
            for (s, e), known in facts.items()
            if s in suitors and known.event and e in counts[s]
        }
        engaged = {s: engagement(all_counts(counts[s]), day, self._rules).points for s in sponsors}

        gone = sorted(before.keys() - after.keys())
        written = await store.insert_leads(connection, {p: found for p, found in after.items() if p not in before})
        written |= await store.update_leads(connection, {p: found for p, found in after.items() if p in before})
        await store.delete_leads(connection, gone)
        await store.update_engagement(connection, engaged)
        # A lead that was deleted since it was read has its tombstone, and nothing is told of it behind that.
        told = (changed(pair, before.get(pair), current) for pair, current in after.items() if pair in written)
        return [*filter(None, told), *map(tombstone, gone)]


def sponsors_at_once(counts: store.Counts) -> int:
    """How many sponsors to take next, by how many counts these had: one who has been busy for years has thousands."""
    found = sum(len(of_event) for of_sponsor in counts.values() for of_event in of_sponsor.values())
    return max(1, min(SPONSORS_AT_ONCE, COUNTS_AT_ONCE * len(counts) // max(1, found)))


async def take_turn(connection: Connection, day: date, rules: Rules, *, fixed: bool = False) -> bool:
    """Score by `rules` as of the end of the UTC day `day` from now on, and mark every sponsor with any count.

    Says whether either was new. The day never goes back, unless it is `fixed` by an operator, and the version of the
    rules not at all: raises ConfigurationError where leads are scored by a newer one. Any number of replicas may call
    it: one marks. Rounds that compute with the old day end before the marking looks at counts, and none begins until
    it has committed: a pair whose first count commits meanwhile is not marked here, and needs the new day.
    """
    standing = await store.read_turn(connection)
    if standing.version is not None and rules.version < standing.version:
        raise ConfigurationError(
            f"scoring rules: version {rules.version} is older than {standing.version}, by which leads are scored; "
            "give rules that are to replace those a higher version"
        )
    is_new_day = standing.day is None or day > standing.day or (fixed and day != standing.day)
    if not is_new_day and rules.version == standing.version:
        return False
    async with transaction(connection):
        moved = await store.move_day(connection, day, fixed=fixed)
        if not await store.adopt_rules(connection, rules.version) and not moved:
            return False
        await store.mark_sponsors(connection)
    return True


async def build(tools: Tools) -> Parts:
    """Load the rules, begin the day, and follow the days from then on."""
    rules = load_rules()

    async def turn() -> None:
        fixed = tools.settings.as_of
        async with acquire(tools.pool) as connection:
            day = fixed or await store.read_today(connection)
            if await take_turn(connection, day, rules, fixed=fixed is not None):
                await wake(connection, [LeadScores.name], outbox=False)

    patiently = AsyncRetrying(
        retry=retry_if_exception(lambda error: classify(error) is Fault.TRANSIENT),
        wait=wait_exponential_jitter(multiplier=0.05, max=5),
    )

    async def follow_days() -> None:
        while True:
            await asyncio.sleep(DAY_CHECK_INTERVAL)
            await patiently(turn)

    async def refresh_performance() -> None:
        async with acquire(tools.pool) as connection:
            await store.refresh_performance(connection, PERFORMANCE_AGE, PERFORMANCE_TIMEOUT)

    await patiently(turn)
    keep_performance = partial(repeatedly, refresh_performance, PERFORMANCE_CHECK_INTERVAL, tools)
    return Parts(views=[LeadScores(rules)], background=[follow_days, keep_performance])


SERVICE = Service("lead_scoring", build)
