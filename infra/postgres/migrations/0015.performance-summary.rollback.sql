-- squawk-ignore-file ban-drop-function, ban-drop-view
DROP FUNCTION streams.refresh_sponsor_performance(interval);
DROP VIEW public.sponsor_performance_summary;
DROP MATERIALIZED VIEW streams.sponsor_performance_summary;
DELETE FROM streams.control WHERE name = 'sponsor_performance_refreshed';
COMMENT ON TABLE streams.control IS
    'One row each: installation_id (ids of derived events are made from it), generation, as_of (set by lead_scoring).';
