-- The relay's statements. One relay is active: it holds the lock for as long as its connection lives.

-- name: take_over
-- Become the active relay, unless another is. The lock belongs to the session, not to a transaction.
SELECT pg_try_advisory_lock(hashtext('eventos outbox relay'))

-- name: give_up_when_silent
-- A relay that is frozen must not hold the lock for ever: its session ends when nothing has come for this long.
SELECT set_config('idle_session_timeout', $1, false)

-- name: installation
-- The identity of this installation: the namespace of the ids of its derived events.
SELECT value #>> '{}' FROM control WHERE name = 'installation_id'

-- name: next_rows
-- The oldest rows, in the order of their ids: per key, that is the order in which they were committed.
-- Topics that cannot be written to right now are left out, so that they are in nobody's way.
SELECT id, aggregatetype, aggregateid, type, source, record_key, payload, headers, traceparent, created_at
  FROM outbox
 WHERE aggregatetype <> ALL ($2::text[])
 ORDER BY id
 LIMIT $1

-- name: delete_sent
-- These rows are in Kafka.
DELETE FROM outbox WHERE id = ANY ($1::bigint[])

-- name: backlog
-- How many rows wait, and for how long the oldest has (seconds).
SELECT count(*) AS pending, COALESCE(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_age FROM outbox
