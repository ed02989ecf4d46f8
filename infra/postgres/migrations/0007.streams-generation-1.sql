-- The first generation: positions, ledger, facts, contributions and marks. As in 0006, no foreign keys to public.
-- Text that is compared or ordered by rank is COLLATE "C": by its UTF-8 bytes, the same on every machine.
-- depends: 0006.streams

-- A handful of rows, each updated by every batch: half-empty pages keep the updates on their page (HOT), and early
-- vacuum keeps the fence's look-up short.
CREATE TABLE streams_g1.stream_offsets (
    service text NOT NULL, -- or a replay run's name, which has positions of its own
    topic text NOT NULL, -- with prefix
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    applied bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    dead_lettered bigint NOT NULL DEFAULT 0,
    refused_in_row integer NOT NULL DEFAULT 0,
    stopped_reason text,
    stopped_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, topic, partition)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE streams_g1.stream_offsets IS
    'How far each service is on each partition, and what became of all records before: the truth behind the metrics.';

CREATE TABLE streams_g1.processed_events (
    source text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    content_hash bytea NOT NULL,
    service text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, id)
);
COMMENT ON TABLE streams_g1.processed_events IS
    'The ledger: every identity applied, once. One table, for dedupe must hold across topics, partitions and time.';

-- Tables with several writers are partitioned by writer, for table grants cannot tell rows apart. A writer names its
-- own partition (lead_signals_<service>), where `service` has its default; readers read the parent.
-- fillfactor: n moves in place, room on the page keeps that off the indexes (HOT). Early vacuum: the same day's
-- counts are updated again and again.
CREATE TABLE streams_g1.lead_signals (
    service text NOT NULL,
    sponsor_id uuid NOT NULL,
    event_id uuid,
    signal text NOT NULL,
    day date NOT NULL,
    n integer NOT NULL, -- 0 is invisible to views
    CONSTRAINT lead_signals_key UNIQUE NULLS NOT DISTINCT (sponsor_id, event_id, signal, day, service)
) PARTITION BY LIST (service);
COMMENT ON TABLE streams_g1.lead_signals IS 'How often a sponsor gave a signal on a UTC day: what scores are made of.';
CREATE INDEX lead_signals_event ON streams_g1.lead_signals (event_id) WHERE event_id IS NOT NULL;
COMMENT ON INDEX streams_g1.lead_signals_event IS 'The sponsors of an event: fans an event''s mark out to its pairs.';

CREATE TABLE streams_g1.lead_signals_sponsor_activity PARTITION OF streams_g1.lead_signals (
    service DEFAULT 'sponsor_activity'
) FOR VALUES IN ('sponsor_activity') WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE streams_g1.lead_signals_email_engagement PARTITION OF streams_g1.lead_signals (
    service DEFAULT 'email_engagement'
) FOR VALUES IN ('email_engagement') WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE streams_g1.lead_signals_ticket_sales PARTITION OF streams_g1.lead_signals (
    service DEFAULT 'ticket_sales'
) FOR VALUES IN ('ticket_sales') WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- Partitioned for the same reason. `shard` is the batch's lowest fenced partition, so that no two transactions ever
-- wait for a row; few rows, updated by every batch: room on the page, and vacuum long before a fifth has changed.
CREATE TABLE streams_g1.event_counters (
    service text NOT NULL,
    event_id uuid NOT NULL,
    metric text NOT NULL,
    label text NOT NULL DEFAULT '',
    shard integer NOT NULL,
    n bigint NOT NULL, -- a shard's may be negative; 0 over all shards is invisible to views
    first_at timestamptz, -- the least time counted; only for counters that never fall
    PRIMARY KEY (event_id, metric, label, shard, service)
) PARTITION BY LIST (service);
COMMENT ON TABLE streams_g1.event_counters IS 'What dashboards are made of: counts per event, metric and label.';

