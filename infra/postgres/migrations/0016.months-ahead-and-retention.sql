-- Months of agent_sales_activities: two years back and all of next year are there before anyone asks, and what nobody
-- needs any longer is detached, whole months at a time, never deleted row by row.
-- depends: 0015.performance-summary

-- Detached months are plain tables that only the owner of the database reaches: to be dumped, or dropped.
CREATE SCHEMA IF NOT EXISTS eventos_archive;

-- An empty month takes the place of each: a row of any time must land, and a late fact about an old e-mail writes its
-- activity anew. Months without rows stay as they are.
CREATE FUNCTION streams.detach_sales_activity_months(before date) RETURNS SETOF text
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
COMMENT ON FUNCTION streams.detach_sales_activity_months(date) IS
    'Moves the rows of whole months before a day, at least two years ago, into tables of eventos_archive; returns these.';
REVOKE EXECUTE ON FUNCTION streams.detach_sales_activity_months(date) FROM public;
GRANT EXECUTE ON FUNCTION streams.detach_sales_activity_months(date) TO eventos_operator;

-- From here on email_engagement keeps the months ahead.
DO $$
BEGIN
    PERFORM streams.ensure_sales_activity_months(
        (current_date - interval '24 months')::date, make_date(extract(year FROM current_date)::int + 1, 12, 1)
    );
END
$$;
