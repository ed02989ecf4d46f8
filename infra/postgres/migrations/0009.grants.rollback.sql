-- squawk-ignore-file ban-drop-function
-- Not DROP OWNED BY: it would take these roles' rights on everything else in the database too.
REVOKE EXECUTE ON FUNCTION streams.ensure_sales_activity_months(date, date)
    FROM eventos_email_engagement, eventos_operator;
DROP FUNCTION streams.lock_references(uuid[], uuid[]);
REVOKE ALL ON ALL TABLES IN SCHEMA streams, streams_g1 FROM
    eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales,
    eventos_lead_scoring, eventos_event_dashboards, eventos_outbox_relay, eventos_operator;
REVOKE ALL ON
    public.events, public.sponsors, public.sponsor_embeddings, public.sponsor_activities, public.sponsor_proposals,
    public.sponsor_lead_scores, public.follow_up_sequences, public.sponsorships, public.agent_sales_activities,
    public.marketing_campaigns, public.email_templates, public.event_dashboards, public.dashboard_metrics_snapshots
    FROM
    eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales,
    eventos_lead_scoring, eventos_event_dashboards, eventos_outbox_relay, eventos_operator;
REVOKE ALL (
    id, created_by, company_name, industry, industries_of_interest, event_types, geographic_preferences, values,
    min_budget, max_budget, currency, total_sponsorships, average_roi, renewal_rate, engagement_score, created_at
) ON public.sponsors FROM eventos_lead_scoring;
REVOKE ALL (id) ON public.sponsors, public.events FROM
    eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
REVOKE ALL (total_views) ON public.sponsor_proposals FROM eventos_sponsor_activity;
REVOKE ALL (emails_sent) ON public.marketing_campaigns FROM eventos_email_engagement;
REVOKE ALL (sent_count, opened_count) ON public.email_templates FROM eventos_email_engagement;
REVOKE ALL (emails_sent, replies_received, status) ON public.follow_up_sequences FROM eventos_email_engagement;
REVOKE ALL (status, attempts, updated_at) ON streams.dead_letters FROM
    eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
