-- How each sponsor has done for its organiser.
-- Mended: the seed joins three 1:N tables and then sums, so that one contract of 10,000 with 3 proposals and 4 scores
-- reads 120,000; it has no unique index, without which it cannot be refreshed under its readers; and row security
-- does not reach materialized views, so that every organiser would see all. Here each table is aggregated before it
-- is joined, the materialized view is out of reach, and organisers read their own rows of it through a view.
-- depends: 0014.clients-grants

CREATE MATERIALIZED VIEW streams.sponsor_performance_summary AS
WITH proposals AS (
    SELECT p.sponsor_id, count(*) AS total
    FROM public.sponsor_proposals p
    JOIN public.sponsors s ON s.id = p.sponsor_id
    JOIN public.events e ON e.id = p.event_id
    -- What others made of the same sponsor at their events is theirs to know.
    WHERE (e.organizer_id = s.created_by) IS NOT FALSE
    GROUP BY p.sponsor_id
), scores AS (
    SELECT l.sponsor_id, round(avg(l.score), 2) AS average
    FROM public.sponsor_lead_scores l
    JOIN public.sponsors s ON s.id = l.sponsor_id
    JOIN public.events e ON e.id = l.event_id
    WHERE (e.organizer_id = s.created_by) IS NOT FALSE
    GROUP BY l.sponsor_id
), contracts_by_currency AS (
    SELECT c.sponsor_id, c.currency, count(*) AS total, sum(c.amount) AS revenue
    FROM public.sponsorships c
    JOIN public.sponsors s ON s.id = c.sponsor_id
    JOIN public.events e ON e.id = c.event_id
    WHERE c.status <> 'cancelled' AND (e.organizer_id = s.created_by) IS NOT FALSE
    GROUP BY c.sponsor_id, c.currency
), contracts AS (
    SELECT sponsor_id, sum(total)::bigint AS total, jsonb_object_agg(currency, revenue::text) AS revenue
    FROM contracts_by_currency
    GROUP BY sponsor_id
)
SELECT
    s.id,
    s.created_by,
    s.company_name,
    coalesce(proposals.total, 0) AS total_proposals,
    coalesce(contracts.total, 0) AS total_sponsorships,
    scores.average AS avg_lead_score,
    s.currency,
    coalesce((contracts.revenue ->> s.currency)::numeric, 0) AS total_revenue, -- currencies do not add up
    coalesce(contracts.revenue, '{}') AS revenue_by_currency
FROM public.sponsors s
LEFT JOIN proposals ON proposals.sponsor_id = s.id
LEFT JOIN scores ON scores.sponsor_id = s.id
LEFT JOIN contracts ON contracts.sponsor_id = s.id;
COMMENT ON MATERIALIZED VIEW streams.sponsor_performance_summary IS
    'How each sponsor has done at its organiser''s events, but for cancelled contracts; refreshed by lead_scoring.';

-- Nobody waits for these two: what they are made on is new.
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX sponsor_performance_summary_key ON streams.sponsor_performance_summary (id);
COMMENT ON INDEX streams.sponsor_performance_summary_key IS 'A sponsor''s row; what REFRESH CONCURRENTLY compares by.';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX sponsor_performance_summary_owner ON streams.sponsor_performance_summary (created_by);
COMMENT ON INDEX streams.sponsor_performance_summary_owner IS 'An organiser''s own rows, which the public view asks for.';

-- security_barrier: no function in an organiser's query sees a row before the owner's condition has let it pass.
CREATE VIEW public.sponsor_performance_summary WITH (security_barrier = true) AS
SELECT
    id, company_name, total_proposals, total_sponsorships, avg_lead_score, currency, total_revenue, revenue_by_currency
FROM streams.sponsor_performance_summary
WHERE created_by = (SELECT auth.uid());
COMMENT ON VIEW public.sponsor_performance_summary IS
    'How an organiser''s own sponsors have done: total_revenue in the sponsor''s currency, revenue_by_currency in all.';
REVOKE ALL ON public.sponsor_performance_summary FROM public, anon, authenticated, service_role; -- platforms grant to all
GRANT SELECT ON public.sponsor_performance_summary TO authenticated;
GRANT SELECT ON streams.sponsor_performance_summary TO eventos_operator;

-- Refreshing asks for ownership, which no service shall have: this function lends just that, and only to one at once.
CREATE FUNCTION streams.refresh_sponsor_performance(unless_younger interval) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('sponsor_performance_summary', 0)) OR EXISTS (
        SELECT FROM streams.control
        WHERE name = 'sponsor_performance_refreshed' AND updated_at > now() - unless_younger
    ) THEN
        RETURN false;
    END IF;
    REFRESH MATERIALIZED VIEW CONCURRENTLY streams.sponsor_performance_summary;
    INSERT INTO streams.control (name, value) VALUES ('sponsor_performance_refreshed', 'true')
    ON CONFLICT (name) DO UPDATE SET updated_at = now();
    RETURN true;
END
$$;
COMMENT ON FUNCTION streams.refresh_sponsor_performance(interval) IS
    'Refreshes the performance summary under its readers, unless that is younger or somebody is at it; says whether.';
REVOKE EXECUTE ON FUNCTION streams.refresh_sponsor_performance(interval) FROM public;
GRANT EXECUTE ON FUNCTION streams.refresh_sponsor_performance(interval) TO eventos_lead_scoring;

COMMENT ON TABLE streams.control IS
    'One row each: installation_id (ids of derived events are made from it), generation, as_of (set by lead_scoring), sponsor_performance_refreshed (when, in updated_at).';
