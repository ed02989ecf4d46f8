-- Named queries of lead_scoring; store.py has one function for each.

-- name: hold_day
-- Keep the day as it is until this transaction ends, and say which it is. A statement of its own: what is read after it
-- is settled.
SELECT hold_day();

-- name: read_turn
-- The UTC day at whose end scores stand, and the version of the rules that they follow.
SELECT (SELECT (value #>> '{}')::date FROM control WHERE name = 'as_of') AS day,
       (SELECT (value #>> '{}')::integer FROM control WHERE name = 'scoring_rules_version') AS version;

-- name: read_today
-- The UTC day that it is.
SELECT (now() AT TIME ZONE 'UTC')::date;

-- name: take_time
-- A refresh takes as long as it takes; nobody waits for it.
SET LOCAL statement_timeout TO 0;

-- name: refresh_performance
-- Refresh sponsor_performance_summary, unless it is younger than $1, or a replica is at it.
SELECT refresh_sponsor_performance($1::interval);

-- name: take_day
-- Wait until no transaction computes with the day any more; until this one ends, none begins to.
SELECT pg_advisory_xact_lock(hashtextextended('lead_scoring.as_of', 0));

-- name: move_day
-- Set the day to $1: forward only, unless it is fixed ($2). A row tells that it moved.
INSERT INTO control AS stored (name, value)
VALUES ('as_of', to_jsonb($1::date))
ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
WHERE (stored.value #>> '{}')::date < $1 OR ($2 AND stored.value <> excluded.value)
RETURNING name;

-- name: adopt_rules
-- Set the version of the rules to $1: forward only. A row tells that it moved.
INSERT INTO control AS stored (name, value)
VALUES ('scoring_rules_version', to_jsonb($1::integer))
ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
WHERE (stored.value #>> '{}')::integer < $1
RETURNING name;

-- name: mark_sponsors
-- Mark every sponsor with any count, in the background; also those at 0, for what takes away fades too.
INSERT INTO stale_marks (projection, shard, priority, kind, key)
SELECT 'lead_scores', shard_of(s.id), 1, 'sponsor', s.id
FROM sponsors s
WHERE EXISTS (SELECT FROM lead_signals g WHERE g.sponsor_id = s.id AND g.n > 0);

-- name: mark_pairs
-- Mark the pairs of the events $1, in the shards of their sponsors. Found by their counts: a pair whose first score is
-- being written at this moment, with what was true of the event before, has no row to be found by.
INSERT INTO stale_marks (projection, shard, kind, key, other)
SELECT DISTINCT 'lead_scores', shard_of(g.sponsor_id), 'pair', g.sponsor_id, g.event_id
FROM unnest($1::uuid[]) AS k (event_id)
JOIN lead_signals g USING (event_id)
WHERE g.n > 0;

-- name: read_counts
-- All counts of the sponsors $1.
SELECT g.sponsor_id::text, g.event_id::text, g.signal, g.day, g.n
FROM unnest($1::uuid[]) AS k (sponsor_id)
JOIN lead_signals g USING (sponsor_id)
WHERE g.n > 0;

-- name: read_sponsors
-- What fit reads of the sponsors $1 that exist.
SELECT s.id::text, s.industry, s.industries_of_interest, s.event_types, s.geographic_preferences,
       s.values, s.min_budget, s.max_budget, s.currency, s.total_sponsorships, s.renewal_rate, s.average_roi
FROM unnest($1::uuid[]) AS k (id)
JOIN sponsors s USING (id);

-- name: read_pairs
-- What fit reads of the pairs ($1 sponsors, $2 events, side by side), and of all pairs of the sponsors $3 with a count or
-- a row: the event, if it exists, the newest proposal, the cosine between the embeddings; and what the row says now.
WITH pairs AS (
    SELECT sponsor_id, event_id
    FROM unnest($1::uuid[], $2::uuid[]) AS k (sponsor_id, event_id)
    UNION
    SELECT sponsor_id, g.event_id
    FROM unnest($3::uuid[]) AS k (sponsor_id)
    JOIN lead_signals g USING (sponsor_id)
    WHERE g.event_id IS NOT NULL AND g.n > 0
    UNION
    SELECT sponsor_id, l.event_id
    FROM unnest($3::uuid[]) AS k (sponsor_id)
    JOIN sponsor_lead_scores l USING (sponsor_id)
)
SELECT pairs.sponsor_id::text, pairs.event_id::text, e.id IS NOT NULL AS event_exists, e.industry, e.event_type,
       e.location, e.values, p.id IS NOT NULL AS is_proposed, p.proposed_amount, p.currency,
       1 - (s.embedding <=> e.embedding) AS cosine, l.score, l.priority
FROM pairs
LEFT JOIN events e ON e.id = pairs.event_id
LEFT JOIN LATERAL (
    SELECT id, proposed_amount, currency
    FROM sponsor_proposals
    WHERE sponsor_id = pairs.sponsor_id AND event_id = pairs.event_id
    ORDER BY created_at DESC, id DESC
    LIMIT 1
) p ON true
LEFT JOIN sponsor_embeddings s ON s.sponsor_id = pairs.sponsor_id
LEFT JOIN sponsor_lead_scores l ON l.sponsor_id = pairs.sponsor_id AND l.event_id = pairs.event_id;

-- name: read_embeddings
-- Both embeddings of each of the pairs ($1 sponsors, $2 events, side by side), component by component.
SELECT k.sponsor_id::text, k.event_id::text, s.embedding::real[] AS sponsor, e.embedding::real[] AS event
FROM unnest($1::uuid[], $2::uuid[]) AS k (sponsor_id, event_id)
JOIN sponsor_embeddings s ON s.sponsor_id = k.sponsor_id
JOIN events e ON e.id = k.event_id AND e.embedding IS NOT NULL;

-- name: insert_leads
-- New leads, in the order of their keys. A sponsor or event that was deleted since it was read gets no row; one that
-- is there stays until the row is.
WITH present AS MATERIALIZED (
    SELECT kind, id
    FROM lock_references(
        ARRAY(SELECT sponsor_id FROM :batch_lead),
        ARRAY(SELECT event_id FROM :batch_lead)
    )
)
INSERT INTO sponsor_lead_scores (
    id, sponsor_id, event_id, score, priority, conversion_probability, recommended_actions, insights, scored_at
)
SELECT k.id, k.sponsor_id, k.event_id, k.score, k.priority, k.conversion_probability::numeric,
       k.recommended_actions::jsonb, k.insights::jsonb, now()
FROM :batch_lead k
WHERE ('sponsor', k.sponsor_id) IN (SELECT kind, id FROM present)
  AND ('event', k.event_id) IN (SELECT kind, id FROM present)
ORDER BY k.sponsor_id, k.event_id
RETURNING sponsor_id::text, event_id::text;

-- name: update_leads
-- Leads that have a row; one that says the same already is not written. Materialized, so that JSON is read once.
WITH k AS MATERIALIZED (
    SELECT sponsor_id, event_id, score, priority, conversion_probability::numeric, recommended_actions::jsonb,
           insights::jsonb
    FROM :batch_lead
)
UPDATE sponsor_lead_scores l
SET score = k.score,
    priority = k.priority,
    conversion_probability = k.conversion_probability,
    recommended_actions = k.recommended_actions,
    insights = k.insights,
    scored_at = now()
FROM k
WHERE l.sponsor_id = k.sponsor_id
  AND l.event_id = k.event_id
  AND (l.score, l.priority, l.conversion_probability, l.recommended_actions, l.insights)
      IS DISTINCT FROM
      (k.score, k.priority, k.conversion_probability, k.recommended_actions, k.insights)
RETURNING l.sponsor_id::text, l.event_id::text;

-- name: delete_leads
-- The pairs ($1 sponsors, $2 events, side by side) that nothing counts for any more.
DELETE FROM sponsor_lead_scores l
USING unnest($1::uuid[], $2::uuid[]) AS k (sponsor_id, event_id)
WHERE l.sponsor_id = k.sponsor_id AND l.event_id = k.event_id;

-- name: update_engagement
-- The engagement of sponsors ($1, and $2 side by side), where it differs. Locked in key order and no harder than
-- needed: intake locks these rows against deletion. Nobody waits here: a row that somebody else holds may be held for
-- long, so its sponsor is parked ($3 is why), to be scored again in a few seconds, as often as it takes.
WITH stale AS MATERIALIZED (
    SELECT s.id, k.points
    FROM unnest($1::uuid[], $2::int[]) AS k (id, points)
    JOIN sponsors s USING (id)
    WHERE s.engagement_score <> k.points
), locked AS MATERIALIZED (
    SELECT s.id, stale.points
    FROM stale
    JOIN sponsors s USING (id)
    WHERE s.engagement_score <> stale.points
    ORDER BY s.id
    FOR NO KEY UPDATE OF s SKIP LOCKED
), written AS (
    UPDATE sponsors s SET engagement_score = locked.points FROM locked WHERE s.id = locked.id
)
INSERT INTO parked_keys AS parked (projection, shard, kind, key, attempts, error, retry_at, parked_at)
SELECT 'lead_scores', shard_of(id), 'sponsor', id, 1, $3, now() + interval '5 seconds', now()
FROM stale
WHERE id NOT IN (SELECT id FROM locked)
ORDER BY id
ON CONFLICT (projection, kind, key, other) DO UPDATE SET retry_at = excluded.retry_at;
