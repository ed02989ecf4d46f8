-- squawk-ignore-file ban-drop-function, ban-drop-table
DROP FUNCTION streams.ensure_sales_activity_months(date, date);
DROP TABLE public.agent_sales_activities;
