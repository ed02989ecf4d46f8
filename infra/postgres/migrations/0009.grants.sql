-- Who may do what: each service writes its own tables and reads what it needs of the others'.
-- tests/integration/test_grants.py holds the same as a matrix.
-- depends: 0008.stale-marks-by-trigger

-- Whoever refers to sponsors and events must know that they exist, and that they stay until it commits. SELECT …
-- FOR KEY SHARE asks for a right to UPDATE, which no service shall have on these rows for that: this function lends
-- just the lock. It bars deletion only: updates of the rows, and others who refer to them, go on. Locked in order
-- of id, as whoever deletes several should.
CREATE FUNCTION streams.lock_references(sponsors uuid[], events uuid[])
    RETURNS TABLE (kind text, id uuid)
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        WITH known_sponsors AS MATERIALIZED (
            SELECT s.id FROM public.sponsors s WHERE s.id = ANY (sponsors) ORDER BY s.id FOR KEY SHARE
        ), known_events AS MATERIALIZED (
            SELECT e.id FROM public.events e WHERE e.id = ANY (events) ORDER BY e.id FOR KEY SHARE
        )
        SELECT 'sponsor', k.id FROM known_sponsors k
        UNION ALL
        SELECT 'event', k.id FROM known_events k
    $$;
COMMENT ON FUNCTION streams.lock_references(uuid[], uuid[]) IS
    'Of the given ids those that have a row, as (''sponsor'' or ''event'', id); they stay until the transaction ends.';
REVOKE EXECUTE ON FUNCTION streams.lock_references(uuid[], uuid[]) FROM public;

-- What the runtime keeps for every intake service. The ledger is written once: no UPDATE.
GRANT SELECT ON streams.control, streams.dead_letters, streams_g1.stream_offsets, streams_g1.processed_events
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
GRANT INSERT ON streams.outbox, streams.dead_letters, streams_g1.stream_offsets, streams_g1.processed_events,
        streams_g1.stale_marks
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
GRANT UPDATE ON streams_g1.stream_offsets
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
GRANT UPDATE (status, attempts, updated_at) ON streams.dead_letters
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
GRANT SELECT (id) ON public.sponsors, public.events -- to see whether what a dead letter waits for has come
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
GRANT EXECUTE ON FUNCTION streams.lock_references(uuid[], uuid[])
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales, eventos_lead_scoring;
-- Of these each its own partition.
GRANT SELECT, INSERT, UPDATE ON streams_g1.lead_signals_sponsor_activity, streams_g1.event_counters_sponsor_activity
    TO eventos_sponsor_activity;
GRANT SELECT, INSERT, UPDATE ON streams_g1.lead_signals_email_engagement, streams_g1.event_counters_email_engagement
    TO eventos_email_engagement;
GRANT SELECT, INSERT, UPDATE ON streams_g1.lead_signals_ticket_sales, streams_g1.event_counters_ticket_sales
    TO eventos_ticket_sales;

-- What it keeps for every service with a projection, the small ones of two intake services included.
GRANT SELECT ON streams.control
    TO eventos_lead_scoring, eventos_event_dashboards;
GRANT INSERT ON streams.outbox
    TO eventos_lead_scoring, eventos_event_dashboards;
GRANT SELECT, INSERT, DELETE ON streams_g1.stale_marks
    TO eventos_lead_scoring, eventos_event_dashboards, eventos_email_engagement, eventos_sponsor_activity;
GRANT SELECT, INSERT, UPDATE, DELETE ON streams_g1.parked_keys
    TO eventos_lead_scoring, eventos_event_dashboards, eventos_email_engagement, eventos_sponsor_activity;

-- sponsor_activity
GRANT SELECT, INSERT ON public.sponsor_activities, public.sponsorships TO eventos_sponsor_activity;
GRANT SELECT, INSERT, UPDATE ON streams_g1.proposal_counters TO eventos_sponsor_activity;
GRANT SELECT, UPDATE (total_views) ON public.sponsor_proposals TO eventos_sponsor_activity;

-- email_engagement
GRANT SELECT, INSERT ON streams_g1.email_events TO eventos_email_engagement;
GRANT SELECT, INSERT, UPDATE ON streams_g1.email_messages, streams_g1.campaign_counters TO eventos_email_engagement;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.agent_sales_activities TO eventos_email_engagement;
GRANT SELECT, UPDATE (emails_sent) ON public.marketing_campaigns TO eventos_email_engagement;
GRANT SELECT, UPDATE (sent_count, opened_count) ON public.email_templates TO eventos_email_engagement;
GRANT SELECT, UPDATE (emails_sent, replies_received, status) ON public.follow_up_sequences
    TO eventos_email_engagement;
GRANT EXECUTE ON FUNCTION streams.ensure_sales_activity_months(date, date) TO eventos_email_engagement;

-- ticket_sales
GRANT SELECT, INSERT ON streams_g1.ticket_events, streams_g1.checked_in_tickets TO eventos_ticket_sales;
GRANT SELECT, INSERT, UPDATE ON streams_g1.ticket_orders TO eventos_ticket_sales;

-- lead_scoring: of sponsors all but whom to call.
GRANT SELECT, INSERT, UPDATE, DELETE ON public.sponsor_lead_scores TO eventos_lead_scoring;
GRANT SELECT (
    id, created_by, company_name, industry, industries_of_interest, event_types, geographic_preferences, values,
    min_budget, max_budget, currency, total_sponsorships, average_roi, renewal_rate, engagement_score, created_at
) ON public.sponsors TO eventos_lead_scoring;
GRANT UPDATE (engagement_score) ON public.sponsors TO eventos_lead_scoring;
GRANT INSERT, UPDATE ON streams.control TO eventos_lead_scoring; -- as_of, advanced in the transaction that marks
GRANT SELECT ON
    public.events, public.sponsor_embeddings, public.sponsor_proposals,
    streams_g1.lead_signals
    TO eventos_lead_scoring;

-- event_dashboards
GRANT SELECT, INSERT, UPDATE, DELETE ON public.event_dashboards TO eventos_event_dashboards;
GRANT SELECT, INSERT ON public.dashboard_metrics_snapshots, streams.dashboard_milestones TO eventos_event_dashboards;
GRANT SELECT ON
    public.events, streams_g1.event_counters, streams_g1.ticket_orders
    TO eventos_event_dashboards;

-- outbox_relay: takes rows out, in order; it needs to read nothing else.
GRANT SELECT, DELETE ON streams.outbox TO eventos_outbox_relay;
GRANT SELECT ON streams.control TO eventos_outbox_relay;

-- Operators read all of it, resume partitions, settle and requeue dead letters, ask for repairs by marks, and record
-- replays. They write no fact and no view.
GRANT SELECT ON ALL TABLES IN SCHEMA streams, streams_g1 TO eventos_operator;
GRANT SELECT ON
    public.events, public.sponsors, public.sponsor_embeddings, public.sponsor_activities, public.sponsor_proposals,
    public.sponsor_lead_scores, public.follow_up_sequences, public.sponsorships, public.agent_sales_activities,
    public.marketing_campaigns, public.email_templates, public.event_dashboards, public.dashboard_metrics_snapshots
    TO eventos_operator;
GRANT INSERT ON streams.outbox, streams_g1.stale_marks TO eventos_operator;
GRANT UPDATE ON streams.dead_letters, streams_g1.stream_offsets TO eventos_operator;
GRANT INSERT, UPDATE ON streams.replay_runs TO eventos_operator;
GRANT EXECUTE ON FUNCTION streams.ensure_sales_activity_months(date, date) TO eventos_operator;
