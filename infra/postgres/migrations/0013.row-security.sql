-- Row level security: an organiser, who comes as `authenticated` with the claims of a token, meets only what is theirs.
-- 51 policies on the 21 tables, as the seed distributes them. Mended in each:
--   a verb of its own, where FOR ALL hides what is meant;
--   WITH CHECK wherever rows are written, without which a row can be moved to somebody else's event;
--   whose an event is asked of a function with its owner's rights, once per statement: a policy that selects from
--     `events` itself depends on what rights and policies the asking role has there.
-- How they are written matters for speed. `event_id = ANY ((SELECT streams.own_events())::uuid[])` is computed once and
-- then looked up in the index on event_id; EXISTS, and IN (SELECT …), are tried on every row of the table. Every column
-- that a policy asks for has an index that starts with it (tests/integration/test_row_security_plans.py).
-- Row security lets a query's own conditions near the rows, and so near an index, only if they cannot tell what they
-- saw: = and < on ids, texts, times and whole numbers can be used; @> on JSONB, && on arrays and < on amounts are
-- tried on the organiser's own rows only. The GIN indexes therefore serve services, which bypass row security.
-- Not FORCEd: it would bind only the owner, who can drop policies anyway, and make the owner's functions that lock and
-- mark rows (0008, 0009) see nothing, silently, wherever the owner is no superuser.
-- depends: 0012.phase-3-whatsapp

-- Whose something is. In `streams`, where no client of the platform can call them: what a policy calls needs EXECUTE,
-- but not USAGE on its schema. An empty array where nobody asks: no claims, no rows.
CREATE FUNCTION streams.own_events() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT coalesce(array_agg(e.id), '{}') FROM public.events e WHERE e.organizer_id = (SELECT auth.uid())
    $$;
COMMENT ON FUNCTION streams.own_events() IS 'The events that whoever asks organises.';

CREATE FUNCTION streams.own_sponsors() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT coalesce(array_agg(s.id), '{}') FROM public.sponsors s WHERE s.created_by = (SELECT auth.uid())
    $$;
COMMENT ON FUNCTION streams.own_sponsors() IS 'The sponsors of whoever asks.';

CREATE FUNCTION streams.own_campaigns() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT coalesce(array_agg(c.id), '{}')
        FROM public.marketing_campaigns c
        JOIN public.events e ON e.id = c.event_id
        WHERE e.organizer_id = (SELECT auth.uid())
    $$;
COMMENT ON FUNCTION streams.own_campaigns() IS 'The campaigns for the events of whoever asks.';

CREATE FUNCTION streams.own_workflows() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT coalesce(array_agg(w.id), '{}')
        FROM public.automation_workflows w
        JOIN public.events e ON e.id = w.event_id
        WHERE e.organizer_id = (SELECT auth.uid())
    $$;
COMMENT ON FUNCTION streams.own_workflows() IS 'The workflows of the events of whoever asks.';

CREATE FUNCTION streams.own_sponsorships() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT coalesce(array_agg(c.id), '{}')
        FROM public.sponsorships c
        JOIN public.events e ON e.id = c.event_id
        WHERE e.organizer_id = (SELECT auth.uid())
    $$;
COMMENT ON FUNCTION streams.own_sponsorships() IS 'The contracts for the events of whoever asks.';

