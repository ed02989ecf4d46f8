-- Phases 2 and 3 of the seed, continued: what agents remember, and what the other four did.
-- All five tables of activities share their columns for status, review and cost. `created_at` has no default in any:
-- it is the time of what the agent answers, never now(), or a replay would double rows.
-- depends: 0010.phase-2-workflows

-- Mended: the seed gives it no embedding, and no owner to secure it by. A memory of an event or of a sponsor is its
-- organiser's to see; one of neither is the agent's general knowledge.
-- fillfactor: recall counts access_count up. No index holds that, so with room on the page the row moves within it
-- (HOT), and neither the vector's index nor the content's is written again.
CREATE TABLE public.agent_memory (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),

    agent_id text NOT NULL,
    memory_type text NOT NULL CHECK (memory_type IN (
        'short_term', -- recent interactions (7 days)
        'long_term', -- important learnings (permanent)
        'episodic', -- specific task/conversation memory
        'semantic' -- general knowledge extracted
    )),
    -- Both CASCADE: what was remembered of them is to be forgotten with them.
    event_id uuid REFERENCES public.events (id) ON DELETE CASCADE,
    sponsor_id uuid REFERENCES public.sponsors (id) ON DELETE CASCADE,

    content jsonb NOT NULL, -- {"key": …, "value": …, "context": …, "confidence": …}

    embedding vector(1536), -- vectors of different models do not compare: search names the model and its version
    embedding_model text,
    embedding_model_version text,
    CONSTRAINT agent_memory_embedding_has_a_model CHECK (
        num_nonnulls(embedding, embedding_model, embedding_model_version) IN (0, 3)
    ),

    importance_score integer NOT NULL DEFAULT 50 CHECK (importance_score >= 0 AND importance_score <= 100),
    access_count integer NOT NULL DEFAULT 0 CHECK (access_count >= 0),
    last_accessed_at timestamptz,

    expires_at timestamptz,

    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
COMMENT ON TABLE public.agent_memory IS 'What agents remember, and what it is about.';

CREATE INDEX idx_agent_memory_agent ON public.agent_memory (agent_id, importance_score DESC);
COMMENT ON INDEX public.idx_agent_memory_agent IS 'The most important memories of an agent.';
CREATE INDEX idx_agent_memory_type ON public.agent_memory (memory_type);
COMMENT ON INDEX public.idx_agent_memory_type IS 'Memories of a kind.';
CREATE INDEX idx_agent_memory_expires ON public.agent_memory (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON INDEX public.idx_agent_memory_expires IS 'The memories whose time is over, to be removed.';
CREATE INDEX idx_agent_memory_content ON public.agent_memory USING gin (content);
COMMENT ON INDEX public.idx_agent_memory_content IS 'Memories whose content holds a key or a value; for services (0013 says why).';
CREATE INDEX idx_agent_memory_embedding ON public.agent_memory USING hnsw (embedding vector_cosine_ops);
COMMENT ON INDEX public.idx_agent_memory_embedding IS 'The memories nearest to an embedding, by cosine distance.';
CREATE INDEX idx_agent_memory_event ON public.agent_memory (event_id) WHERE event_id IS NOT NULL;
COMMENT ON INDEX public.idx_agent_memory_event IS 'What is remembered of an event, which the policies ask for; the foreign key.';
CREATE INDEX idx_agent_memory_sponsor ON public.agent_memory (sponsor_id) WHERE sponsor_id IS NOT NULL;
COMMENT ON INDEX public.idx_agent_memory_sponsor IS 'What is remembered of a sponsor, which the policies ask for; the foreign key.';

-- The sales agent's table exists. Columns without a default rewrite nothing, and a reference that comes along with its
-- column checks no row. The index reads every month once, while writing waits; intake waits for it and goes on.
ALTER TABLE public.agent_sales_activities
    -- squawk-ignore adding-foreign-key-constraint
    ADD COLUMN memory_id uuid REFERENCES public.agent_memory (id) ON DELETE SET NULL, -- what informed it; may be forgotten
    -- The organiser's: what waited for a person was looked at, and what came of it. No service writes these two.
    -- (They go with a row that moves to another time, because an earlier `sent` of its e-mail became known.)
    ADD COLUMN reviewed_at timestamptz,
    ADD COLUMN review_note text;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX idx_sales_activities_memory ON public.agent_sales_activities (memory_id) WHERE memory_id IS NOT NULL;
COMMENT ON INDEX public.idx_sales_activities_memory IS 'The foreign key; costs e-mails nothing, no memory informs them.';

CREATE TABLE public.agent_marketing_activities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),

    agent_id text NOT NULL DEFAULT 'marketing_agent',
    agent_version text,

    activity_type text NOT NULL CHECK (activity_type IN (
        'campaign_planned', 'content_generated', 'subject_optimized', 'send_time_optimized', 'audience_segmented',
        'channel_mix_changed', 'performance_analysis'
    )),

    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE, -- done for nothing else
    campaign_id uuid REFERENCES public.marketing_campaigns (id) ON DELETE SET NULL, -- what was learnt of it stays
    memory_id uuid REFERENCES public.agent_memory (id) ON DELETE SET NULL, -- what informed it; may be forgotten

    metrics_before jsonb NOT NULL DEFAULT '{}',
    metrics_after jsonb NOT NULL DEFAULT '{}',
    performance_improvement numeric(7, 2), -- in percent of what it was before
    reasoning text,

    status text NOT NULL DEFAULT 'success' CHECK (status IN ('success', 'failed', 'pending', 'escalated')),
    error_message text,

    autonomous boolean NOT NULL DEFAULT true,
    required_human_review boolean NOT NULL DEFAULT false,
    escalation_reason text,
    reviewed_at timestamptz, -- with review_note the organiser's
    review_note text,

    duration_ms integer CHECK (duration_ms >= 0),
    llm_tokens_used integer CHECK (llm_tokens_used >= 0),

    created_at timestamptz NOT NULL
);
COMMENT ON TABLE public.agent_marketing_activities IS 'What the marketing agent did, and what came of it.';

