DO $$
BEGIN
    IF to_regnamespace('extensions') IS NOT NULL THEN
        REVOKE USAGE ON SCHEMA extensions FROM
            eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales,
            eventos_lead_scoring, eventos_event_dashboards, eventos_outbox_relay, eventos_operator;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        NULL; -- whoever granted it takes it back
END
$$;