-- Asked only of rows that are written, one at a time; there are too many proposals to list them.
CREATE FUNCTION streams.is_own_proposal(proposal uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT EXISTS (
            SELECT FROM public.sponsor_proposals p
            JOIN public.events e ON e.id = p.event_id
            WHERE p.id = proposal AND e.organizer_id = (SELECT auth.uid())
        )
    $$;
COMMENT ON FUNCTION streams.is_own_proposal(uuid) IS 'Whether a proposal is for an event of whoever asks.';

REVOKE EXECUTE ON FUNCTION
    streams.own_events(), streams.own_sponsors(), streams.own_campaigns(), streams.own_workflows(),
    streams.own_sponsorships(), streams.is_own_proposal(uuid)
    FROM public;
GRANT EXECUTE ON FUNCTION
    streams.own_events(), streams.own_sponsors(), streams.own_campaigns(), streams.own_workflows(),
    streams.own_sponsorships(), streams.is_own_proposal(uuid)
    TO authenticated;

-- `events` is EventOS's own and may be another role's: what cannot be done there is said, with what to do.
DO $$
DECLARE
    owner name;
    secured boolean;
BEGIN
    SELECT pg_get_userbyid(c.relowner), c.relrowsecurity INTO owner, secured
    FROM pg_class c WHERE c.oid = 'public.events'::regclass;
    IF NOT EXISTS (
        SELECT FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = 'public.events'::regclass AND a.attname = 'organizer_id' AND i.indpred IS NULL
    ) THEN
        IF pg_has_role(owner, 'USAGE') THEN
            CREATE INDEX idx_events_organizer ON public.events (organizer_id);
            COMMENT ON INDEX public.idx_events_organizer IS
                'An organiser''s events: the first step of nearly every policy.';
        ELSE
            RAISE WARNING 'public.events has no index on organizer_id, which every policy asks for'
                USING HINT = format('Let %I: CREATE INDEX idx_events_organizer ON public.events (organizer_id)', owner);
        END IF;
    END IF;
    IF secured AND NOT pg_has_role(owner, 'USAGE') AND NOT EXISTS (
        SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)
    ) THEN
        RAISE WARNING 'row security hides public.events from %, so organisers would see nothing', current_user
            USING HINT = format('Let a superuser: ALTER ROLE %I BYPASSRLS', current_user);
    END IF;
END
$$;

-- service_role, the platform's back end, sees all rows; on Supabase it does already. As in 0002.
DO $$
BEGIN
    IF NOT (SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = 'service_role') THEN
        ALTER ROLE service_role BYPASSRLS;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE WARNING 'service_role cannot have BYPASSRLS from %: let a superuser ALTER ROLE service_role BYPASSRLS',
            current_user;
    WHEN internal_error THEN -- "tuple concurrently updated": another database's migrator did the same
        NULL;
END
$$;

-- A contact or a workflow is whose who makes it, unless that says otherwise; NULL where no user asks.
ALTER TABLE public.sponsors ALTER COLUMN created_by SET DEFAULT auth.uid();
ALTER TABLE public.automation_workflows ALTER COLUMN created_by SET DEFAULT auth.uid();

-- The seed's 21, and sponsor_embeddings, which has no policy: it is for services.
ALTER TABLE public.sponsors ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.sponsor_activities ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.sponsor_proposals ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.sponsor_lead_scores ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.follow_up_sequences ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.sponsorships ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.sponsor_deliverables ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_workflows ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.workflow_execution_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_triggers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.agent_sales_activities ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.agent_marketing_activities ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.agent_operations_activities ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.agent_support_activities ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.agent_analytics_activities ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.agent_memory ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.marketing_campaigns ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.email_templates ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.whatsapp_campaigns ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.event_dashboards ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.dashboard_metrics_snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.sponsor_embeddings ENABLE ROW LEVEL SECURITY;

-- Policies follow, by the seed's groups. `own` is short for: of whoever asks.

-- Sponsor management: 15.
CREATE POLICY users_view_own_sponsors ON public.sponsors FOR SELECT TO authenticated
    USING (created_by = (SELECT auth.uid()));
COMMENT ON POLICY users_view_own_sponsors ON public.sponsors IS
    'Contacts are whose created_by says; nobody else learns that they exist.';
CREATE POLICY users_add_own_sponsors ON public.sponsors FOR INSERT TO authenticated
    WITH CHECK (created_by = (SELECT auth.uid()));
COMMENT ON POLICY users_add_own_sponsors ON public.sponsors IS
    'In one''s own name only; it is also the column''s default.';
