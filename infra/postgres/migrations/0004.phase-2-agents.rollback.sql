DROP FUNCTION streams.ensure_sales_activity_months(date, date);
DROP TABLE public.agent_sales_activities;