CREATE TABLE streams_g1.event_counters_sponsor_activity PARTITION OF streams_g1.event_counters (
    service DEFAULT 'sponsor_activity'
) FOR VALUES IN ('sponsor_activity')
    WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE TABLE streams_g1.event_counters_email_engagement PARTITION OF streams_g1.event_counters (
    service DEFAULT 'email_engagement'
) FOR VALUES IN ('email_engagement')
    WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE TABLE streams_g1.event_counters_ticket_sales PARTITION OF streams_g1.event_counters (
    service DEFAULT 'ticket_sales'
) FOR VALUES IN ('ticket_sales')
    WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE TABLE streams_g1.campaign_counters (
    subject text NOT NULL CHECK (subject IN ('campaign', 'template', 'sequence')),
    subject_id uuid NOT NULL, -- need not have a row: the count shows if it appears
    metric text NOT NULL,
    shard integer NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (subject_id, subject, metric, shard)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE streams_g1.campaign_counters IS
    'Messages counted for campaigns, templates and sequences; written by email_engagement. Settings as event_counters.';

CREATE TABLE streams_g1.proposal_counters (
    proposal_id uuid NOT NULL, -- need not have a row: the count shows if it appears
    shard integer NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (proposal_id, shard)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE streams_g1.proposal_counters IS
    'Views of proposals; written by sponsor_activity. Settings as event_counters.';

CREATE TABLE streams_g1.email_events (
    message_id text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    type text NOT NULL, -- the short name, such as `opened`
    occurred_at timestamptz NOT NULL,
    sponsor_id uuid,
    event_id uuid,
    campaign_id uuid,
    template_id uuid,
    sequence_id uuid,
    machine boolean NOT NULL DEFAULT false,
    bounce_kind text CHECK (bounce_kind IN ('hard', 'soft')),
    recipient_hash text,
    url text
);
COMMENT ON TABLE streams_g1.email_events IS
    'Every fact about every e-mail; written by email_engagement. That no identity comes twice is the ledger''s word.';
CREATE INDEX email_events_message ON streams_g1.email_events (message_id);
COMMENT ON INDEX streams_g1.email_events_message IS
    'The facts of a message. The three texts of its identity would not fit into one index row.';

-- fillfactor: a message is written when sent and updated as it is delivered, opened and answered.
CREATE TABLE streams_g1.email_messages (
    message_id text COLLATE "C" PRIMARY KEY,
    -- Each attribute is that of the fact of least rank (contracts/envelope.py, Event.rank) among those that have one.
    sponsor_id uuid,
    sponsor_rank bytea,
    event_id uuid,
    event_rank bytea,
    campaign_id uuid,
    campaign_rank bytea,
    template_id uuid,
    template_rank bytea,
    sequence_id uuid,
    sequence_rank bytea,
    -- The earliest of each.
    sent_at timestamptz,
    delivered_at timestamptz,
    opened_at timestamptz,
    machine_opened_at timestamptz,
    clicked_at timestamptz,
    replied_at timestamptz,
    bounced_at timestamptz,
    hard_bounced_at timestamptz,
    complained_at timestamptz,
    unsubscribed_at timestamptz
) WITH (fillfactor = 80);
COMMENT ON TABLE streams_g1.email_messages IS
    'The state of each e-mail, a pure function of its facts; written by email_engagement.';

CREATE TABLE streams_g1.ticket_events (
    event_id uuid NOT NULL,
    source text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    type text NOT NULL, -- the short name, such as `order_completed`
    occurred_at timestamptz NOT NULL,
    session_id text,
    order_id text COLLATE "C",
    quantity integer,
    amount_cents bigint,
    currency text,
    ticket_type text,
    sponsor_id uuid,
    channel text,
    refunded_quantity integer,
    refunded_cents bigint,
    outcome text,
    ticket_id text COLLATE "C",
    PRIMARY KEY (event_id, source, id)
);
COMMENT ON TABLE streams_g1.ticket_events IS 'Every fact about ticketing; written by ticket_sales.';

-- fillfactor: an order is begun, completed, refunded, disputed.
CREATE TABLE streams_g1.ticket_orders (
    event_id uuid NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    checkout_started boolean NOT NULL DEFAULT false,
    completed_rank bytea, -- of the order_completed of greatest rank, which the next six are of
    completed_at timestamptz,
    quantity integer,
    amount_cents bigint,
    currency text,
    ticket_type text,
    sponsor_id uuid,
    refunds jsonb NOT NULL DEFAULT '{}', -- {currency: [greatest quantity, greatest cents]}
    dispute_rank bytea,
    dispute_outcome text CHECK (dispute_outcome IN ('won', 'lost')),
    net_quantity integer NOT NULL DEFAULT 0,
    net_cents bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (event_id, order_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE streams_g1.ticket_orders IS
    'The state of each order, a pure function of its facts; written by ticket_sales.';
CREATE INDEX ticket_orders_counting ON streams_g1.ticket_orders (event_id, completed_at) WHERE net_quantity > 0;
COMMENT ON INDEX streams_g1.ticket_orders_counting IS 'first_sale_at: the earliest completion among orders that count.';

CREATE TABLE streams_g1.checked_in_tickets (
    event_id uuid NOT NULL,
    ticket_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (event_id, ticket_id)
);
COMMENT ON TABLE streams_g1.checked_in_tickets IS 'Tickets seen at the door, once each; written by ticket_sales.';

-- Append-only: a mark made unique by its key would be lost to DO NOTHING while the old one is being taken. A queue,
-- vacuumed as the outbox is.
CREATE TABLE streams_g1.stale_marks (
    id bigint GENERATED ALWAYS AS IDENTITY,
    projection text NOT NULL,
    shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 15),
    priority smallint NOT NULL DEFAULT 0 CHECK (priority IN (0, 1)), -- 0 live, 1 background
    kind text NOT NULL,
    key uuid NOT NULL,
    other uuid,
    marked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, shard, priority, id) -- the order in which a shard's owner takes them
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE streams_g1.stale_marks IS 'Keys whose view no longer agrees with the facts; taken by projections.';

CREATE TABLE streams_g1.parked_keys (
    projection text NOT NULL,
    shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 15),
    kind text NOT NULL,
    key uuid NOT NULL,
    other uuid,
    attempts integer NOT NULL,
    error text NOT NULL,
    retry_at timestamptz NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT parked_keys_key UNIQUE NULLS NOT DISTINCT (projection, kind, key, other)
);
COMMENT ON TABLE streams_g1.parked_keys IS 'Keys whose projection failed, out of the way of the others until retry_at.';
