-- Phase 2 of the seed: what agents did. Other agents' tables and the workflows come beside this one.
-- depends: 0003.phase-1-sponsors

-- Mended: partitioned by month as the seed wants it, for which the primary key must hold created_at. So created_at is
-- the event's own time, and an id whose time moves is deleted and inserted under its message's lock.
CREATE TABLE public.agent_sales_activities (
    id uuid NOT NULL DEFAULT gen_random_uuid(),

    agent_id text DEFAULT 'sales_agent',
    agent_version text,

    activity_type text NOT NULL CHECK (activity_type IN (
        'prospect_search', 'lead_qualification', 'proposal_generation',
        'email_sent', 'follow_up_sent', 'meeting_scheduled',
        'crm_update', 'linkedin_search', 'engagement_analysis'
    )),

    -- As in sponsor_activities: without its sponsor or event a rebuild would not make the row. A proposal is only
    -- mentioned.
    event_id uuid REFERENCES public.events (id) ON DELETE CASCADE,
    sponsor_id uuid REFERENCES public.sponsors (id) ON DELETE CASCADE,
    proposal_id uuid REFERENCES public.sponsor_proposals (id) ON DELETE SET NULL,
    message_id text COLLATE "C", -- the e-mail that the row is about, where it is about one

    input_data jsonb,
    output_data jsonb,
    reasoning text,

    status text DEFAULT 'success' CHECK (status IN (
        'success', 'failed', 'pending', 'escalated'
    )),
    error_message text,

    autonomous boolean DEFAULT true,
    required_human_review boolean DEFAULT false,
    escalation_reason text,

    duration_ms integer,
    llm_tokens_used integer,

    created_at timestamptz NOT NULL, -- no default: when it happened, never now(), or a replay doubles rows
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE public.agent_sales_activities IS
    'What the sales agent and the e-mails sent for it did; e-mails are written by email_engagement.';

CREATE INDEX idx_sales_activities_event ON public.agent_sales_activities (event_id, created_at DESC);
COMMENT ON INDEX public.idx_sales_activities_event IS 'The latest activities for an event; the foreign key.';
CREATE INDEX idx_sales_activities_sponsor ON public.agent_sales_activities (sponsor_id, created_at DESC);
COMMENT ON INDEX public.idx_sales_activities_sponsor IS 'The latest activities towards a sponsor; the foreign key.';
CREATE INDEX idx_sales_activities_type ON public.agent_sales_activities (activity_type);
COMMENT ON INDEX public.idx_sales_activities_type IS 'Activities of a kind.';
CREATE INDEX idx_sales_activities_escalated ON public.agent_sales_activities (required_human_review)
    WHERE required_human_review = true;
COMMENT ON INDEX public.idx_sales_activities_escalated IS 'What waits for a person.';
CREATE INDEX idx_sales_activities_proposal ON public.agent_sales_activities (proposal_id)
    WHERE proposal_id IS NOT NULL;
COMMENT ON INDEX public.idx_sales_activities_proposal IS 'The foreign key; costs e-mails nothing, they name no proposal.';

-- Makes the months from the first day's to the last day's that are missing. Made by LIKE and ATTACH, which lets reads
-- and writes of the parent go on, where PARTITION OF would wait for all of them and hold up the rest.
-- Its rows are reached through the parent, whose rights count; direct access meets row security without a policy.
CREATE FUNCTION streams.ensure_sales_activity_months("from" date, "to" date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    month date;
    name text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('agent_sales_activities months', 0));
    FOR month IN
        SELECT m::date
        FROM generate_series(greatest(date_trunc('month', "from"::timestamp), '2020-01-01'), "to", '1 month') AS m
    LOOP
        name := 'agent_sales_activities_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        EXECUTE format('CREATE TABLE public.%I (LIKE public.agent_sales_activities INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'ALTER TABLE public.agent_sales_activities ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            name, month::text || ' 00:00+00', (month + interval '1 month')::date::text || ' 00:00+00'
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION streams.ensure_sales_activity_months(date, date) IS
    'Makes the missing monthly partitions of agent_sales_activities (UTC months); returns how many it made.';
REVOKE EXECUTE ON FUNCTION streams.ensure_sales_activity_months(date, date) FROM public;

-- For all that is older than any month made: an event's time may be any, and a row must land somewhere.
CREATE TABLE public.agent_sales_activities_before_2020 PARTITION OF public.agent_sales_activities
    FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00+00');
ALTER TABLE public.agent_sales_activities_before_2020 ENABLE ROW LEVEL SECURITY;

-- Two years back and a quarter ahead to start with; email_engagement makes more as events ask for them.
DO $$
BEGIN
    PERFORM streams.ensure_sales_activity_months(
        (current_date - interval '24 months')::date, (current_date + interval '3 months')::date
    );
END
$$;
