-- squawk-ignore-file ban-drop-table
DROP TABLE public.dashboard_metrics_snapshots;
DROP TABLE public.event_dashboards;
DROP TABLE public.email_templates;
DROP TABLE public.marketing_campaigns;