CREATE INDEX idx_marketing_activities_event ON public.agent_marketing_activities (event_id, created_at DESC);
COMMENT ON INDEX public.idx_marketing_activities_event IS
    'The latest activities for an event, which the policies ask for; the foreign key.';
CREATE INDEX idx_marketing_activities_campaign ON public.agent_marketing_activities (campaign_id, created_at DESC)
    WHERE campaign_id IS NOT NULL;
COMMENT ON INDEX public.idx_marketing_activities_campaign IS 'What was done to a campaign, latest first; the foreign key.';
CREATE INDEX idx_marketing_activities_memory ON public.agent_marketing_activities (memory_id) WHERE memory_id IS NOT NULL;
COMMENT ON INDEX public.idx_marketing_activities_memory IS 'The foreign key: forgetting a memory looks here.';
CREATE INDEX idx_marketing_activities_unsettled ON public.agent_marketing_activities (status, created_at DESC)
    WHERE status <> 'success';
COMMENT ON INDEX public.idx_marketing_activities_unsettled IS
    'What failed, is pending or waits for a person; costs the many successes nothing.';

CREATE TABLE public.agent_operations_activities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),

    agent_id text NOT NULL DEFAULT 'operations_agent',
    agent_version text,

    activity_type text NOT NULL CHECK (activity_type IN (
        'workflow_step', 'capacity_alert', 'sales_alert', 'check_in_monitoring', 'deliverable_check',
        'schedule_conflict', 'incident_response'
    )),

    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE, -- done for nothing else
    workflow_id uuid REFERENCES public.automation_workflows (id) ON DELETE SET NULL, -- what was done stays done
    memory_id uuid REFERENCES public.agent_memory (id) ON DELETE SET NULL, -- what informed it; may be forgotten

    severity text NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
    input_data jsonb NOT NULL DEFAULT '{}',
    action_taken jsonb NOT NULL DEFAULT '{}',
    reasoning text,

    status text NOT NULL DEFAULT 'success' CHECK (status IN ('success', 'failed', 'pending', 'escalated')),
    error_message text,

    autonomous boolean NOT NULL DEFAULT true,
    required_human_review boolean NOT NULL DEFAULT false,
    escalation_reason text,
    reviewed_at timestamptz, -- with review_note the organiser's
    review_note text,

    duration_ms integer CHECK (duration_ms >= 0),
    llm_tokens_used integer CHECK (llm_tokens_used >= 0),

    created_at timestamptz NOT NULL
);
COMMENT ON TABLE public.agent_operations_activities IS 'What the operations agent saw and did while an event ran.';

CREATE INDEX idx_operations_activities_event ON public.agent_operations_activities (event_id, created_at DESC);
COMMENT ON INDEX public.idx_operations_activities_event IS
    'The latest activities for an event, which the policies ask for; the foreign key.';
CREATE INDEX idx_operations_activities_workflow ON public.agent_operations_activities (workflow_id, created_at DESC)
    WHERE workflow_id IS NOT NULL;
COMMENT ON INDEX public.idx_operations_activities_workflow IS 'What a workflow had done, latest first; the foreign key.';
CREATE INDEX idx_operations_activities_memory ON public.agent_operations_activities (memory_id)
    WHERE memory_id IS NOT NULL;
COMMENT ON INDEX public.idx_operations_activities_memory IS 'The foreign key: forgetting a memory looks here.';
CREATE INDEX idx_operations_activities_unsettled ON public.agent_operations_activities (status, created_at DESC)
    WHERE status <> 'success';
COMMENT ON INDEX public.idx_operations_activities_unsettled IS
    'What failed, is pending or waits for a person; costs the many successes nothing.';
CREATE INDEX idx_operations_activities_severe ON public.agent_operations_activities (created_at DESC)
    WHERE severity IN ('high', 'critical');
