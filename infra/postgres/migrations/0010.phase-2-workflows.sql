-- Phase 2 of the seed, continued: workflows, what they did and what starts them; and the deliverables that they track.
-- `automation_workflows` is the seed's word for word. The other three it only draws: its columns are there under its
-- names, with what a working product needs beside them.
-- depends: 0009.grants

CREATE TABLE public.automation_workflows (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),

    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE, -- the seed's: it works for its event only
    created_by uuid REFERENCES auth.users (id) ON DELETE SET NULL, -- goes on without whoever set it up

    name text NOT NULL,
    workflow_type text NOT NULL CHECK (workflow_type IN (
        'event_launch', 'sponsor_outreach', 'attendee_nurture',
        'post_event_followup', 'deliverable_tracking', 'custom'
    )),

    definition jsonb NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN (
        'pending', 'active', 'paused', 'completed', 'failed', 'cancelled'
    )),

    current_step text,
    steps_completed integer NOT NULL DEFAULT 0 CHECK (steps_completed >= 0),
    steps_total integer CHECK (steps_total >= 0),

    tasks_executed integer NOT NULL DEFAULT 0 CHECK (tasks_executed >= 0),
    tasks_successful integer NOT NULL DEFAULT 0 CHECK (tasks_successful >= 0),
    tasks_failed integer NOT NULL DEFAULT 0 CHECK (tasks_failed >= 0),

    last_error text,
    retry_count integer NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    max_retries integer NOT NULL DEFAULT 3 CHECK (max_retries >= 0),

    started_at timestamptz,
    completed_at timestamptz,
    next_execution_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.automation_workflows IS
    'What runs by itself for an event: its definition is the organiser''s, its progress is written as it runs.';

CREATE INDEX idx_workflows_event ON public.automation_workflows (event_id);
COMMENT ON INDEX public.idx_workflows_event IS 'The workflows of an event, which the policies ask for; the foreign key.';
CREATE INDEX idx_workflows_status ON public.automation_workflows (status);
COMMENT ON INDEX public.idx_workflows_status IS 'The workflows that are running, or that failed.';
CREATE INDEX idx_workflows_next_exec ON public.automation_workflows (next_execution_at) WHERE status = 'active';
COMMENT ON INDEX public.idx_workflows_next_exec IS 'The active workflows that are due, in order: what the scheduler polls.';
CREATE INDEX idx_workflows_type ON public.automation_workflows (workflow_type);
COMMENT ON INDEX public.idx_workflows_type IS 'Workflows of a kind, such as all that track deliverables.';
CREATE INDEX idx_workflows_definition ON public.automation_workflows USING gin (definition);
COMMENT ON INDEX public.idx_workflows_definition IS
    'Workflows whose definition holds something, such as a step or a template; for services (0013 says why).';
CREATE INDEX idx_workflows_created_by ON public.automation_workflows (created_by) WHERE created_by IS NOT NULL;
COMMENT ON INDEX public.idx_workflows_created_by IS 'The foreign key: removing a user looks here.';

CREATE TABLE public.workflow_execution_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id uuid NOT NULL REFERENCES public.automation_workflows (id) ON DELETE CASCADE, -- explains nothing without
    step_id text NOT NULL, -- as in the definition
    step_name text NOT NULL,
    attempt integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    status text NOT NULL CHECK (status IN ('started', 'completed', 'failed', 'skipped')),
    result jsonb NOT NULL DEFAULT '{}',
    error_message text,
    duration_ms integer CHECK (duration_ms >= 0),
    -- The organiser's: a step that failed was looked at, and what came of it.
    reviewed_at timestamptz,
    review_note text,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.workflow_execution_logs IS 'What workflows did, a row per attempt at a step.';

CREATE INDEX idx_execution_logs_workflow ON public.workflow_execution_logs (workflow_id, created_at DESC);
COMMENT ON INDEX public.idx_execution_logs_workflow IS
    'A workflow''s latest steps, which the policies ask for; the foreign key.';
CREATE INDEX idx_execution_logs_failed ON public.workflow_execution_logs (created_at DESC) WHERE status = 'failed';
COMMENT ON INDEX public.idx_execution_logs_failed IS 'The steps that failed last, in all workflows; others cost it nothing.';

CREATE TABLE public.automation_triggers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id uuid NOT NULL REFERENCES public.automation_workflows (id) ON DELETE CASCADE, -- has nothing to start
    -- A time, a person, a deliverable, or a derived event by the name of its type.
    trigger_type text NOT NULL CHECK (trigger_type IN (
        'schedule', 'manual', 'deliverable_due',
        'lead_score.changed', 'agent.activity_recorded', 'dashboard.updated', 'dashboard.milestone_reached'
    )),
    trigger_config jsonb NOT NULL DEFAULT '{}', -- on which condition; read with the row, never searched
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'exhausted', 'failed')),
    last_triggered_at timestamptz,
    times_triggered integer NOT NULL DEFAULT 0 CHECK (times_triggered >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.automation_triggers IS 'What starts a workflow.';

CREATE INDEX idx_triggers_workflow ON public.automation_triggers (workflow_id);
COMMENT ON INDEX public.idx_triggers_workflow IS
    'The triggers of a workflow, which the policies ask for; the foreign key.';
CREATE INDEX idx_triggers_active ON public.automation_triggers (trigger_type) WHERE status = 'active';
COMMENT ON INDEX public.idx_triggers_active IS 'The active triggers that a derived event of a type may set off.';

CREATE TABLE public.sponsor_deliverables (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sponsorship_id uuid NOT NULL REFERENCES public.sponsorships (id) ON DELETE CASCADE, -- is owed by its contract only
    workflow_id uuid REFERENCES public.automation_workflows (id) ON DELETE SET NULL, -- still owed when nobody tracks it
    name text NOT NULL,
    description text,
    deliverable_type text NOT NULL CHECK (deliverable_type IN (
        'logo_placement', 'booth', 'speaking_slot', 'social_media_post', 'email_mention', 'signage', 'tickets',
        'attendee_report', 'custom'
    )),
    due_date date,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN (
        'pending', 'in_progress', 'delivered', 'accepted', 'waived'
    )), -- overdue is no status: it follows from due_date
    evidence_url text,
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.sponsor_deliverables IS 'What a contract promises the sponsor, and whether it was done.';

CREATE INDEX idx_deliverables_sponsorship ON public.sponsor_deliverables (sponsorship_id);
COMMENT ON INDEX public.idx_deliverables_sponsorship IS
    'What a contract promises, which the policy asks for; the foreign key.';
CREATE INDEX idx_deliverables_workflow ON public.sponsor_deliverables (workflow_id) WHERE workflow_id IS NOT NULL;
COMMENT ON INDEX public.idx_deliverables_workflow IS 'What a workflow tracks; the foreign key.';
CREATE INDEX idx_deliverables_due ON public.sponsor_deliverables (due_date) WHERE status IN ('pending', 'in_progress');
COMMENT ON INDEX public.idx_deliverables_due IS 'What is due next or overdue, of all that is not done.';
