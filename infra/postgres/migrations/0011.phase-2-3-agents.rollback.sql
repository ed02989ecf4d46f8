-- squawk-ignore-file ban-drop-table, ban-drop-column
-- Of sales activities only what was added goes: reviews, and which memory informed them.
DROP TABLE public.agent_analytics_activities;
DROP TABLE public.agent_support_activities;
DROP TABLE public.agent_operations_activities;
DROP TABLE public.agent_marketing_activities;
ALTER TABLE public.agent_sales_activities
    DROP COLUMN review_note,
    DROP COLUMN reviewed_at,
    DROP COLUMN memory_id;
DROP TABLE public.agent_memory;
