-- squawk-ignore-file ban-drop-constraint -- what each guaranteed is kept otherwise, as said below
-- What each event costs Postgres (docs/adr/0009): the ledger keyed by 16 bytes instead of two texts, facts about
-- tickets without a second key, and activities whose sponsor and event are looked up once a batch, not once a row.
-- Run it while the services are stopped: it rewrites the ledger, and locks it meanwhile.
-- depends: 0017.extensions-in-reach

CREATE FUNCTION streams.event_identity(source text, id text) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT encode(substring(sha256(convert_to(source, 'UTF8') || '\x00'::bytea || convert_to(id, 'UTF8')) FOR 16),
                      'hex')::uuid
    $$;
COMMENT ON FUNCTION streams.event_identity(text, text) IS
    'The identity of an event in 16 bytes, as contracts/envelope.py has it: the first half of a SHA-256 over both texts.';

ALTER TABLE streams_g1.processed_events ADD COLUMN identity uuid;
UPDATE streams_g1.processed_events SET identity = streams.event_identity(source, id);
ALTER TABLE streams_g1.processed_events DROP CONSTRAINT processed_events_pkey;
-- squawk-ignore adding-not-nullable-field, adding-serial-primary-key-field, constraint-missing-not-valid
ALTER TABLE streams_g1.processed_events ADD PRIMARY KEY (identity);
COMMENT ON TABLE streams_g1.processed_events IS
    'The ledger: every identity applied, once. One table, for dedupe must hold across topics, partitions and time.';

-- The key was as wide as a row, and said what the ledger says. A receipt finds a fact by its event and time.
ALTER TABLE streams_g1.ticket_events DROP CONSTRAINT ticket_events_pkey;
-- squawk-ignore require-concurrent-index-creation -- a migration is one transaction
CREATE INDEX ticket_events_event ON streams_g1.ticket_events (event_id, occurred_at);
COMMENT ON INDEX streams_g1.ticket_events_event IS 'An event''s facts in the order in which they happened.';

-- Intake has looked up and locked the sponsors and events of a batch (streams.lock_references) before it writes
-- activities. The keys looked up each row's again, for half of the time that the row took; what they did on deletion,
-- triggers on the other side do now. Nothing but the service writes this table, so nothing else could break it.
ALTER TABLE public.sponsor_activities
    DROP CONSTRAINT sponsor_activities_sponsor_id_fkey,
    DROP CONSTRAINT sponsor_activities_event_id_fkey;

CREATE FUNCTION streams.delete_activities() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- Activities that were committed since this transaction's snapshot would be left behind.
        RAISE EXCEPTION 'rows of % are deleted at READ COMMITTED only', TG_TABLE_NAME
            USING ERRCODE = 'feature_not_supported', HINT = 'Begin the transaction without another isolation level.';
    END IF;
    CASE TG_TABLE_NAME
        WHEN 'sponsors' THEN
            DELETE FROM public.sponsor_activities a USING gone WHERE a.sponsor_id = gone.id;
        WHEN 'events' THEN
            DELETE FROM public.sponsor_activities a USING gone WHERE a.event_id = gone.id;
    END CASE;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION streams.delete_activities() IS
    'Deletes the activities of sponsors or events that are deleted, as a foreign key''s ON DELETE CASCADE would.';
REVOKE EXECUTE ON FUNCTION streams.delete_activities() FROM public;

CREATE TRIGGER delete_activities_of_sponsors AFTER DELETE ON public.sponsors
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION streams.delete_activities();
CREATE TRIGGER delete_activities_of_events AFTER DELETE ON public.events
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION streams.delete_activities();

CREATE FUNCTION streams.keep_id() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION 'the id of a row of % does not change', TG_TABLE_NAME
        USING ERRCODE = 'foreign_key_violation', HINT = 'Facts refer to it; make a new row instead.';
END
$$;
COMMENT ON FUNCTION streams.keep_id() IS 'Refuses another id, as a foreign key would where anything refers to the row.';
REVOKE EXECUTE ON FUNCTION streams.keep_id() FROM public;
CREATE TRIGGER keep_sponsor_id BEFORE UPDATE OF id ON public.sponsors
    FOR EACH ROW WHEN (new.id IS DISTINCT FROM old.id) EXECUTE FUNCTION streams.keep_id();
CREATE TRIGGER keep_event_id BEFORE UPDATE OF id ON public.events
    FOR EACH ROW WHEN (new.id IS DISTINCT FROM old.id) EXECUTE FUNCTION streams.keep_id();

-- Postgres 18 can say how tables belong together without testing it; those who draw or join by the catalogue
-- (PostgREST does) still find it.
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE 'ALTER TABLE public.sponsor_activities
            ADD CONSTRAINT sponsor_activities_sponsor_id_fkey FOREIGN KEY (sponsor_id) REFERENCES public.sponsors (id)
                ON DELETE CASCADE NOT ENFORCED,
            ADD CONSTRAINT sponsor_activities_event_id_fkey FOREIGN KEY (event_id) REFERENCES public.events (id)
                ON DELETE CASCADE NOT ENFORCED';
    END IF;
END
$$;
