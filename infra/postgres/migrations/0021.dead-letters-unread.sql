-- Dead letters hold records whole, which may be personal data, and no service needs to read them: what becomes of a
-- letter follows from its identity and from what it misses. Intake roles keep the columns that say so, of each other's
-- letters too, because an identity that is applied closes the letter that it left anywhere. Functions with their
-- owner's rights move contents from letters to the outbox, and remove letters whose time is over.
-- Run it while the services are stopped: those of before read contents.
-- depends: 0020.shipments

REVOKE SELECT, DELETE ON streams.dead_letters FROM eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
REVOKE UPDATE (attempts) ON streams.dead_letters
    FROM eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;
GRANT SELECT (id, service, topic, partition, record_offset, appended_at, reason, source, event_identity, status)
    ON streams.dead_letters
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;

CREATE FUNCTION streams.take_up_letters(refused_by text, most integer) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        WITH due AS MATERIALIZED (
            SELECT l.id
            FROM streams.dead_letters l
            WHERE l.service = refused_by AND l.status = 'pending' AND l.missing_id IS NOT NULL
              AND (l.reason = 'unknown_sponsor' AND EXISTS (SELECT FROM public.sponsors s WHERE s.id = l.missing_id)
                OR l.reason = 'unknown_event' AND EXISTS (SELECT FROM public.events e WHERE e.id = l.missing_id))
            ORDER BY l.id
            LIMIT most
            FOR UPDATE SKIP LOCKED
        ), taken_up AS (
            UPDATE streams.dead_letters l
            SET status = 'requeued', attempts = l.attempts + 1, updated_at = now()
            FROM due
            WHERE l.id = due.id
            RETURNING l.id, l.topic, l.key, l.value, l.headers
        ), sent AS (
            INSERT INTO streams.outbox (aggregatetype, aggregateid, record_key, payload, headers)
            SELECT t.topic, '', t.key, t.value, t.headers FROM taken_up t ORDER BY t.id
            RETURNING 1
        )
        SELECT count(*) FROM sent
    $$;
COMMENT ON FUNCTION streams.take_up_letters(text, integer) IS
    'Sends the records of a service''s letters whose missing sponsor or event has come again, through the outbox, the '
    'oldest first; returns how many.';
REVOKE EXECUTE ON FUNCTION streams.take_up_letters(text, integer) FROM public;
GRANT EXECUTE ON FUNCTION streams.take_up_letters(text, integer)
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;

-- Ids are in the order of age, so that nothing but the oldest needs to be looked at.
CREATE FUNCTION streams.expire_letters(days integer, most integer) RETURNS TABLE (service text, status text)
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
        DELETE FROM streams.dead_letters l
        WHERE l.id = ANY (ARRAY (SELECT o.id FROM streams.dead_letters o ORDER BY o.id LIMIT most))
          AND l.created_at < now() - make_interval(days => greatest(days, 1))
        RETURNING l.service, l.status
    $$;
COMMENT ON FUNCTION streams.expire_letters(integer, integer) IS
    'Removes those of the oldest letters that are older than so many days, at least one, whatever became of them; '
    'returns who had refused them, and their status.';
REVOKE EXECUTE ON FUNCTION streams.expire_letters(integer, integer) FROM public;
GRANT EXECUTE ON FUNCTION streams.expire_letters(integer, integer)
    TO eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales;

COMMENT ON TABLE streams.dead_letters IS
    'Refused records, whole. May hold personal data: what is in them is readable by operators alone, and removed after '
    'EVENTOS_DEAD_LETTERS_KEPT_DAYS.';
