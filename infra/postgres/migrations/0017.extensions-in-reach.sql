-- Services compare embeddings: where the platform keeps pgvector in a schema of its own (Supabase does), they must
-- reach that. It is the last of their search path (services/runtime/database.py).
-- depends: 0016.months-ahead-and-retention
DO $$
BEGIN
    IF to_regnamespace('extensions') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA extensions TO
            eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales,
            eventos_lead_scoring, eventos_event_dashboards, eventos_outbox_relay, eventos_operator;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE WARNING 'services may not use the schema extensions, where pgvector is'
            USING HINT = 'Let its owner: GRANT USAGE ON SCHEMA extensions TO the eventos_ roles';
END
$$;
