-- What a platform granted by default before is not given back: none of these tables was for its clients. For the same
-- reason months go on being made closed.
REVOKE SELECT ON
    public.sponsor_deliverables, public.automation_workflows, public.workflow_execution_logs,
    public.automation_triggers, public.agent_marketing_activities, public.agent_operations_activities,
    public.agent_support_activities, public.agent_analytics_activities, public.agent_memory, public.whatsapp_campaigns
    FROM eventos_operator;
-- With a table's rights go those on its columns.
REVOKE ALL ON
    public.sponsors, public.sponsor_activities, public.sponsor_proposals, public.sponsor_lead_scores,
    public.follow_up_sequences, public.sponsorships, public.sponsor_deliverables, public.sponsor_embeddings,
    public.automation_workflows, public.workflow_execution_logs, public.automation_triggers,
    public.agent_sales_activities, public.agent_marketing_activities, public.agent_operations_activities,
    public.agent_support_activities, public.agent_analytics_activities, public.agent_memory,
    public.marketing_campaigns, public.email_templates, public.whatsapp_campaigns,
    public.event_dashboards, public.dashboard_metrics_snapshots
    FROM authenticated, service_role;
