-- squawk-ignore-file ban-drop-constraint -- what each guaranteed is kept otherwise, as said below
-- Sales activities, too, are written under the locks of their sponsor and event, without a foreign key that looks both
-- up again for each row (docs/adr/0009). What 0018 says of sponsor_activities is true of them now.
-- Run it while email_engagement is stopped: the one of before relies on the keys.
-- depends: 0021.dead-letters-unread

-- In the order in which a deletion locks them.
LOCK TABLE public.sponsors, public.events, public.agent_sales_activities IN ACCESS EXCLUSIVE MODE;
ALTER TABLE public.agent_sales_activities
    DROP CONSTRAINT agent_sales_activities_sponsor_id_fkey,
    DROP CONSTRAINT agent_sales_activities_event_id_fkey;
COMMENT ON TABLE public.agent_sales_activities IS
    'What the sales agent and the e-mails sent for it did; e-mails are written by email_engagement. Whoever writes rows '
    'must have locked their sponsors and events (streams.lock_references): no key looks for them.';

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
            DELETE FROM public.agent_sales_activities a USING gone WHERE a.sponsor_id = gone.id;
        WHEN 'events' THEN
            DELETE FROM public.sponsor_activities a USING gone WHERE a.event_id = gone.id;
            DELETE FROM public.agent_sales_activities a USING gone WHERE a.event_id = gone.id;
    END CASE;
    RETURN NULL;
END
$$;

-- A month that leaves gets keys of its own, for the triggers do not reach it: what is in the archive goes with its
-- sponsor or event as well. Its rows have both, so that nobody needs to look through them. What Postgres 18 leaves of
-- the parent's keys, NOT ENFORCED, stays beside these: to drop it would lock out all who read sponsors and events.
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
        EXECUTE format(
            'ALTER TABLE eventos_archive.%I
                ADD FOREIGN KEY (sponsor_id) REFERENCES public.sponsors (id) ON DELETE CASCADE NOT VALID,
                ADD FOREIGN KEY (event_id) REFERENCES public.events (id) ON DELETE CASCADE NOT VALID',
            archived
        );
        PERFORM streams.ensure_sales_activity_months(month, month);
        RETURN NEXT archived;
    END LOOP;
END
$$;

-- As in 0018: on Postgres 18 the catalogue says how the tables belong together. Months have it of their parent.
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE 'ALTER TABLE public.agent_sales_activities
            ADD CONSTRAINT agent_sales_activities_sponsor_id_fkey
                FOREIGN KEY (sponsor_id) REFERENCES public.sponsors (id) ON DELETE CASCADE NOT ENFORCED,
            ADD CONSTRAINT agent_sales_activities_event_id_fkey
                FOREIGN KEY (event_id) REFERENCES public.events (id) ON DELETE CASCADE NOT ENFORCED';
    END IF;
END
$$;
