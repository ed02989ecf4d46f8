-- The runtime's own statements. The order of locks is the order of keys, everywhere.

-- name: add_positions
-- A partition that this consumer has never seen starts at the earliest offset that the broker still has.
INSERT INTO stream_offsets (service, topic, partition, next_offset)
SELECT $1, $2, partition, earliest
  FROM unnest($3::int[], $4::bigint[]) AS assigned (partition, earliest)
 ORDER BY partition
    ON CONFLICT DO NOTHING

-- name: fence
-- Lock the positions of a batch's partitions.
SELECT partition, next_offset, applied, duplicate, dead_lettered, refused_in_row, stopped_reason
  FROM stream_offsets
 WHERE service = $1 AND topic = $2 AND partition = ANY ($3::int[])
 ORDER BY partition
   FOR UPDATE

-- name: advance
-- Move past a batch; the counts are cumulative, and the truth behind the metrics.
UPDATE stream_offsets AS stored
   SET next_offset = settled.next_offset,
       applied = stored.applied + settled.applied,
       duplicate = stored.duplicate + settled.duplicate,
       dead_lettered = stored.dead_lettered + settled.dead_lettered,
       refused_in_row = settled.refused_in_row,
       stopped_reason = settled.stopped_reason,
       stopped_at = CASE WHEN settled.stopped_reason IS NOT NULL THEN now() END,
       updated_at = now()
  FROM unnest($3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::int[], $9::text[])
    AS settled (partition, next_offset, applied, duplicate, dead_lettered, refused_in_row, stopped_reason)
 WHERE stored.service = $1 AND stored.topic = $2 AND stored.partition = settled.partition
RETURNING stored.partition, stored.next_offset, stored.applied, stored.duplicate, stored.dead_lettered,
          stored.refused_in_row, stored.stopped_reason

-- name: stop_partition
-- Nothing of this partition is consumed until an operator resumes it.
UPDATE stream_offsets
   SET stopped_reason = $4, stopped_at = now(), updated_at = now()
 WHERE service = $1 AND topic = $2 AND partition = $3 AND stopped_reason IS NULL

-- name: skip_gap
-- Go on behind records that retention ate; never backwards.
UPDATE stream_offsets
   SET next_offset = $4, updated_at = now()
 WHERE service = $1 AND topic = $2 AND partition = $3 AND next_offset < $4

-- name: look_at_positions
-- The positions of these partitions, whoever is at work on them.
SELECT partition, next_offset, stopped_reason IS NOT NULL AS stopped
  FROM stream_offsets
 WHERE service = $1 AND topic = $2 AND partition = ANY ($3::int[])

-- name: lock_references
-- Which of these sponsors and events exist; they cannot be deleted before the batch commits.
SELECT kind, id::text
  FROM lock_references($1::uuid[], $2::uuid[])

-- name: make_room
-- What is too much to go along with a statement is copied here, to be read from there by several. A transaction may ship
-- more than once.
CREATE TEMPORARY TABLE IF NOT EXISTS :table (LIKE :shape) ON COMMIT DELETE ROWS;
DELETE FROM :table

-- name: claim_identities
-- Claim the identities that are new, in key order, so that two batches never wait for each other crosswise. Returns the
-- places of the records whose identities were taken (NULL where none was, and it was not worth a look which), and the
-- open letters of all, save those that say with what they conflict.
WITH claimed AS (
    INSERT INTO processed_events (identity, service, source, id, content_hash, partition, record_offset)
    SELECT identity, $1, source, id, content_hash, partition, record_offset
      FROM :batch_identity
     ORDER BY identity
        ON CONFLICT (identity) DO NOTHING
 RETURNING partition, record_offset),
taken AS (
    SELECT partition, record_offset FROM :batch_identity
    EXCEPT
    SELECT partition, record_offset FROM claimed),
letters AS (
    SELECT letter.id, letter.source, letter.event_identity
      FROM :batch_identity AS batch
      JOIN dead_letters AS letter ON letter.source = batch.source AND letter.event_identity = batch.id
     WHERE letter.status IN ('pending', 'requeued') AND letter.reason <> 'event_id_conflict')