CREATE POLICY users_change_own_sponsors ON public.sponsors FOR UPDATE TO authenticated
    USING (created_by = (SELECT auth.uid()))
    WITH CHECK (created_by = (SELECT auth.uid()));
COMMENT ON POLICY users_change_own_sponsors ON public.sponsors IS
    'And they cannot be given away. Removing one is the back end''s: contracts and history hang on it.';
CREATE POLICY organizers_view_event_proposals ON public.sponsor_proposals FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_event_proposals ON public.sponsor_proposals IS
    'The offers made for one''s own events.';
CREATE POLICY organizers_add_event_proposals ON public.sponsor_proposals FOR INSERT TO authenticated
    WITH CHECK (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    );
COMMENT ON POLICY organizers_add_event_proposals ON public.sponsor_proposals IS
    'For an own event, to an own sponsor: another''s is refused just as one that does not exist.';
CREATE POLICY organizers_change_event_proposals ON public.sponsor_proposals FOR UPDATE TO authenticated
    USING (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    )
    WITH CHECK (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    );
COMMENT ON POLICY organizers_change_event_proposals ON public.sponsor_proposals IS
    'They may move between own events and own sponsors, and no further. One that is over is `withdrawn`, not removed.';
CREATE POLICY organizers_view_lead_scores ON public.sponsor_lead_scores FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_lead_scores ON public.sponsor_lead_scores IS
    'The leads of one''s own events. Another organiser''s event with the same sponsor does not show.';
CREATE POLICY organizers_review_lead_scores ON public.sponsor_lead_scores FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_review_lead_scores ON public.sponsor_lead_scores IS
    'To say what was done of a lead (reviewed_at, review_note); the score itself is computed.';
CREATE POLICY users_view_own_sequences ON public.follow_up_sequences FOR SELECT TO authenticated
    USING (sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[]));
COMMENT ON POLICY users_view_own_sequences ON public.follow_up_sequences IS
    'The sequences that one''s own sponsors are in.';
CREATE POLICY users_add_own_sequences ON public.follow_up_sequences FOR INSERT TO authenticated
    WITH CHECK (
        sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
        AND (proposal_id IS NULL OR streams.is_own_proposal(proposal_id))
    );
COMMENT ON POLICY users_add_own_sequences ON public.follow_up_sequences IS
    'For an own sponsor, about an own proposal if about any.';
CREATE POLICY users_change_own_sequences ON public.follow_up_sequences FOR UPDATE TO authenticated
    USING (sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[]))
    WITH CHECK (
        sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
        AND (proposal_id IS NULL OR streams.is_own_proposal(proposal_id))
    );
COMMENT ON POLICY users_change_own_sequences ON public.follow_up_sequences IS
    'Likewise. One that shall end is `cancelled`, not removed: e-mails are counted for it.';
CREATE POLICY organizers_view_sponsor_activities ON public.sponsor_activities FOR SELECT TO authenticated
    USING (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        OR event_id IS NULL AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    );
COMMENT ON POLICY organizers_view_sponsor_activities ON public.sponsor_activities IS
    'What sponsors did around one''s own events; what they did around none is for whoever has the sponsor. Facts: nobody''s to write.';
CREATE POLICY organizers_view_event_sponsorships ON public.sponsorships FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_event_sponsorships ON public.sponsorships IS 'The contracts for one''s own events.';
CREATE POLICY organizers_change_event_sponsorships ON public.sponsorships FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_change_event_sponsorships ON public.sponsorships IS
    'To say how a contract stands (status). Its terms are as signed, and it is never removed by an organiser.';
CREATE POLICY organizers_view_deliverables ON public.sponsor_deliverables FOR SELECT TO authenticated
    USING (sponsorship_id = ANY ((SELECT streams.own_sponsorships())::uuid[]));
COMMENT ON POLICY organizers_view_deliverables ON public.sponsor_deliverables IS
    'What the contracts for one''s own events promise. It is set and ticked off by the back end, with the evidence.';

