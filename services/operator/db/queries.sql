-- Named queries of `eventos db`.

-- name: table_sizes
-- The $1 largest tables of ours, in bytes, each with its parts; rows as estimated by the last ANALYZE or vacuum.
SELECT whole.relnamespace::regnamespace::text AS schema, whole.relname::text AS table,
       coalesce(sum(part.reltuples) FILTER (WHERE part.reltuples > 0), 0)::bigint AS rows, count(*) AS parts,
       sum(pg_table_size(part.oid))::bigint AS table_bytes, sum(pg_indexes_size(part.oid))::bigint AS index_bytes,
       sum(pg_total_relation_size(part.oid))::bigint AS total_bytes
FROM pg_class AS part
JOIN pg_class AS whole ON whole.oid = coalesce(pg_partition_root(part.oid), part.oid)
WHERE part.relkind IN ('r', 'm') AND whole.relnamespace::regnamespace::text ~ '^(public|streams|streams_g\d+|eventos_archive)$'
GROUP BY whole.oid, whole.relnamespace, whole.relname
ORDER BY total_bytes DESC, schema, whole.relname
LIMIT $1

-- name: index_usage
-- The $1 most used indexes of ours, each with its parts, and what each is for.
SELECT whole.relnamespace::regnamespace::text AS schema,
       (SELECT known.indrelid::regclass::text FROM pg_index AS known WHERE known.indexrelid = whole.oid) AS table,
       whole.relname::text AS index, sum(part.idx_scan)::bigint AS scans, sum(part.idx_tup_read)::bigint AS entries_read,
       sum(part.idx_tup_fetch)::bigint AS rows_fetched, sum(pg_relation_size(part.indexrelid))::bigint AS bytes,
       obj_description(whole.oid, 'pg_class') AS serves
FROM pg_stat_user_indexes AS part
JOIN pg_class AS whole ON whole.oid = coalesce(pg_partition_root(part.indexrelid), part.indexrelid)
WHERE whole.relnamespace::regnamespace::text ~ '^(public|streams|streams_g\d+)$'
GROUP BY whole.oid, whole.relnamespace, whole.relname
ORDER BY scans DESC, schema, whole.relname
LIMIT $1

-- name: has_statements
-- Whether statements are timed here.
SELECT to_regclass('pg_stat_statements') IS NOT NULL

-- name: slow_queries
-- The $1 queries of this database that take longest on average, in milliseconds.
SELECT query, calls, mean_exec_time AS mean_ms, max_exec_time AS most_ms
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY mean_exec_time DESC
LIMIT $1

-- name: old_months
-- The months of agent_sales_activities with rows that end before $1, with what each holds.
SELECT to_char(month, 'YYYY-MM') AS month, count(*) AS rows, pg_total_relation_size(part) AS bytes
FROM (
    SELECT tableoid AS part, date_trunc('month', created_at, 'UTC') AS month
    FROM agent_sales_activities
    WHERE created_at >= '2020-01-01 00:00+00' AND created_at < date_trunc('month', $1::date)::date
) AS activity
GROUP BY part, month
ORDER BY month

-- name: detach_months
-- Detach the months that end before $1.
SELECT detach_sales_activity_months($1) AS name

-- name: make_scratch
-- Empty tables of the session's own with the columns, checks and indexes of those named: they hide them until the
-- transaction ends, and nothing that is done to them touches them.
DO $$
DECLARE
    original regclass;
BEGIN
    PERFORM set_config('temp_buffers', '128MB', true);
    FOREACH original IN ARRAY ARRAY[
        'sponsors', 'sponsor_embeddings', 'sponsor_proposals', 'sponsor_activities', 'sponsor_lead_scores',
        'automation_workflows', 'workflow_execution_logs', 'agent_sales_activities', 'agent_marketing_activities',
        'marketing_campaigns', 'event_dashboards', 'processed_events', 'email_events', 'email_messages'
    ]::regclass[] LOOP
        EXECUTE format(
            'CREATE TEMPORARY TABLE %I (LIKE %s INCLUDING ALL) ON COMMIT DROP',
            (SELECT relname FROM pg_class WHERE oid = original), original
        );
    END LOOP;
END
$$

-- name: embed_scratch
-- Give each sponsor of the scratch table without one an embedding; the model's numbers matter less than their count.
INSERT INTO pg_temp.sponsor_embeddings (sponsor_id, embedding, model, model_version)
SELECT sponsor.id, array_agg(random() - 0.5)::vector, 'text-embedding-3-small', '1'
FROM pg_temp.sponsors AS sponsor, generate_series(1, 1536), LATERAL (SELECT sponsor.id) AS each
WHERE NOT EXISTS (SELECT FROM pg_temp.sponsor_embeddings AS known WHERE known.sponsor_id = sponsor.id)
GROUP BY sponsor.id

-- name: scratch_sizes
-- What the scratch tables take, in bytes: with what is stored out of line, and their indexes.
SELECT relname::text AS name, pg_table_size(oid) AS table_bytes, pg_indexes_size(oid) AS index_bytes
FROM pg_class
WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'
