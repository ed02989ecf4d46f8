-- name: begin_run
-- A replay, told before it begins.
INSERT INTO replay_runs (id, kind, service, topic, parameters)
VALUES ($1, 'redeliver', $2, $3, $4)

-- name: end_run
-- What a replay came to.
UPDATE replay_runs
SET status = $2, digest_before = $3, digest_after = $4, counts = $5, finished_at = now()
WHERE id = $1

-- name: run_counts
-- The outcomes of a run, counted at its own positions.
SELECT coalesce(sum(applied), 0)::bigint AS applied, coalesce(sum(duplicate), 0)::bigint AS duplicate,
       coalesce(sum(dead_lettered), 0)::bigint AS dead_lettered
FROM stream_offsets
WHERE service = $1 AND topic = $2

-- name: live_positions
-- How far a live service is: whether it went on during a run.
SELECT topic, partition, next_offset
FROM stream_offsets
WHERE service = $1
ORDER BY topic, partition

-- name: digest_sponsor_activity
-- A digest of what sponsor_activity writes: rows per table, and a sum of their hashes that no order changes.
SELECT md5(string_agg(format('%s %s %s', name, n, hash), E'\n' ORDER BY name))
FROM (
    SELECT 'sponsor_activities' AS name, count(*) AS n, sum(hashtextextended(t::text, 0)::numeric) AS hash
    FROM sponsor_activities AS t
    UNION ALL
    SELECT 'sponsorships', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM sponsorships AS t
    UNION ALL
    SELECT 'proposal_counters', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM proposal_counters AS t
    UNION ALL
    SELECT 'lead_signals', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM lead_signals AS t WHERE service = 'sponsor_activity'
    UNION ALL
    SELECT 'event_counters', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM event_counters AS t WHERE service = 'sponsor_activity'
    UNION ALL
    SELECT 'processed_events', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM processed_events AS t WHERE service = 'sponsor_activity'
    UNION ALL
    SELECT 'dead_letters', count(*), sum(hashtextextended(format('%s %s %s', partition, record_offset, reason), 0)::numeric)
    FROM dead_letters WHERE service = 'sponsor_activity'
) AS digests

-- name: digest_email_engagement
-- A digest of what email_engagement writes, likewise.
SELECT md5(string_agg(format('%s %s %s', name, n, hash), E'\n' ORDER BY name))
FROM (
    SELECT 'email_events' AS name, count(*) AS n, sum(hashtextextended(t::text, 0)::numeric) AS hash
    FROM email_events AS t
    UNION ALL
    SELECT 'email_messages', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM email_messages AS t
    UNION ALL
    SELECT 'agent_sales_activities', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM agent_sales_activities AS t WHERE message_id IS NOT NULL
    UNION ALL
    SELECT 'campaign_counters', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM campaign_counters AS t
    UNION ALL
    SELECT 'lead_signals', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM lead_signals AS t WHERE service = 'email_engagement'
    UNION ALL
    SELECT 'event_counters', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM event_counters AS t WHERE service = 'email_engagement'
    UNION ALL
    SELECT 'processed_events', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM processed_events AS t WHERE service = 'email_engagement'
    UNION ALL
    SELECT 'dead_letters', count(*), sum(hashtextextended(format('%s %s %s', partition, record_offset, reason), 0)::numeric)
    FROM dead_letters WHERE service = 'email_engagement'
) AS digests

-- name: digest_ticket_sales
-- A digest of what ticket_sales writes, likewise.
SELECT md5(string_agg(format('%s %s %s', name, n, hash), E'\n' ORDER BY name))
FROM (
    SELECT 'ticket_events' AS name, count(*) AS n, sum(hashtextextended(t::text, 0)::numeric) AS hash
    FROM ticket_events AS t
    UNION ALL
    SELECT 'ticket_orders', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM ticket_orders AS t
    UNION ALL
    SELECT 'checked_in_tickets', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM checked_in_tickets AS t
    UNION ALL
    SELECT 'lead_signals', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM lead_signals AS t WHERE service = 'ticket_sales'
    UNION ALL
    SELECT 'event_counters', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM event_counters AS t WHERE service = 'ticket_sales'
    UNION ALL
    SELECT 'processed_events', count(*), sum(hashtextextended(t::text, 0)::numeric)
    FROM processed_events AS t WHERE service = 'ticket_sales'
    UNION ALL
    SELECT 'dead_letters', count(*), sum(hashtextextended(format('%s %s %s', partition, record_offset, reason), 0)::numeric)
    FROM dead_letters WHERE service = 'ticket_sales'
) AS digests