-- Workflows: 9. Logs have no verb but reading and review; triggers, on which nothing hangs, may be removed too.
CREATE POLICY organizers_view_event_workflows ON public.automation_workflows FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_event_workflows ON public.automation_workflows IS
    'The workflows of one''s own events.';
CREATE POLICY organizers_add_event_workflows ON public.automation_workflows FOR INSERT TO authenticated
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]) AND created_by = (SELECT auth.uid()));
COMMENT ON POLICY organizers_add_event_workflows ON public.automation_workflows IS
    'For an own event, in one''s own name, which is also the column''s default.';
CREATE POLICY organizers_change_event_workflows ON public.automation_workflows FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_change_event_workflows ON public.automation_workflows IS
    'Definition and status are the organiser''s, progress is not. One that shall end is `cancelled`: its log stays.';
CREATE POLICY organizers_view_execution_logs ON public.workflow_execution_logs FOR SELECT TO authenticated
    USING (workflow_id = ANY ((SELECT streams.own_workflows())::uuid[]));
COMMENT ON POLICY organizers_view_execution_logs ON public.workflow_execution_logs IS 'What one''s own workflows did.';
CREATE POLICY organizers_review_execution_logs ON public.workflow_execution_logs FOR UPDATE TO authenticated
    USING (workflow_id = ANY ((SELECT streams.own_workflows())::uuid[]))
    WITH CHECK (workflow_id = ANY ((SELECT streams.own_workflows())::uuid[]));
COMMENT ON POLICY organizers_review_execution_logs ON public.workflow_execution_logs IS
    'To say what came of a failed step (reviewed_at, review_note); the log itself stands.';
CREATE POLICY organizers_view_triggers ON public.automation_triggers FOR SELECT TO authenticated
    USING (workflow_id = ANY ((SELECT streams.own_workflows())::uuid[]));
COMMENT ON POLICY organizers_view_triggers ON public.automation_triggers IS 'What starts one''s own workflows.';
CREATE POLICY organizers_add_triggers ON public.automation_triggers FOR INSERT TO authenticated
    WITH CHECK (workflow_id = ANY ((SELECT streams.own_workflows())::uuid[]));
COMMENT ON POLICY organizers_add_triggers ON public.automation_triggers IS 'For an own workflow.';
CREATE POLICY organizers_change_triggers ON public.automation_triggers FOR UPDATE TO authenticated
    USING (workflow_id = ANY ((SELECT streams.own_workflows())::uuid[]))
    WITH CHECK (workflow_id = ANY ((SELECT streams.own_workflows())::uuid[]));
COMMENT ON POLICY organizers_change_triggers ON public.automation_triggers IS
    'They may move between own workflows, and no further.';
CREATE POLICY organizers_remove_triggers ON public.automation_triggers FOR DELETE TO authenticated
    USING (workflow_id = ANY ((SELECT streams.own_workflows())::uuid[]));
COMMENT ON POLICY organizers_remove_triggers ON public.automation_triggers IS 'Nothing hangs on a trigger.';

-- Agents: 12. What an agent did stands as it was written; its organiser reads it, and settles what waits for a person.
CREATE POLICY organizers_view_sales_activities ON public.agent_sales_activities FOR SELECT TO authenticated
    USING (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        OR event_id IS NULL AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    );
COMMENT ON POLICY organizers_view_sales_activities ON public.agent_sales_activities IS
    'For one''s own events, or, where for none, towards one''s own sponsors.';
CREATE POLICY organizers_review_sales_activities ON public.agent_sales_activities FOR UPDATE TO authenticated
    USING (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        OR event_id IS NULL AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    )
    WITH CHECK (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        OR event_id IS NULL AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    );
COMMENT ON POLICY organizers_review_sales_activities ON public.agent_sales_activities IS
    'To settle what waits for a person (reviewed_at, review_note).';
CREATE POLICY organizers_view_marketing_activities ON public.agent_marketing_activities FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_marketing_activities ON public.agent_marketing_activities IS
    'What the agent did for one''s own events.';
