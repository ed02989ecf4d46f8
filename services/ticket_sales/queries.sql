-- name: place_orders
-- An empty row for each order that has none, in key order, so that there is something to lock.
INSERT INTO ticket_orders (event_id, order_id)
SELECT event_id, order_id
FROM unnest($1::uuid[], $2::text[]) AS wanted (event_id, order_id)
ORDER BY event_id, order_id COLLATE "C"
ON CONFLICT (event_id, order_id) DO NOTHING;

-- name: lock_orders
-- The orders' states, locked in key order. A statement of its own: its snapshot must be younger than place_orders' waits.
SELECT
    o.event_id::text, o.order_id, o.checkout_started,
    o.completed_rank, o.completed_at, o.quantity, o.amount_cents, o.currency, o.ticket_type, o.sponsor_id::text,
    o.refunds, o.dispute_rank, o.dispute_outcome
FROM unnest($1::uuid[], $2::text[]) AS wanted (event_id, order_id)
JOIN ticket_orders AS o USING (event_id, order_id)
ORDER BY o.event_id, o.order_id
FOR UPDATE OF o;

-- name: update_orders
-- The new states of orders that are locked. The net numbers follow from the state; dashboards ask for them by index.
UPDATE ticket_orders AS o
SET
    checkout_started = n.checkout_started,
    completed_rank = n.completed_rank,
    completed_at = n.completed_at,
    quantity = n.quantity,
    amount_cents = n.amount_cents,
    currency = n.currency,
    ticket_type = n.ticket_type,
    sponsor_id = n.sponsor_id,
    refunds = n.refunds,
    dispute_rank = n.dispute_rank,
    dispute_outcome = n.dispute_outcome,
    net_quantity = n.net_quantity,
    net_cents = n.net_cents
FROM unnest(
    $1::uuid[], $2::text[], $3::boolean[],
    $4::bytea[], $5::timestamptz[], $6::integer[], $7::bigint[], $8::text[], $9::text[], $10::uuid[],
    $11::jsonb[], $12::bytea[], $13::text[], $14::integer[], $15::bigint[]
) AS n (
    event_id, order_id, checkout_started,
    completed_rank, completed_at, quantity, amount_cents, currency, ticket_type, sponsor_id,
    refunds, dispute_rank, dispute_outcome, net_quantity, net_cents
)
WHERE o.event_id = n.event_id AND o.order_id = n.order_id;

-- name: check_in
-- Keeps each ticket once, in key order, and returns the event of each that was not there.
INSERT INTO checked_in_tickets (event_id, ticket_id)
SELECT event_id, ticket_id
FROM unnest($1::uuid[], $2::text[]) AS wanted (event_id, ticket_id)
ORDER BY event_id, ticket_id COLLATE "C"
ON CONFLICT (event_id, ticket_id) DO NOTHING
RETURNING event_id::text;
