-- squawk-ignore-file ban-drop-constraint, adding-foreign-key-constraint, constraint-missing-not-valid
-- Months that were detached meanwhile have keys, and keep them.
CREATE OR REPLACE FUNCTION streams.detach_sales_activity_months(before date) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    name text;
    archived text;
    month date;
    used boolean;
BEGIN
    IF before > date_trunc('month', current_date) - interval '24 months' THEN
        RAISE EXCEPTION 'months of the past two years stay' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('agent_sales_activities months', 0));
    FOR name, month IN
        SELECT c.relname::text, to_date(right(c.relname, 7), 'YYYY_MM')
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.agent_sales_activities'::regclass AND c.relname ~ '_\d{4}_\d\d$'
        ORDER BY c.relname
    LOOP
        CONTINUE WHEN month + interval '1 month' > before;
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO used;
        CONTINUE WHEN NOT used;
        archived := format('%s_detached_%s', name, to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD_HH24MISS'));
        EXECUTE format('ALTER TABLE public.agent_sales_activities DETACH PARTITION public.%I', name);
        EXECUTE format('ALTER TABLE public.%I SET SCHEMA eventos_archive', name);
        EXECUTE format('ALTER TABLE eventos_archive.%I RENAME TO %I', name, archived);
        PERFORM streams.ensure_sales_activity_months(month, month);
        RETURN NEXT archived;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION streams.delete_activities() RETURNS trigger
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

LOCK TABLE public.sponsors, public.events, public.agent_sales_activities IN ACCESS EXCLUSIVE MODE;
-- What somebody has left without its sponsor or event would have gone with it.
DELETE FROM public.agent_sales_activities a
WHERE NOT EXISTS (SELECT FROM public.sponsors WHERE id = a.sponsor_id)
   OR (a.event_id IS NOT NULL AND NOT EXISTS (SELECT FROM public.events WHERE id = a.event_id));
ALTER TABLE public.agent_sales_activities
    DROP CONSTRAINT IF EXISTS agent_sales_activities_sponsor_id_fkey,
    DROP CONSTRAINT IF EXISTS agent_sales_activities_event_id_fkey;
ALTER TABLE public.agent_sales_activities
    ADD CONSTRAINT agent_sales_activities_sponsor_id_fkey
        FOREIGN KEY (sponsor_id) REFERENCES public.sponsors (id) ON DELETE CASCADE,
    ADD CONSTRAINT agent_sales_activities_event_id_fkey
        FOREIGN KEY (event_id) REFERENCES public.events (id) ON DELETE CASCADE;
COMMENT ON TABLE public.agent_sales_activities IS
    'What the sales agent and the e-mails sent for it did; e-mails are written by email_engagement.';