CREATE POLICY organizers_review_marketing_activities ON public.agent_marketing_activities FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_review_marketing_activities ON public.agent_marketing_activities IS
    'To settle what waits for a person (reviewed_at, review_note).';
CREATE POLICY organizers_view_operations_activities ON public.agent_operations_activities FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_operations_activities ON public.agent_operations_activities IS
    'What the agent did for one''s own events.';
CREATE POLICY organizers_review_operations_activities ON public.agent_operations_activities FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_review_operations_activities ON public.agent_operations_activities IS
    'To settle what waits for a person (reviewed_at, review_note).';
CREATE POLICY organizers_view_support_activities ON public.agent_support_activities FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_support_activities ON public.agent_support_activities IS
    'What the agent did for one''s own events.';
CREATE POLICY organizers_review_support_activities ON public.agent_support_activities FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_review_support_activities ON public.agent_support_activities IS
    'To settle what waits for a person (reviewed_at, review_note).';
CREATE POLICY organizers_view_analytics_activities ON public.agent_analytics_activities FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_analytics_activities ON public.agent_analytics_activities IS
    'What the agent did for one''s own events.';
CREATE POLICY organizers_review_analytics_activities ON public.agent_analytics_activities FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_review_analytics_activities ON public.agent_analytics_activities IS
    'To settle what waits for a person (reviewed_at, review_note).';
CREATE POLICY organizers_view_agent_memory ON public.agent_memory FOR SELECT TO authenticated
    USING (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        OR event_id IS NULL AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    );
COMMENT ON POLICY organizers_view_agent_memory ON public.agent_memory IS
    'What agents remember of one''s own events, or, where of none, of one''s own sponsors. General knowledge is the agents''.';
CREATE POLICY organizers_forget_agent_memory ON public.agent_memory FOR DELETE TO authenticated
    USING (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        OR event_id IS NULL AND sponsor_id = ANY ((SELECT streams.own_sponsors())::uuid[])
    );
COMMENT ON POLICY organizers_forget_agent_memory ON public.agent_memory IS 'To make agents forget it.';

-- Marketing: 9. Nothing is removed by organisers: e-mails and messages are counted for it, and all have a status.
CREATE POLICY organizers_view_event_campaigns ON public.marketing_campaigns FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_event_campaigns ON public.marketing_campaigns IS
    'The campaigns for one''s own events.';
CREATE POLICY organizers_add_event_campaigns ON public.marketing_campaigns FOR INSERT TO authenticated
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_add_event_campaigns ON public.marketing_campaigns IS 'For an own event.';
CREATE POLICY organizers_change_event_campaigns ON public.marketing_campaigns FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_change_event_campaigns ON public.marketing_campaigns IS
    'They may move between own events, and no further.';
CREATE POLICY organizers_view_email_templates ON public.email_templates FOR SELECT TO authenticated
    USING (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        OR event_id IS NULL AND campaign_id = ANY ((SELECT streams.own_campaigns())::uuid[])
    );
COMMENT ON POLICY organizers_view_email_templates ON public.email_templates IS
    'Those of one''s own events, or, where of none, of one''s own campaigns. One of neither is the platform''s.';
CREATE POLICY organizers_add_email_templates ON public.email_templates FOR INSERT TO authenticated
    WITH CHECK (
        num_nonnulls(event_id, campaign_id) > 0
        AND (event_id IS NULL OR event_id = ANY ((SELECT streams.own_events())::uuid[]))
        AND (campaign_id IS NULL OR campaign_id = ANY ((SELECT streams.own_campaigns())::uuid[]))
    );
COMMENT ON POLICY organizers_add_email_templates ON public.email_templates IS
    'For an own event, an own campaign, or both; the other may not be somebody else''s.';
