-- What the platform's clients may do: anon nothing, authenticated what an organiser does by hand, service_role what
-- upstream systems do. Services' own rights are in 0009. tests/integration/test_grants.py holds all of it as a matrix.
-- Rights say which columns, policies (0013) which rows; a client needs both.
-- depends: 0013.row-security

-- Platforms grant everything on every new table to all three roles (Supabase by ALTER DEFAULT PRIVILEGES), and row
-- security does not reach TRUNCATE, REFERENCES and TRIGGER. So from nothing:
DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT c.oid::regclass FROM pg_class c
        WHERE c.oid = ANY (ARRAY[
            'public.sponsors', 'public.sponsor_activities', 'public.sponsor_proposals', 'public.sponsor_lead_scores',
            'public.follow_up_sequences', 'public.sponsorships', 'public.sponsor_deliverables',
            'public.sponsor_embeddings',
            'public.automation_workflows', 'public.workflow_execution_logs', 'public.automation_triggers',
            'public.agent_sales_activities', 'public.agent_marketing_activities', 'public.agent_operations_activities',
            'public.agent_support_activities', 'public.agent_analytics_activities', 'public.agent_memory',
            'public.marketing_campaigns', 'public.email_templates', 'public.whatsapp_campaigns',
            'public.event_dashboards', 'public.dashboard_metrics_snapshots'
        ]::regclass[])
        OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'public.agent_sales_activities'::regclass)
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM public, anon, authenticated, service_role', relation);
    END LOOP;
END
$$;