SELECT CASE WHEN (SELECT count(*) FROM claimed) < (SELECT count(*) FROM :batch_identity)
            THEN ARRAY (SELECT (partition, record_offset) FROM taken) END AS taken,
       ARRAY (SELECT (id, source, event_identity) FROM letters) AS letters

-- name: applied_identities
-- What stands applied under the batch's identities.
SELECT batch.partition, batch.record_offset, applied.content_hash
  FROM :batch_identity AS batch
  JOIN processed_events AS applied USING (identity)

-- name: add_letter
-- One refused record, and its way to the dead-letters topic ($16). Reading a record again leaves its letter as it is,
-- and sends nothing.
WITH added AS (
    INSERT INTO dead_letters (service, topic, partition, record_offset, key, value, headers, appended_at,
                              reason, detail, source, event_identity, type, missing_id, status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        ON CONFLICT (topic, partition, record_offset, appended_at) DO NOTHING
 RETURNING id)
INSERT INTO outbox (aggregatetype, aggregateid, record_key, payload, headers)
SELECT $16, $17, $5, $6, $18 FROM added

-- name: resolve_letters
-- Close these letters: their identities are applied.
UPDATE dead_letters
   SET status = 'resolved', updated_at = now()
 WHERE id = ANY ($1::bigint[]) AND status IN ('pending', 'requeued')

-- name: take_up_letters
-- Send the records of letters whose missing sponsor or event has come again. No service reads what is in a letter.
SELECT take_up_letters($1, $2)

-- name: expire_letters
-- Remove those of the oldest letters ($2 of them at most) that are older than $1 days, whatever has become of them.
SELECT service, status FROM expire_letters($1, $2)

-- name: add_contributions
-- Add to the counts of lead signals, and to those of dashboards in the batch's own shard ($1), in key order; mark the
-- pairs and the dashboards, and what else is stale. The service's own partitions stand for :service.
WITH counters AS MATERIALIZED (
    SELECT event_id, metric, label, n, first_at
      FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[])
        AS moved (event_id, metric, label, n, first_at)),
marked AS (
    INSERT INTO stale_marks (projection, shard, kind, key, other)
    SELECT DISTINCT 'lead_scores', shard_of(sponsor_id), 'pair', sponsor_id, event_id FROM :batch_signal
     UNION ALL
    SELECT DISTINCT 'dashboards', shard_of(event_id), 'event', event_id, NULL::uuid FROM counters
     UNION ALL
    SELECT projection, shard_of(key), kind, key, other
      FROM unnest($7::text[], $8::text[], $9::uuid[], $10::uuid[]) AS stale (projection, kind, key, other)),
counted AS (
    INSERT INTO event_counters_:service AS stored (shard, event_id, metric, label, n, first_at)
    SELECT $1, event_id, metric, label, n, first_at
      FROM counters
     ORDER BY event_id, metric, label
        ON CONFLICT (event_id, metric, label, shard, service)
        DO UPDATE SET n = stored.n + excluded.n, first_at = LEAST(stored.first_at, excluded.first_at))
INSERT INTO lead_signals_:service AS stored (sponsor_id, event_id, signal, day, n)
SELECT sponsor_id, event_id, signal, day, n
  FROM :batch_signal
 ORDER BY sponsor_id, event_id, signal, day
    ON CONFLICT (sponsor_id, event_id, signal, day, service) DO UPDATE SET n = stored.n + excluded.n

-- name: notify
-- Wake whoever listens on these channels.
SELECT pg_notify(channel, '') FROM unnest($1::text[]) AS channel

-- name: stale_shards
-- The shards of a projection that have something to do, and how many marks each has, counted up to $2: a probe of the
-- index per shard.
SELECT shard, waiting.marks
  FROM generate_series(0, 15) AS shards (shard),
       LATERAL (SELECT count(*)::integer AS marks
                  FROM (SELECT FROM stale_marks
                         WHERE projection = $1 AND stale_marks.shard = shards.shard
                         LIMIT $2) AS counted) AS waiting
 WHERE waiting.marks > 0
    OR EXISTS (SELECT FROM parked_keys
                WHERE projection = $1 AND parked_keys.shard = shards.shard AND retry_at <= now())

