-- squawk-ignore-file ban-drop-table
DROP TABLE public.sponsor_deliverables;
DROP TABLE public.automation_triggers;
DROP TABLE public.workflow_execution_logs;
DROP TABLE public.automation_workflows;
