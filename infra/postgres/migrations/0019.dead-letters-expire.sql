-- Dead letters hold records whole, which may be personal data: they are removed once their time is over. Whichever intake
-- service runs removes them, the letters of one that does not run any longer included.
-- depends: 0018.hot-path
GRANT DELETE ON streams.dead_letters TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;

COMMENT ON TABLE streams.dead_letters IS
    'Refused records, whole. May hold personal data: readable by operators and by the services that read the topics, '
    'and removed after EVENTOS_DEAD_LETTERS_KEPT_DAYS.';