-- Months made from now on as well. Their rows are reached through the parent, whose rights and policies count.
CREATE OR REPLACE FUNCTION streams.ensure_sales_activity_months("from" date, "to" date) RETURNS integer
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
        EXECUTE format('REVOKE ALL ON public.%I FROM public, anon, authenticated, service_role', name);
        EXECUTE format(
            'ALTER TABLE public.agent_sales_activities ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            name, month::text || ' 00:00+00', (month + interval '1 month')::date::text || ' 00:00+00'
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- authenticated: organisers. They read whatever is about what is theirs.
GRANT SELECT ON
    public.sponsors, public.sponsor_activities, public.sponsor_proposals, public.sponsor_lead_scores,
    public.follow_up_sequences, public.sponsorships, public.sponsor_deliverables,
    public.automation_workflows, public.workflow_execution_logs, public.automation_triggers,
    public.agent_sales_activities, public.agent_marketing_activities, public.agent_operations_activities,
    public.agent_support_activities, public.agent_analytics_activities, public.agent_memory,
    public.marketing_campaigns, public.email_templates, public.whatsapp_campaigns,
    public.event_dashboards, public.dashboard_metrics_snapshots
    TO authenticated;

-- They write what they decide, column by column: no figure that is computed, and no id. Whoever could choose ids would
-- learn from a refusal which ones exist, and a row that takes the id that events have named before takes their counts.
GRANT INSERT (
        created_by, company_name, industry, website, logo_url, industries_of_interest, event_types,
        geographic_preferences, values, min_budget, max_budget, currency,
        primary_contact_name, primary_contact_email, primary_contact_phone
    ),
    UPDATE (
        company_name, industry, website, logo_url, industries_of_interest, event_types,
        geographic_preferences, values, min_budget, max_budget, currency,
        primary_contact_name, primary_contact_email, primary_contact_phone
    )
    ON public.sponsors TO authenticated;
GRANT INSERT (event_id, sponsor_id, package_level, proposed_amount, currency, content, status, sent_at),
    UPDATE (event_id, sponsor_id, package_level, proposed_amount, currency, content, status, sent_at)
    ON public.sponsor_proposals TO authenticated;
GRANT INSERT (sponsor_id, proposal_id, sequence_type, status, emails),
    UPDATE (sponsor_id, proposal_id, sequence_type, status, emails)
    ON public.follow_up_sequences TO authenticated;
GRANT UPDATE (status) ON public.sponsorships TO authenticated;

GRANT INSERT (
        event_id, created_by, name, workflow_type, definition, status, steps_total, max_retries, next_execution_at
    ),
    UPDATE (event_id, name, workflow_type, definition, status, steps_total, max_retries, next_execution_at)
    ON public.automation_workflows TO authenticated;
GRANT INSERT (workflow_id, trigger_type, trigger_config, status),
    UPDATE (workflow_id, trigger_type, trigger_config, status),
    DELETE
    ON public.automation_triggers TO authenticated;

GRANT INSERT (event_id, name, channels, content, status), UPDATE (event_id, name, channels, content, status)
    ON public.marketing_campaigns TO authenticated;
GRANT INSERT (campaign_id, event_id, template_type, subject, body, status),
    UPDATE (campaign_id, event_id, template_type, subject, body, status)
    ON public.email_templates TO authenticated;
GRANT INSERT (campaign_id, event_id, message_type, message, language, target_audience, status, scheduled_at),
    UPDATE (campaign_id, event_id, message_type, message, language, target_audience, status, scheduled_at)
    ON public.whatsapp_campaigns TO authenticated;

-- Of what services write: their word on it, beside it. And what agents remember of them may be made forgotten.
GRANT UPDATE (reviewed_at, review_note) ON
    public.sponsor_lead_scores, public.workflow_execution_logs,
    public.agent_sales_activities, public.agent_marketing_activities, public.agent_operations_activities,
    public.agent_support_activities, public.agent_analytics_activities
    TO authenticated;
GRANT DELETE ON public.agent_memory TO authenticated;

-- service_role: the platform's back end. It keeps what upstream owns, whole rows with ids of its own choosing, and
-- removes it; but what services compute of a row it does not change, and facts and views it only reads.
GRANT SELECT ON
    public.sponsors, public.sponsor_activities, public.sponsor_proposals, public.sponsor_lead_scores,
    public.follow_up_sequences, public.sponsorships, public.sponsor_deliverables, public.sponsor_embeddings,
    public.automation_workflows, public.workflow_execution_logs, public.automation_triggers,
    public.agent_sales_activities, public.agent_marketing_activities, public.agent_operations_activities,
    public.agent_support_activities, public.agent_analytics_activities, public.agent_memory,
    public.marketing_campaigns, public.email_templates, public.whatsapp_campaigns,
    public.event_dashboards, public.dashboard_metrics_snapshots
    TO service_role;
GRANT INSERT, DELETE ON
    public.sponsors, public.sponsor_proposals, public.follow_up_sequences, public.sponsorships,
    public.sponsor_deliverables, public.sponsor_embeddings, public.automation_workflows, public.automation_triggers,
    public.marketing_campaigns, public.email_templates, public.whatsapp_campaigns
    TO service_role;
GRANT UPDATE ON public.sponsorships, public.sponsor_deliverables, public.sponsor_embeddings, public.whatsapp_campaigns
    TO service_role;
GRANT UPDATE (
        created_by, company_name, industry, website, logo_url, industries_of_interest, event_types,
        geographic_preferences, values, min_budget, max_budget, currency,
        primary_contact_name, primary_contact_email, primary_contact_phone,
        total_sponsorships, average_roi, renewal_rate
    )
    ON public.sponsors TO service_role;
GRANT UPDATE (event_id, sponsor_id, package_level, proposed_amount, currency, content, status, sent_at)
    ON public.sponsor_proposals TO service_role;
GRANT UPDATE (sponsor_id, proposal_id, sequence_type, status, emails) ON public.follow_up_sequences TO service_role;
GRANT UPDATE (
        event_id, created_by, name, workflow_type, definition, status, steps_total, max_retries, next_execution_at
    )
    ON public.automation_workflows TO service_role;
GRANT UPDATE (workflow_id, trigger_type, trigger_config, status) ON public.automation_triggers TO service_role;
GRANT UPDATE (event_id, name, channels, content, status) ON public.marketing_campaigns TO service_role;
GRANT UPDATE (campaign_id, event_id, template_type, subject, body, status) ON public.email_templates TO service_role;
GRANT DELETE ON public.agent_memory TO service_role; -- for those who ask to be forgotten

-- Operators read these too. Who writes them comes with the services that do.
GRANT SELECT ON
    public.sponsor_deliverables, public.automation_workflows, public.workflow_execution_logs,
    public.automation_triggers, public.agent_marketing_activities, public.agent_operations_activities,
    public.agent_support_activities, public.agent_analytics_activities, public.agent_memory, public.whatsapp_campaigns
    TO eventos_operator;

-- What 0009 grants on `events` is its owner's to give: where that is another role, a GRANT without the right to pass it
-- on does nothing but warn. So it is looked at, and said with what to do: services stop at what they may not read.
DO $$
DECLARE
    owner name;
    readers text;
    referrers text;
BEGIN
    SELECT pg_get_userbyid(relowner) INTO owner FROM pg_class WHERE oid = 'public.events'::regclass;
    SELECT string_agg(name, ', ') INTO readers
    FROM unnest(ARRAY['eventos_lead_scoring', 'eventos_event_dashboards', 'eventos_operator']) AS service (name)
    WHERE NOT has_table_privilege(name, 'public.events', 'SELECT');
    SELECT string_agg(name, ', ') INTO referrers
    FROM unnest(ARRAY['eventos_sponsor_activity', 'eventos_email_engagement', 'eventos_ticket_sales']) AS service (name)
    WHERE NOT has_column_privilege(name, 'public.events', 'id', 'SELECT');
    IF readers IS NOT NULL THEN
        RAISE WARNING 'services may not read public.events, and will stop at it'
            USING HINT = format('Let %I: GRANT SELECT ON public.events TO %s', owner, readers);
    END IF;
    IF referrers IS NOT NULL THEN
        RAISE WARNING 'services may not look for ids in public.events, and will stop at it'
            USING HINT = format('Let %I: GRANT SELECT (id) ON public.events TO %s', owner, referrers);
    END IF;
END
$$;