COMMENT ON INDEX public.idx_operations_activities_severe IS 'The latest that was serious, at all events.';

CREATE TABLE public.agent_support_activities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),

    agent_id text NOT NULL DEFAULT 'support_agent',
    agent_version text,

    activity_type text NOT NULL CHECK (activity_type IN (
        'question_answered', 'question_escalated', 'question_declined', 'follow_up_answered'
    )),

    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE, -- nobody else is asked about
    memory_id uuid REFERENCES public.agent_memory (id) ON DELETE SET NULL, -- what informed it; may be forgotten

    question_id text COLLATE "C" NOT NULL, -- with the three below as the topic attendee-questions has them
    user_question text NOT NULL,
    asked_by_hash text, -- never a name or an address
    language text,
    ai_response text,
    confidence numeric(4, 3) CHECK (confidence BETWEEN 0 AND 1),
    auto_resolved boolean NOT NULL DEFAULT false,
    reasoning text,

    status text NOT NULL DEFAULT 'success' CHECK (status IN ('success', 'failed', 'pending', 'escalated')),
    error_message text,

    autonomous boolean NOT NULL DEFAULT true,
    required_human_review boolean NOT NULL DEFAULT false,
    escalation_reason text,
    reviewed_at timestamptz, -- with review_note the organiser's
    review_note text,

    duration_ms integer CHECK (duration_ms >= 0),
    llm_tokens_used integer CHECK (llm_tokens_used >= 0),

    created_at timestamptz NOT NULL
);
COMMENT ON TABLE public.agent_support_activities IS 'What attendees asked, and what the support agent answered.';

CREATE INDEX idx_support_activities_event ON public.agent_support_activities (event_id, created_at DESC);
COMMENT ON INDEX public.idx_support_activities_event IS
    'The latest questions about an event, which the policies ask for; the foreign key.';
CREATE INDEX idx_support_activities_memory ON public.agent_support_activities (memory_id) WHERE memory_id IS NOT NULL;
COMMENT ON INDEX public.idx_support_activities_memory IS 'The foreign key: forgetting a memory looks here.';
CREATE INDEX idx_support_activities_unsettled ON public.agent_support_activities (status, created_at DESC)
    WHERE status <> 'success';
COMMENT ON INDEX public.idx_support_activities_unsettled IS
    'Questions that failed, are pending or wait for a person; costs those that were answered nothing.';

CREATE TABLE public.agent_analytics_activities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),

    agent_id text NOT NULL DEFAULT 'analytics_agent',
    agent_version text,

    analysis_type text NOT NULL CHECK (analysis_type IN (
        'milestone_report', 'sales_trend', 'funnel_analysis', 'sponsor_performance', 'audience_insight', 'forecast',
        'anomaly', 'post_event_report'
    )),

    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE, -- says nothing of anything else
    -- SET NULL: a dashboard goes when its last fact does, and may come again; what was found in it stays found.
    dashboard_id uuid REFERENCES public.event_dashboards (id) ON DELETE SET NULL,
    memory_id uuid REFERENCES public.agent_memory (id) ON DELETE SET NULL, -- what informed it; may be forgotten

    insights jsonb NOT NULL DEFAULT '{}',
    recommendations jsonb NOT NULL DEFAULT '[]',
    reasoning text,

    status text NOT NULL DEFAULT 'success' CHECK (status IN ('success', 'failed', 'pending', 'escalated')),
    error_message text,

    autonomous boolean NOT NULL DEFAULT true,
    required_human_review boolean NOT NULL DEFAULT false,
    escalation_reason text,
    reviewed_at timestamptz, -- with review_note the organiser's
    review_note text,

    duration_ms integer CHECK (duration_ms >= 0),
    llm_tokens_used integer CHECK (llm_tokens_used >= 0),

    created_at timestamptz NOT NULL
);
COMMENT ON TABLE public.agent_analytics_activities IS 'What the analytics agent found in an event''s figures.';

CREATE INDEX idx_analytics_activities_event ON public.agent_analytics_activities (event_id, created_at DESC);
COMMENT ON INDEX public.idx_analytics_activities_event IS
    'The latest insights into an event, which the policies ask for; the foreign key.';
CREATE INDEX idx_analytics_activities_dashboard ON public.agent_analytics_activities (dashboard_id)
    WHERE dashboard_id IS NOT NULL;
COMMENT ON INDEX public.idx_analytics_activities_dashboard IS 'The insights beside a dashboard; the foreign key.';
CREATE INDEX idx_analytics_activities_memory ON public.agent_analytics_activities (memory_id)
    WHERE memory_id IS NOT NULL;
COMMENT ON INDEX public.idx_analytics_activities_memory IS 'The foreign key: forgetting a memory looks here.';
CREATE INDEX idx_analytics_activities_unsettled ON public.agent_analytics_activities (status, created_at DESC)
    WHERE status <> 'success';
COMMENT ON INDEX public.idx_analytics_activities_unsettled IS
    'What failed, is pending or waits for a person; costs the many successes nothing.';