CREATE POLICY organizers_change_email_templates ON public.email_templates FOR UPDATE TO authenticated
    USING (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        OR event_id IS NULL AND campaign_id = ANY ((SELECT streams.own_campaigns())::uuid[])
    )
    WITH CHECK (
        num_nonnulls(event_id, campaign_id) > 0
        AND (event_id IS NULL OR event_id = ANY ((SELECT streams.own_events())::uuid[]))
        AND (campaign_id IS NULL OR campaign_id = ANY ((SELECT streams.own_campaigns())::uuid[]))
    );
COMMENT ON POLICY organizers_change_email_templates ON public.email_templates IS
    'Likewise. One that is out of use is `archived`.';
CREATE POLICY organizers_view_whatsapp_campaigns ON public.whatsapp_campaigns FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_whatsapp_campaigns ON public.whatsapp_campaigns IS
    'The messages about one''s own events.';
CREATE POLICY organizers_add_whatsapp_campaigns ON public.whatsapp_campaigns FOR INSERT TO authenticated
    WITH CHECK (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        AND (campaign_id IS NULL OR campaign_id = ANY ((SELECT streams.own_campaigns())::uuid[]))
    );
COMMENT ON POLICY organizers_add_whatsapp_campaigns ON public.whatsapp_campaigns IS
    'About an own event, in an own campaign if in any.';
CREATE POLICY organizers_change_whatsapp_campaigns ON public.whatsapp_campaigns FOR UPDATE TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]))
    WITH CHECK (
        event_id = ANY ((SELECT streams.own_events())::uuid[])
        AND (campaign_id IS NULL OR campaign_id = ANY ((SELECT streams.own_campaigns())::uuid[]))
    );
COMMENT ON POLICY organizers_change_whatsapp_campaigns ON public.whatsapp_campaigns IS 'Likewise.';

-- Analytics: 6. Organisers read. That they write nothing is said by grants; it is said again here, and restrictively,
-- because these are the figures that others are told: neither a GRANT ALL, which platforms hand out by default, nor a
-- permissive policy that somebody adds later makes them anyone's to invent. (Nothing is removed for want of a policy.)
CREATE POLICY organizers_view_event_dashboards ON public.event_dashboards FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_event_dashboards ON public.event_dashboards IS
    'The figures of one''s own events. By the event, not by organizer_id, which follows a change of hands a moment later.';
CREATE POLICY services_alone_add_dashboards ON public.event_dashboards AS RESTRICTIVE FOR INSERT TO anon, authenticated
    WITH CHECK (false);
COMMENT ON POLICY services_alone_add_dashboards ON public.event_dashboards IS
    'Restrictive: whatever else is granted, figures are computed.';
CREATE POLICY services_alone_change_dashboards ON public.event_dashboards AS RESTRICTIVE FOR UPDATE TO anon, authenticated
    USING (false)
    WITH CHECK (false);
COMMENT ON POLICY services_alone_change_dashboards ON public.event_dashboards IS
    'Restrictive: whatever else is granted, figures are computed.';
CREATE POLICY organizers_view_event_snapshots ON public.dashboard_metrics_snapshots FOR SELECT TO authenticated
    USING (event_id = ANY ((SELECT streams.own_events())::uuid[]));
COMMENT ON POLICY organizers_view_event_snapshots ON public.dashboard_metrics_snapshots IS
    'The history of one''s own events.';
CREATE POLICY services_alone_add_snapshots ON public.dashboard_metrics_snapshots AS RESTRICTIVE FOR INSERT TO anon, authenticated
    WITH CHECK (false);
COMMENT ON POLICY services_alone_add_snapshots ON public.dashboard_metrics_snapshots IS
    'Restrictive: whatever else is granted, figures are computed.';
CREATE POLICY services_alone_change_snapshots ON public.dashboard_metrics_snapshots AS RESTRICTIVE FOR UPDATE TO anon, authenticated
    USING (false)
    WITH CHECK (false);
COMMENT ON POLICY services_alone_change_snapshots ON public.dashboard_metrics_snapshots IS
    'Restrictive: whatever else is granted, figures are computed.';
