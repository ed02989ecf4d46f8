REVOKE DELETE ON streams.dead_letters FROM eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;

COMMENT ON TABLE streams.dead_letters IS
    'Refused records, whole. May hold personal data: readable by operators and by the services that read the topics.';
