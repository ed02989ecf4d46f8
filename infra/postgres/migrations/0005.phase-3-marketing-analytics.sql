-- Phase 3 of the seed: campaigns, templates, dashboards.
-- depends: 0004.phase-2-agents

CREATE TABLE public.marketing_campaigns (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE, -- promotes nothing without its event
    name text NOT NULL,
    channels text[] NOT NULL DEFAULT '{}',
    content jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'draft' CHECK (status IN (
        'draft', 'scheduled', 'active', 'paused', 'completed', 'cancelled'
    )),
    emails_sent integer NOT NULL DEFAULT 0, -- written by email_engagement
    whatsapp_messages_sent integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.marketing_campaigns IS 'Campaigns for events; owned by marketing, their e-mails counted by email_engagement.';

CREATE INDEX idx_campaigns_event ON public.marketing_campaigns (event_id);
COMMENT ON INDEX public.idx_campaigns_event IS 'The campaigns of an event, which the seed''s policy asks for; the foreign key.';
CREATE INDEX idx_campaigns_status ON public.marketing_campaigns (status);
COMMENT ON INDEX public.idx_campaigns_status IS 'The campaigns that are running.';
CREATE INDEX idx_campaigns_content ON public.marketing_campaigns USING gin (content);
COMMENT ON INDEX public.idx_campaigns_content IS 'Campaigns whose content holds something.';

CREATE TABLE public.email_templates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    campaign_id uuid REFERENCES public.marketing_campaigns (id) ON DELETE SET NULL, -- a template outlives its campaign
    event_id uuid REFERENCES public.events (id) ON DELETE CASCADE, -- but not the event that it speaks of
    template_type text NOT NULL CHECK (template_type IN (
        'invitation', 'announcement', 'reminder', 'confirmation', 'thank_you', 'follow_up', 'newsletter',
        'sponsor_outreach', 'proposal', 'survey', 'custom'
    )),
    subject text NOT NULL,
    body text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'archived')),
    sent_count integer NOT NULL DEFAULT 0, -- with opened_count written by email_engagement
    opened_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.email_templates IS 'Texts of e-mails; owned by marketing, their use counted by email_engagement.';

CREATE INDEX idx_templates_campaign ON public.email_templates (campaign_id) WHERE campaign_id IS NOT NULL;
COMMENT ON INDEX public.idx_templates_campaign IS 'The templates of a campaign; the foreign key.';
CREATE INDEX idx_templates_event ON public.email_templates (event_id) WHERE event_id IS NOT NULL;
COMMENT ON INDEX public.idx_templates_event IS 'The templates of an event, which the seed''s policy asks for; the foreign key.';
CREATE INDEX idx_templates_status ON public.email_templates (status);
COMMENT ON INDEX public.idx_templates_status IS 'The templates that may be used.';

CREATE TABLE public.event_dashboards (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),

    -- The seed has UNIQUE and idx_dashboards_event on the same column: one index here, under the name it gives.
    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE
        CONSTRAINT idx_dashboards_event UNIQUE,
    organizer_id uuid REFERENCES auth.users (id) ON DELETE SET NULL, -- read from the event anew when that changes hands

    metrics jsonb NOT NULL DEFAULT '{}',
    marketing_metrics jsonb NOT NULL DEFAULT '{}',
    engagement_metrics jsonb NOT NULL DEFAULT '{}',
    funnel_metrics jsonb NOT NULL DEFAULT '{}',

    total_views integer NOT NULL DEFAULT 0,
    total_tickets_sold integer NOT NULL DEFAULT 0,
    total_revenue numeric(16, 2) NOT NULL DEFAULT 0, -- mended: two large orders overflow numeric(12, 2)
    conversion_rate numeric(5, 4) NOT NULL DEFAULT 0,

    first_view_at timestamptz,
    first_sale_at timestamptz,
    last_updated_at timestamptz NOT NULL DEFAULT now(),

    -- Mended: the latest few only, without the seed's GIN index; dashboard_metrics_snapshots is the history.
    snapshots jsonb NOT NULL DEFAULT '[]',

    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.event_dashboards IS 'An event''s figures as they stand; written by event_dashboards.';

COMMENT ON INDEX public.idx_dashboards_event IS 'The dashboard of an event; the foreign key.';
CREATE INDEX idx_dashboards_organizer ON public.event_dashboards (organizer_id);
COMMENT ON INDEX public.idx_dashboards_organizer IS 'An organiser''s dashboards; the foreign key.';
CREATE INDEX idx_dashboards_views ON public.event_dashboards (total_views DESC);
COMMENT ON INDEX public.idx_dashboards_views IS 'The events most looked at.';
CREATE INDEX idx_dashboards_revenue ON public.event_dashboards (total_revenue DESC);
COMMENT ON INDEX public.idx_dashboards_revenue IS 'The events that earn most.';
CREATE INDEX idx_dashboards_metrics ON public.event_dashboards USING gin (metrics);
COMMENT ON INDEX public.idx_dashboards_metrics IS 'Dashboards whose metrics hold a key, such as a currency.';

CREATE TABLE public.dashboard_metrics_snapshots (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE, -- history of an event that was removed
    -- SET NULL: a dashboard goes when its last fact does, and may come again; what was known stays known.
    dashboard_id uuid REFERENCES public.event_dashboards (id) ON DELETE SET NULL,
    snapshot_type text NOT NULL CHECK (snapshot_type IN ('hourly', 'daily')),
    bucket timestamptz NOT NULL, -- the start of the hour or UTC day
    metrics_snapshot jsonb NOT NULL,
    snapshot_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT dashboard_metrics_snapshots_bucket_key UNIQUE (event_id, snapshot_type, bucket)
);
COMMENT ON TABLE public.dashboard_metrics_snapshots IS
    'What was known of an event when an hour or a day was over; written once by event_dashboards, never rebuilt.';

COMMENT ON INDEX public.dashboard_metrics_snapshots_bucket_key IS 'An event''s history in order; one snapshot per bucket.';
CREATE INDEX idx_snapshots_dashboard ON public.dashboard_metrics_snapshots (dashboard_id);
COMMENT ON INDEX public.idx_snapshots_dashboard IS 'The foreign key: removing a dashboard looks here.';