-- name: own_shards
-- Own these shards until the transaction ends, those that no other replica owns.
SELECT shard
  FROM unnest($2::int[]) AS wanted (shard)
 WHERE pg_try_advisory_xact_lock(hashtext('projection ' || $1::text), shard)

-- name: take_marks
-- All live marks of these shards, many on one key being one to compute, but for those $5 ids behind the oldest: a
-- backlog of any size is taken within the time of a statement. Then some of the day's turn, $4 at most beside live
-- ones and $3 without; and keys that are parked, once their time has come. A mark on one that is parked for longer is
-- dropped: the key will be computed when its time comes. The limit holds only because the choice is materialized.
WITH live AS (
    DELETE FROM stale_marks
     WHERE projection = $1 AND shard = ANY ($2::int[]) AND priority = 0
       AND id < $5::bigint + (
           SELECT min(oldest.id)
             FROM unnest($2::int[]) AS own (shard),
                  LATERAL (SELECT id
                             FROM stale_marks
                            WHERE projection = $1 AND stale_marks.shard = own.shard AND priority = 0
                            ORDER BY id
                            LIMIT 1) AS oldest)
 RETURNING kind, key, other, marked_at),
chosen AS MATERIALIZED (
    SELECT shard, id
      FROM stale_marks
     WHERE projection = $1 AND shard = ANY ($2::int[]) AND priority = 1
     ORDER BY id
     LIMIT (SELECT CASE WHEN EXISTS (SELECT FROM live) THEN $4::bigint ELSE $3::bigint END)),
background AS (
    DELETE FROM stale_marks
     USING chosen
     WHERE projection = $1 AND stale_marks.shard = chosen.shard AND priority = 1 AND stale_marks.id = chosen.id
 RETURNING kind, key, other),
found AS (
    SELECT kind, key, other, marked_at, NULL::boolean AS due FROM live
     UNION ALL
    SELECT kind, key, other, NULL, NULL FROM background
     UNION ALL
    SELECT kind, key, other, NULL, retry_at <= now()
      FROM parked_keys
     WHERE projection = $1 AND shard = ANY ($2::int[]))
SELECT kind, key::text, other::text, extract(epoch FROM min(marked_at))::float8 AS oldest,
       bool_or(due) IS TRUE AS retried
  FROM found
 GROUP BY kind, key, other
HAVING bool_or(due) IS NOT FALSE
 ORDER BY kind, key, other

-- name: park_key
-- Put a key that fails aside; each further failure doubles the wait, up to an hour.
INSERT INTO parked_keys AS parked (projection, shard, kind, key, other, attempts, error, retry_at, parked_at)
VALUES ($1, shard_of($3), $2, $3, $4, 1, $5, now() + interval '10 seconds', now())
    ON CONFLICT (projection, kind, key, other) DO UPDATE
       SET attempts = parked.attempts + 1,
           error = excluded.error,
           retry_at = now() + LEAST(interval '1 hour', interval '10 seconds' * 2 ^ LEAST(parked.attempts, 10))

-- name: unpark_keys
-- These keys have been computed.
DELETE FROM parked_keys AS parked
 USING unnest($2::text[], $3::uuid[], $4::uuid[]) AS done (kind, key, other)
 WHERE parked.projection = $1
   AND parked.kind = done.kind AND parked.key = done.key AND parked.other IS NOT DISTINCT FROM done.other

-- name: projection_backlog
-- How much waits, for how long (seconds), and what is parked.
SELECT count(*) AS pending,
       COALESCE(extract(epoch FROM now() - min(marked_at) FILTER (WHERE priority = 0)), 0)::float8 AS oldest_age,
       (SELECT count(*) FROM parked_keys WHERE projection = $1) AS parked
  FROM stale_marks
 WHERE projection = $1

-- name: count_pending_letters
-- Letters of a service that nobody has dealt with.
SELECT count(*) FROM dead_letters WHERE service = $1 AND status = 'pending'

-- name: own_role
-- Who this session is, and whether row security hides anything from it.
SELECT rolname AS name, rolbypassrls OR rolsuper AS sees_all_rows
  FROM pg_roles
 WHERE rolname = current_user

-- name: ping
-- Does the database answer?
SELECT 1
