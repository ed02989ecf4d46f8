-- What the services keep for themselves and outlives generations.
-- No table here has a foreign key to public: facts outlive the rows they name, and intake has locked those rows
-- (streams.lock_references) in the transaction that refers to them.
-- depends: 0005.phase-3-marketing-analytics

CREATE TABLE streams.control (
    name text PRIMARY KEY,
    value jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE streams.control IS
    'One row each: installation_id (ids of derived events are made from it), generation, as_of (set by lead_scoring).';

INSERT INTO streams.control (name, value) VALUES
    ('installation_id', to_jsonb(gen_random_uuid())),
    ('generation', '1');

-- A queue: rows come and go, none is updated. Vacuumed by count, whatever the table has grown to, and at full speed:
-- the relay reads from the low end and would wade through what it deleted.
CREATE TABLE streams.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the relay takes them in this order
    aggregatetype text NOT NULL, -- the topic's name without prefix; an input topic for a requeued record
    aggregateid text NOT NULL, -- the derived event's key
    record_key bytea, -- the key of a record sent as it was (requeued, or forwarded to dead-letters): any bytes, or none
    type text, -- the derived event's type; NULL for a tombstone and for a record sent as it was
    source text,
    payload bytea, -- the JSON of the event's data, or the record's value; NULL is a tombstone
    headers jsonb NOT NULL DEFAULT '[]', -- of a record sent as it was: [[name, base64 or null], ...], in its order
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE streams.outbox IS
    'Records on their way to Kafka, committed with what they tell of; the columns that a Debezium outbox router reads.';

CREATE TABLE streams.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    topic text NOT NULL, -- without prefix
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL DEFAULT '[]', -- [[name, base64 or null], ...], in the record's order
    appended_at timestamptz NOT NULL, -- by the broker's clock
    reason text NOT NULL CHECK (reason IN (
        'oversized', 'not_json', 'invalid_envelope', 'unknown_type', 'invalid_data', 'time_in_future',
        'unknown_sponsor', 'unknown_event', 'event_id_conflict', 'handler_error'
    )),
    detail text NOT NULL,
    source text COLLATE "C",
    event_identity text COLLATE "C", -- the CloudEvents id; with source the identity, where the record had one
    type text,
    missing_id uuid, -- the sponsor or event that has no row
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'requeued', 'resolved', 'discarded')),
    attempts integer NOT NULL DEFAULT 0, -- how often it was requeued
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- A record read again makes no second letter; of a topic that was made anew the offsets come again, the times not.
    CONSTRAINT dead_letters_record_key UNIQUE (topic, partition, record_offset, appended_at)
);
COMMENT ON TABLE streams.dead_letters IS
    'Refused records, whole. May hold personal data: readable by operators and by the services that read the topics.';

CREATE INDEX dead_letters_open_identity ON streams.dead_letters (source, event_identity)
    WHERE status IN ('pending', 'requeued');
COMMENT ON INDEX streams.dead_letters_open_identity IS 'The open letters of an identity, closed when it is applied.';
CREATE INDEX dead_letters_missing ON streams.dead_letters (service, id)
    WHERE status = 'pending' AND missing_id IS NOT NULL;
COMMENT ON INDEX streams.dead_letters_missing IS 'A service''s letters that wait for a sponsor or an event, oldest first.';

CREATE TABLE streams.dashboard_milestones (
    event_id uuid NOT NULL,
    milestone text NOT NULL CHECK (milestone IN ('first_sale', 'capacity_50', 'capacity_90', 'capacity_100')),
    reached_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, milestone)
);
COMMENT ON TABLE streams.dashboard_milestones IS
    'Milestones that were told; each is told once per event, whatever is rebuilt or un-happens.';

CREATE TABLE streams.replay_runs (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('redeliver', 'rebuild', 'backfill')),
    service text,
    topic text,
    parameters jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'failed', 'cancelled')),
    digest_before text,
    digest_after text,
    counts jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
COMMENT ON TABLE streams.replay_runs IS 'Every replay, what it was asked for and what it came to.';
