-- Named queries of event_dashboards; store.py has one function for each.

-- name: lock_dashboards
-- The rows that exist for the events $1, locked in key order: the snapshot timer writes to these rows too.
SELECT event_id::text, organizer_id::text, metrics, funnel_metrics, marketing_metrics, engagement_metrics,
       total_views, total_tickets_sold, total_revenue::text, conversion_rate::text, first_view_at, first_sale_at
FROM event_dashboards
WHERE event_id = ANY ($1::uuid[])
ORDER BY event_dashboards.event_id
FOR NO KEY UPDATE;

-- name: read_facts
-- What is known of the events $1, all in one snapshot: counters summed over their shards, those at 0 left out, and
-- the first sale among orders that count now. An id without an event row gives no row.
SELECT e.id::text AS event_id, e.organizer_id::text, e.currency, e.capacity,
       c.metrics, c.labels, c.counts, c.first_view_at,
       (SELECT min(o.completed_at) FROM ticket_orders o WHERE o.event_id = e.id AND o.net_quantity > 0)
           AS first_sale_at
FROM events e
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(s.metric), '{}') AS metrics,
           coalesce(array_agg(s.label), '{}') AS labels,
           coalesce(array_agg(s.n), '{}') AS counts,
           min(s.first_at) FILTER (WHERE s.metric = 'views') AS first_view_at
    FROM (
        SELECT metric, label, sum(n)::bigint AS n, min(first_at) AS first_at
        FROM event_counters
        WHERE event_id = e.id
        GROUP BY metric, label
        HAVING sum(n) <> 0
    ) s
) c
WHERE e.id = ANY ($1::uuid[])
ORDER BY e.id;

-- name: write_dashboards
-- Insert or overwrite the rows $1 (a JSON array of them), written at $2. last_updated_at never goes back, though
-- clocks of replicas differ: it says which snapshots the row still owes.
INSERT INTO event_dashboards AS d (
    id, event_id, organizer_id, metrics, funnel_metrics, marketing_metrics, engagement_metrics, total_views,
    total_tickets_sold, total_revenue, conversion_rate, first_view_at, first_sale_at,
    last_updated_at, created_at, updated_at
)
SELECT r.id, r.event_id, r.organizer_id, r.metrics, r.funnel_metrics, r.marketing_metrics, r.engagement_metrics,
       r.total_views, r.total_tickets_sold, r.total_revenue, r.conversion_rate, r.first_view_at, r.first_sale_at,
       $2, $2, $2
FROM jsonb_to_recordset($1::jsonb) AS r (
    id uuid, event_id uuid, organizer_id uuid, metrics jsonb, funnel_metrics jsonb, marketing_metrics jsonb,
    engagement_metrics jsonb, total_views integer, total_tickets_sold integer, total_revenue numeric,
    conversion_rate numeric, first_view_at timestamptz, first_sale_at timestamptz
)
ORDER BY r.event_id
ON CONFLICT (event_id) DO UPDATE SET
    organizer_id = excluded.organizer_id,
    metrics = excluded.metrics,
    funnel_metrics = excluded.funnel_metrics,
    marketing_metrics = excluded.marketing_metrics,
    engagement_metrics = excluded.engagement_metrics,
    total_views = excluded.total_views,
    total_tickets_sold = excluded.total_tickets_sold,
    total_revenue = excluded.total_revenue,
    conversion_rate = excluded.conversion_rate,
    first_view_at = excluded.first_view_at,
    first_sale_at = excluded.first_sale_at,
    last_updated_at = greatest(d.last_updated_at, excluded.last_updated_at),
    updated_at = excluded.updated_at;

-- name: remove_dashboards
-- Remove the rows of the events $1, to which no fact belongs any more.
DELETE FROM event_dashboards WHERE event_id = ANY ($1::uuid[]);

-- name: claim_milestones
-- Claim the milestones ($1 events, $2 names, side by side) that were never told before, and return those.
INSERT INTO dashboard_milestones (event_id, milestone, reached_at)
SELECT m.event_id, m.milestone, $3
FROM unnest($1::uuid[], $2::text[]) AS m (event_id, milestone)
ORDER BY m.event_id, m.milestone
ON CONFLICT DO NOTHING
RETURNING event_id::text, milestone;

-- name: find_owing
-- At most $2 events, after the event $3, whose dashboard last changed in an hour or day that is over at $1 and has
-- no snapshot yet.
SELECT d.event_id::text
FROM event_dashboards d
WHERE d.event_id > $3
  AND EXISTS (
    SELECT FROM (VALUES ('hourly', 'hour'), ('daily', 'day')) AS t (snapshot_type, unit)
    WHERE date_trunc(t.unit, d.last_updated_at, 'UTC') < date_trunc(t.unit, $1::timestamptz, 'UTC')
      AND NOT EXISTS (
        SELECT FROM dashboard_metrics_snapshots s
        WHERE s.event_id = d.event_id
          AND s.snapshot_type = t.snapshot_type
          AND s.bucket = date_trunc(t.unit, d.last_updated_at, 'UTC')
      )
  )
ORDER BY d.event_id
LIMIT $2;

-- name: keep_snapshots
-- For each of the events $1: when the hour or the day of its last change is over at $2, keep its figures as they
-- stand, unless that was done before. The row itself keeps the latest $3 of them, newest first.
WITH standing AS MATERIALIZED (
    SELECT id, event_id, last_updated_at,
           jsonb_build_object(
               'metrics', metrics,
               'funnel_metrics', funnel_metrics,
               'marketing_metrics', marketing_metrics,
               'engagement_metrics', engagement_metrics,
               'total_views', total_views,
               'total_tickets_sold', total_tickets_sold,
               'total_revenue', total_revenue::text,
               'conversion_rate', conversion_rate::text
           ) AS figures
    FROM event_dashboards
    WHERE event_id = ANY ($1::uuid[])
    ORDER BY event_id
    FOR NO KEY UPDATE
), kept AS (
    INSERT INTO dashboard_metrics_snapshots (
        event_id, dashboard_id, snapshot_type, bucket, metrics_snapshot, snapshot_at
    )
    SELECT s.event_id, s.id, t.snapshot_type, date_trunc(t.unit, s.last_updated_at, 'UTC'), s.figures, $2
    FROM standing s
    CROSS JOIN (VALUES ('hourly', 'hour'), ('daily', 'day')) AS t (snapshot_type, unit)
    WHERE date_trunc(t.unit, s.last_updated_at, 'UTC') < date_trunc(t.unit, $2::timestamptz, 'UTC')
    ORDER BY s.event_id, t.snapshot_type
    ON CONFLICT (event_id, snapshot_type, bucket) DO NOTHING
    RETURNING event_id, snapshot_type, bucket, metrics_snapshot
), newest AS (
    SELECT event_id,
           jsonb_agg(
               metrics_snapshot || jsonb_build_object('snapshot_type', snapshot_type, 'bucket', bucket)
               ORDER BY bucket DESC, snapshot_type DESC
           ) AS entries
    FROM kept
    GROUP BY event_id
)
UPDATE event_dashboards d
SET snapshots = jsonb_path_query_array(
        newest.entries || d.snapshots, '$[0 to $last]', jsonb_build_object('last', $3::integer - 1)
    )
FROM newest
WHERE d.event_id = newest.event_id;
