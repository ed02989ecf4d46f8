-- For fewer statements in small transactions (docs/adr/0009): the shapes of rows that services ship to their statements,
-- as arrays or by way of temporary tables (services/runtime/shipping.py), in which nothing is stored; and the day of lead
-- scores held and read at once. States of e-mails are shipped in the shape of their table.
-- depends: 0019.dead-letters-expire

CREATE TYPE streams.batch_identity AS (
    identity uuid,
    source text,
    id text,
    content_hash bytea,
    partition integer,
    record_offset bigint
);
COMMENT ON TYPE streams.batch_identity IS 'An identity that a batch would claim in the ledger, and the place of its record.';

CREATE TYPE streams.batch_signal AS (
    sponsor_id uuid,
    event_id uuid,
    signal text,
    day date,
    n integer
);
COMMENT ON TYPE streams.batch_signal IS 'What a batch adds to a lead signal.';

CREATE TYPE streams.batch_activity AS (
    id uuid,
    created_at timestamptz,
    message_id text,
    agent_id text,
    agent_version text,
    activity_type text,
    event_id uuid,
    sponsor_id uuid,
    input_data jsonb,
    output_data jsonb,
    status text,
    required_human_review boolean,
    escalation_reason text
);
COMMENT ON TYPE streams.batch_activity IS 'What an e-mail is as a row of agent_sales_activities.';

CREATE TYPE streams.batch_lead AS (
    id uuid,
    sponsor_id uuid,
    event_id uuid,
    score integer,
    priority text,
    conversion_probability text,
    recommended_actions text,
    insights text
);
COMMENT ON TYPE streams.batch_lead IS 'A lead as it was scored; with the id of its row where it has none yet.';

-- Volatile, so that the reading is a statement with a snapshot of its own, taken once the lock is there.
CREATE FUNCTION streams.hold_day() RETURNS date
    LANGUAGE plpgsql VOLATILE
    SET search_path = streams, pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('lead_scoring.as_of', 0));
    RETURN (SELECT (value #>> '{}')::date FROM control WHERE name = 'as_of');
END
$$;
COMMENT ON FUNCTION streams.hold_day() IS
    'The UTC day at whose end leads are scored; it does not move before the transaction ends.';
