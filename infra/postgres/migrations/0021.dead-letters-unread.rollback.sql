-- squawk-ignore-file ban-drop-function
DROP FUNCTION streams.expire_letters(integer, integer);
DROP FUNCTION streams.take_up_letters(text, integer);

REVOKE SELECT ON streams.dead_letters FROM eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
GRANT SELECT, DELETE ON streams.dead_letters TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
GRANT UPDATE (attempts) ON streams.dead_letters
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;

COMMENT ON TABLE streams.dead_letters IS
    'Refused records, whole. May hold personal data: readable by operators and by the services that read the topics, '
    'and removed after EVENTOS_DEAD_LETTERS_KEPT_DAYS.';
